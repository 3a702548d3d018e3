//! The rules of silence second by second.

use super::*;

const A: &str = "a";

struct World {
    silence: Silence,
    start: Instant,
}

impl World {
    fn new(uids: &[&str]) -> Self {
        let mut world = Self { silence: Silence::default(), start: Instant::now() };
        for uid in uids {
            world.silence.seen(&Arc::from(*uid), world.start);
        }
        world
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn due(&mut self, millis: u64) -> Vec<String> {
        let now = self.at(millis);
        self.silence.due(false, 100, now).iter().map(ToString::to_string).collect()
    }

    fn fails(&mut self, millis: u64) {
        assert_eq!(self.due(millis), [A], "{millis}");
        let now = self.at(millis + 100);
        self.silence.asked(A, false, now);
    }

    fn lost(&mut self, millis: u64) -> bool {
        let now = self.at(millis);
        self.silence.lose(now);
        self.silence.is_lost(A)
    }
}

#[test]
fn a_silent_node_is_asked_at_10_and_12_seconds_and_lost_at_13() {
    let mut world = World::new(&[A]);
    let heard = world.at(5_000);
    world.silence.heard(A, heard);
    assert_eq!(world.due(14_999), [""; 0]);
    world.fails(15_000);
    assert_eq!(world.due(16_999), [""; 0]);
    world.fails(17_000);
    assert!(!world.lost(17_999));
    assert!(world.lost(18_000));
}

#[test]
fn it_is_asked_every_10_seconds_while_the_silence_lasts() {
    let mut world = World::new(&[A]);
    world.fails(10_000);
    world.fails(12_000);
    for at in [22_000, 32_000, 42_000] {
        assert_eq!(world.due(at - 1), [""; 0], "{at}");
        world.fails(at);
    }
    assert!(world.lost(42_000));
    assert_eq!(world.due(52_000), [A]);
    let now = world.at(52_100);
    assert!(world.silence.asked(A, true, now), "it was lost");
    assert!(!world.lost(60_000));
}

#[test]
fn one_that_answers_when_asked_stays_however_long_it_is_not_heard() {
    let mut world = World::new(&[A]);
    for round in 0..10 {
        let from = round * 10_000;
        assert_eq!(world.due(from + 10_000), [A]);
        let now = world.at(from + 10_000);
        world.silence.asked(A, true, now);
        assert!(!world.lost(from + 19_999));
    }
    // Its first failure is followed by the second question, as ever.
    world.fails(110_000);
    world.fails(112_000);
    assert!(world.lost(113_000));
}

#[test]
fn a_heartbeat_ends_the_silence_at_once() {
    let mut world = World::new(&[A]);
    world.fails(10_000);
    world.fails(12_000);
    assert!(world.lost(13_000));
    let now = world.at(13_500);
    assert!(world.silence.heard(A, now));
    assert!(!world.lost(14_000));
    assert_eq!(world.due(23_499), [""; 0]);
    assert_eq!(world.due(23_500), [A]);
}

#[test]
fn an_answer_that_comes_too_late_brings_no_harm() {
    let mut world = World::new(&[A]);
    assert_eq!(world.due(10_000), [A]);
    let now = world.at(11_000);
    world.silence.heard(A, now);
    world.silence.asked(A, false, now);
    assert!(!world.lost(24_500), "a question before the heartbeat says nothing of the time after it");
}

#[test]
fn one_that_nobody_could_ask_is_not_lost() {
    let mut world = World::new(&["a", "b"]);
    let now = world.at(10_000);
    assert_eq!(world.silence.due(false, 1, now).len(), 1, "there is room for one");
    let now = world.at(60_000);
    assert!(world.silence.lose(now).is_empty());
}

#[test]
fn at_a_start_all_are_asked_at_once_and_again_until_they_are_known() {
    let mut world = World::new(&[A]);
    let ask = |world: &mut World, millis| {
        let now = world.at(millis);
        !world.silence.due(true, 9, now).is_empty()
    };
    assert!(ask(&mut world, 0));
    assert!(!ask(&mut world, 500), "it is being asked");
    let now = world.at(600);
    world.silence.asked(A, false, now);
    assert!(!ask(&mut world, 999) && ask(&mut world, 1_000));
    let now = world.at(1_100);
    world.silence.asked(A, true, now);
    assert!(world.silence.knows(A) && !ask(&mut world, 5_000));
    // Failures at a start are no reason to lose one earlier than others, nor later.
    let mut world = World::new(&[A]);
    assert!(ask(&mut world, 0));
    let now = world.at(100);
    world.silence.asked(A, false, now);
    assert!(!world.lost(12_999));
    assert_eq!(world.due(10_000), [A]);
    assert!(world.lost(13_000));
}

fn uids(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn next(before: &LeftOut, ready: &[&str], lost: &[&str]) -> (LeftOut, Vec<String>) {
    let after = before.next(uids(ready).iter(), |uid| lost.contains(&uid));
    let out = ready.iter().filter(|uid| after.has(uid)).map(|uid| (*uid).to_owned()).collect();
    (after, out)
}

#[test]
fn lost_nodes_are_left_out_up_to_half_of_a_fleet() {
    let (after, out) = next(&LeftOut::default(), &["a", "b", "c", "d"], &["a", "b"]);
    assert_eq!((out, after.silent), (vec!["a".to_owned(), "b".to_owned()], None));
}

#[test]
fn more_than_half_lost_at_once_keeps_the_last_list() {
    let all = ["a", "b", "c", "d"];
    let (one, _) = next(&LeftOut::default(), &all, &["a"]);
    let (most, out) = next(&one, &all, &["a", "b", "c", "d"]);
    assert_eq!((out, most.silent), (vec!["a".to_owned()], Some(4)));
    // One that is heard again is listed again.
    let (after, out) = next(&most, &all, &["b", "c", "d"]);
    assert_eq!((out.len(), after.silent), (0, Some(3)));
    // When half are back the rest are believed to be dead.
    let (after, out) = next(&after, &all, &["c", "d"]);
    assert_eq!((out.len(), after.silent), (2, None));
}

#[test]
fn the_last_node_is_never_left_out() {
    let (both, _) = next(&LeftOut::default(), &["a", "b"], &["a"]);
    assert!(both.has("a"));
    let (alone, out) = next(&both, &["a"], &["a"]);
    assert_eq!((out.len(), alone.silent), (0, Some(1)));
    assert_eq!(next(&LeftOut::default(), &["a"], &["a"]).1.len(), 0);
    assert_eq!(next(&LeftOut::default(), &[], &[]).0, LeftOut::default());
}
