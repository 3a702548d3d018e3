//! One fleet, looked at every few seconds.

mod simulated;

use sluice_crds::Span;

use super::*;

fn spec(min: i32, max: i32) -> Autoscaling {
    Autoscaling { min, max, target_load: 60, scale_down_stabilization: Span::from_secs(300) }
}

/// A fleet whose workload does as it is told, and whose pods are ready at once.
struct Fleet {
    scaler: Scaler,
    spec: Autoscaling,
    replicas: i32,
    now: Instant,
}

impl Fleet {
    fn new(replicas: i32, spec: Autoscaling) -> Self {
        let now = Instant::now();
        Self { scaler: Scaler::new(replicas, spec, now), spec, replicas, now }
    }

    fn ask(&mut self, loads: &[Option<u8>]) -> Decision {
        self.scaler.decide(Seen { replicas: self.replicas, loads }, self.spec, self.now)
    }

    /// What is decided with every node as full.
    fn all(&mut self, load: u8) -> Decision {
        let count = usize::try_from(self.replicas).unwrap();
        self.ask(&vec![Some(load); count])
    }

    /// The same, and it comes about. Gives the number and what there was to tell of it.
    fn follow(&mut self, load: u8) -> (i32, Vec<String>) {
        let mut news = self.all(load).news;
        let decided = self.all(load);
        news.extend(decided.news);
        if decided.replicas != self.replicas {
            self.replicas = decided.replicas;
            news.extend(self.all(load).news);
        }
        (self.replicas, news.into_iter().map(|news| news.note).collect())
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    /// Looks every five seconds with every node as full; gives the numbers there were, one after the other.
    fn watch(&mut self, seconds: u64, load: u8) -> Vec<i32> {
        let mut numbers = vec![self.replicas];
        for _ in 0..seconds / 5 {
            numbers.push(self.wait(5).follow(load).0);
        }
        numbers.dedup();
        numbers
    }
}

#[test]
fn a_fleet_that_is_too_full_gets_more_proxies_at_once() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    assert_eq!(fleet.follow(82), (5, vec!["3 to 5 proxies: mean load 82 of target 60".to_owned()]));
}

#[test]
fn within_a_tenth_of_the_target_nothing_changes() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    assert_eq!(fleet.watch(600, 66), [3]);
    assert_eq!(fleet.watch(600, 54), [3]);
    assert_eq!(fleet.follow(67).0, 4);
}

#[test]
fn a_step_up_at_most_doubles_the_number_and_adds_two() {
    assert_eq!(Fleet::new(1, spec(1, 100)).follow(200).0, 4);
    let low = Autoscaling { target_load: 10, ..spec(1, 100) };
    assert_eq!(Fleet::new(5, low).follow(200).0, 12);
}

#[test]
fn a_step_up_ends_at_the_most_and_says_so() {
    let (replicas, news) = Fleet::new(3, spec(1, 4)).follow(120);
    assert_eq!(replicas, 4);
    assert_eq!(
        news,
        ["3 to 4 proxies: mean load 120 of target 60; it would take 6, and spec.autoscaling.max is 4"]
    );
}

#[test]
fn the_next_step_up_waits_until_the_proxies_of_the_last_carry_load() {
    let mut fleet = Fleet::new(1, spec(1, 100));
    assert_eq!(fleet.follow(200).0, 4);
    let (full, none) = (Some(200), None);
    // One more is ready and no load of it is known.
    assert_eq!(fleet.wait(5).ask(&[full, none]).replicas, 4);
    assert_eq!(fleet.wait(5).ask(&[full, full, full, none]).replicas, 4);
    assert_eq!(fleet.ask(&[full; 4]).replicas, 10);
}

#[test]
fn or_until_half_a_minute_has_passed() {
    let mut fleet = Fleet::new(1, spec(1, 100));
    assert_eq!(fleet.follow(200).0, 4);
    assert_eq!(fleet.wait(29).ask(&[Some(200), Some(200)]).replicas, 4);
    assert_eq!(fleet.wait(1).ask(&[Some(200), Some(200)]).replicas, 7);
}

#[test]
fn proxies_that_never_start_do_not_call_for_ever_more() {
    let mut fleet = Fleet::new(1, spec(1, 100));
    fleet.follow(200);
    for _ in 0..100 {
        fleet.replicas = fleet.wait(5).ask(&[Some(200)]).replicas;
    }
    assert_eq!(fleet.replicas, 4);
}

