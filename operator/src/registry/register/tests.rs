//! What is listed, by what happens to nodes and when.

use super::super::beats::Said;
use super::super::directory::{Fleet, Node};
use super::super::tests::{big, directory, fleets, heartbeat, node_of};
use super::*;

struct World {
    register: Register,
    start: Instant,
}

impl World {
    fn of(numbers: &[u8]) -> Self {
        let mut world = Self { register: Register::default(), start: Instant::now() };
        world.takes(numbers, 0);
        world
    }

    /// One whose nodes have all been heard.
    fn warm(numbers: &[u8]) -> Self {
        let mut world = Self::of(numbers);
        world.all_beat(numbers, 0);
        world.register.heard(&node_of("other", 1).uid, Said::of(heartbeat(0)), world.start);
        assert!(world.roll(0).unwrap().warm);
        world
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn takes(&mut self, numbers: &[u8], seconds: u64) {
        let now = self.at(seconds);
        self.register.take(directory(fleets(numbers)), now);
    }

    fn beats(&mut self, number: u8, said: Said, seconds: u64) -> bool {
        let now = self.at(seconds);
        self.register.heard(&node_of("big", number).uid, said, now)
    }

    fn all_beat(&mut self, numbers: &[u8], seconds: u64) {
        for number in numbers {
            self.beats(*number, Said::of(heartbeat(0)), seconds);
        }
    }

    /// Asks all that are to be asked; none answers but those of `answer`.
    fn asks(&mut self, seconds: u64, answer: impl Fn(&str) -> Option<Shown>) -> usize {
        let now = self.at(seconds);
        let due = self.register.due(100, now);
        for (uid, _) in &due {
            self.register.shown(uid, answer(uid).as_ref(), now);
        }
        due.len()
    }

    fn roll(&mut self, seconds: u64) -> Option<Roll> {
        let now = self.at(seconds);
        self.register.roll(now).cloned()
    }

    /// The numbers of the nodes listed.
    fn listed(&mut self, seconds: u64) -> Vec<String> {
        self.roll(seconds);
        let listing = self.register.roll.listing(&big()).unwrap();
        listing.nodes.iter().map(|node| node.name.trim_start_matches("sluice-big-").to_owned()).collect()
    }
}

fn shown(uid: &str) -> Shown {
    Shown { uid: Some(uid.to_owned()), band: Some(30) }
}

#[test]
fn at_a_start_it_is_waited_until_each_ready_node_is_known_or_for_15_seconds() {
    let mut world = World::of(&[1, 2]);
    assert!(!world.roll(0).unwrap().warm, "listed they are at once");
    assert_eq!(world.listed(0).len(), 2);
    assert_eq!(world.asks(0, |_| None), 3);
    assert_eq!(world.asks(1, |uid| (uid != "uid-big-2").then(|| shown(uid))), 3);
    assert!(world.roll(1).is_some_and(|roll| !roll.warm));
    world.beats(2, Said::of(heartbeat(10)), 2);
    assert!(world.roll(2).unwrap().warm);
    assert_eq!(world.asks(3, |_| None), 0);

    let mut world = World::of(&[1]);
    assert!(!world.roll(14).unwrap().warm);
    assert!(world.roll(15).unwrap().warm);
}

#[test]
fn a_node_that_answers_in_words_of_another_version_is_waited_for_no_longer() {
    let mut world = World::of(&[1]);
    world.asks(0, |_| Some(Shown::default()));
    assert!(world.roll(0).unwrap().warm);
}

#[test]
fn loads_are_those_of_heartbeats_and_of_answers() {
    let mut world = World::of(&[1, 2]);
    world.asks(0, |uid| (uid == "uid-big-1").then(|| shown(uid)));
    world.beats(2, Said::of(heartbeat(70)), 0);
    let roll = world.roll(0).unwrap();
    let loads: Vec<u8> = roll.listing(&big()).unwrap().nodes.iter().map(|node| node.load).collect();
    assert_eq!(loads, [30, 70]);
}

#[test]
fn a_roll_is_given_only_when_it_is_another() {
    let mut world = World::warm(&[1, 2]);
    assert_eq!(world.roll(0), None);
    world.all_beat(&[1, 2], 5);
    assert_eq!(world.roll(5), None);
    let before = world.register.roll.clone();
    assert!(!world.beats(1, Said::of(heartbeat(20)), 6), "its status is as it was");
    let after = world.roll(6).unwrap();
    assert!(after.has_members_of(&before) && after != before);
    world.takes(&[1], 7);
    assert!(!world.roll(7).unwrap().has_members_of(&after));
}

#[test]
fn a_silent_node_leaves_after_13_seconds_and_comes_back_when_it_is_heard() {
    let mut world = World::warm(&[1, 2, 3]);
    for seconds in [5, 10] {
        world.all_beat(&[2, 3], seconds);
    }
    assert!(world.asks(10, |uid| (uid != "uid-big-1").then(|| shown(uid))) >= 1);
    world.all_beat(&[2, 3], 12);
    world.asks(12, |_| None);
    assert_eq!(world.listed(12), ["1", "2", "3"]);
    assert_eq!(world.listed(13), ["2", "3"]);
    assert_eq!(world.register.census().lost, 1);
    world.beats(1, Said::of(heartbeat(0)), 14);
    assert_eq!(world.listed(14), ["1", "2", "3"]);
}

#[test]
fn a_node_that_is_cut_off_but_answers_stays() {
    let mut world = World::warm(&[1, 2, 3]);
    for seconds in 1..60 {
        world.all_beat(&[2, 3], seconds);
        world.asks(seconds, |uid| Some(shown(uid)));
        assert_eq!(world.listed(seconds).len(), 3);
    }
}

#[test]
fn another_node_at_its_former_address_does_not_keep_a_node_alive() {
    let mut world = World::warm(&[1, 2, 3]);
    for seconds in 1..=13 {
        world.all_beat(&[2, 3], seconds);
        world.asks(seconds, |_| Some(shown("uid-of-somebody-else")));
    }
    assert_eq!(world.listed(13), ["2", "3"]);
}

#[test]
fn a_pod_that_is_not_ready_leaves_at_once() {
    let mut world = World::warm(&[1, 2]);
    let mut nodes: Vec<Node> = [1, 2].map(|number| node_of("big", number)).into();
    nodes[0].ready = false;
    let fleet = Fleet { nodes, ..Fleet::default() };
    let now = world.at(1);
    world.register.take(directory([(big(), Arc::new(fleet))].into()), now);
    assert_eq!(world.listed(1), ["2"]);
}

#[test]
fn a_node_that_says_that_it_leaves_is_listed_no_more_unless_it_is_the_last() {
    let mut world = World::warm(&[1, 2]);
    let mut last = heartbeat(0);
    last.sluice.as_mut().unwrap().state = sluice_wire::status::NodeState::Draining;
    assert!(world.beats(1, Said::of(last.clone()), 1));
    assert_eq!(world.listed(1), ["2"]);
    world.beats(2, Said::of(last), 2);
    assert_eq!(world.listed(2), ["1", "2"], "while a pod is ready the list is not empty");
}

#[test]
fn most_of_a_fleet_silent_at_once_changes_no_list_and_is_told() {
    let mut world = World::warm(&[1, 2, 3]);
    for seconds in 1..=13 {
        world.beats(3, Said::of(heartbeat(0)), seconds);
        world.asks(seconds, |_| None);
    }
    assert_eq!(world.listed(13), ["1", "2", "3"]);
    assert_eq!(world.register.roll.listing(&big()).unwrap().silent, Some(2));
    world.beats(2, Said::of(heartbeat(0)), 14);
    assert_eq!(world.listed(14), ["2", "3"]);
    assert_eq!(world.register.roll.listing(&big()).unwrap().silent, None);
}

#[test]
fn what_is_there_no_more_is_forgotten() {
    let mut world = World::warm(&[1]);
    let now = world.at(1);
    world.register.take(directory([].into()), now);
    assert!(world.roll(1).unwrap().fleets.is_empty());
    assert!(!world.beats(1, Said::of(heartbeat(0)), 2));
    assert_eq!(world.register.census(), Census::default());
}