#[test]
fn an_idle_fleet_loses_one_proxy_at_a_time_once_a_whole_window_was_idle() {
    let mut fleet = Fleet::new(4, spec(1, 10));
    assert_eq!(fleet.watch(295, 5), [4]);
    let (replicas, news) = fleet.wait(5).follow(5);
    assert_eq!(replicas, 3);
    assert_eq!(news, ["4 to 3 proxies: mean load 5 of target 60, at most 1 needed in the last 300s"]);
    assert_eq!(fleet.watch(25, 5), [3]);
    assert_eq!(fleet.watch(5, 5), [3, 2]);
    assert_eq!(fleet.watch(1_000, 5), [2, 1]);
}

#[test]
fn a_large_fleet_loses_a_tenth_at_a_time() {
    let mut fleet = Fleet::new(100, spec(1, 100));
    assert_eq!(fleet.watch(360, 20), [100, 90, 81, 73]);
}

#[test]
fn the_highest_number_that_was_needed_within_the_window_stays() {
    let mut fleet = Fleet::new(6, spec(1, 10));
    fleet.watch(200, 5);
    fleet.wait(5).all(39);
    fleet.watch(90, 5);
    // Of the last 300 s the second 205 needed 4.
    assert_eq!(fleet.watch(200, 5), [6, 5, 4]);
    assert_eq!(fleet.watch(60, 5), [4, 3, 2]);
}

#[test]
fn it_never_falls_below_the_least() {
    assert_eq!(Fleet::new(4, spec(3, 10)).watch(2_000, 0), [4, 3]);
}

#[test]
fn a_number_outside_of_the_bounds_is_put_right_at_once() {
    let (replicas, news) = Fleet::new(9, spec(1, 5)).follow(60);
    assert_eq!((replicas, news), (5, vec!["9 to 5 proxies: spec.autoscaling.max is 5".to_owned()]));
    let (replicas, news) = Fleet::new(0, spec(1, 5)).follow(0);
    assert_eq!((replicas, news), (1, vec!["0 to 1 proxy: spec.autoscaling.min is 1".to_owned()]));
}

#[test]
fn no_proxy_leaves_while_the_load_of_one_is_not_known() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    for _ in 0..200 {
        assert_eq!(fleet.wait(5).ask(&[Some(0), Some(0), None]).replicas, 3);
    }
    // That one counted as full as it is to be.
    assert_eq!(fleet.wait(5).ask(&[Some(0); 3]).replicas, 2);
}

#[test]
fn that_it_is_not_known_is_told_once_when_it_lasts() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    let mut told = Vec::new();
    for _ in 0..40 {
        told.extend(fleet.wait(5).ask(&[Some(60), None, Some(60)]).news);
    }
    let note = "the load of 1 of 3 ready proxies is not known, so none is taken away".to_owned();
    assert_eq!(told, [News { kind: Kind::LoadUnknown, note }]);
    assert_eq!(fleet.ask(&[Some(60); 3]).news, []);
    fleet.ask(&[None; 3]);
    for _ in 0..12 {
        told.extend(fleet.wait(5).ask(&[None; 3]).news);
    }
    let note = &told.last().unwrap().note;
    assert_eq!(note, "the load of 3 of 3 ready proxies is not known, so none is added or taken away");
}

#[test]
fn with_no_node_ready_the_number_stays() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    for _ in 0..200 {
        assert_eq!(fleet.wait(5).ask(&[]), Decision { replicas: 3, news: Vec::new() });
    }
}

#[test]
fn one_that_was_not_asked_for_a_while_watches_a_whole_window_again() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    fleet.watch(295, 5);
    assert_eq!(fleet.wait(31).follow(5).0, 3);
    assert_eq!(fleet.watch(295, 5), [3]);
    assert_eq!(fleet.watch(5, 5), [3, 2]);
}

#[test]
fn another_target_or_window_begins_the_window_anew() {
    let changes = [
        Autoscaling { target_load: 50, ..spec(1, 10) },
        Autoscaling { scale_down_stabilization: Span::from_secs(200), ..spec(1, 10) },
    ];
    for change in changes {
        let mut fleet = Fleet::new(3, spec(1, 10));
        fleet.watch(295, 5);
        fleet.spec = change;
        assert_eq!(fleet.watch(200, 5), [3]);
    }
    let mut fleet = Fleet::new(3, spec(1, 10));
    fleet.watch(295, 5);
    fleet.spec.max = 20;
    assert_eq!(fleet.watch(5, 5), [3, 2]);
}

#[test]
fn asked_again_before_a_step_has_come_about_it_says_the_same() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    for _ in 0..5 {
        assert_eq!(fleet.wait(5).all(82), Decision { replicas: 5, news: Vec::new() });
    }
}

#[test]
fn a_number_that_somebody_else_changed_is_taken_over_without_a_word() {
    let mut fleet = Fleet::new(3, spec(1, 10));
    fleet.all(60);
    fleet.replicas = 6;
    assert_eq!(fleet.wait(5).all(60), Decision { replicas: 6, news: Vec::new() });
}
