//! Finds the topics whose slowness is their own. A broker answers the requests of one connection in order,
//! so a topic whose follower is away holds up innocent ones as well; the difference is that theirs move on.
//! It judges looks at the topics, given with their time; it moves no record.

use std::time::{Duration, Instant};

use super::ages::{Clock, Slot};

/// From this age of its oldest record a topic is watched,
const WATCHED: Duration = Duration::from_millis(1_000);
/// from this one it is a suspect,
const SUSPECT: Duration = Duration::from_millis(1_500);
/// if it stood still for so long while others moved on: a cluster that comes back serves one topic after
/// the other, and none of them is guilty.
const STILL: Duration = Duration::from_millis(500);

/// What is seen of a topic that has records in flight.
#[derive(Clone, Debug)]
pub(super) struct Look<T> {
    pub(super) topic: T,
    /// The oldest slot of records that the producer in effect holds.
    pub(super) oldest: Option<Slot>,
    /// The newest slot of which a record was stored; 0: none.
    pub(super) stored: Slot,
}

/// What is to be done about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sentence<T> {
    /// It may be the one: through the other producer with it, but refuse nothing yet.
    Arrest(T),
    /// Its records moved on: back.
    Acquit(T),
    /// Its slowness is its own: refuse.
    Convict(T),
}

/// The topics under suspicion.
#[derive(Debug)]
pub(super) struct Trial<T> {
    clock: Clock,
    /// The longest that a guilty topic can hold up others: all requests in flight at a time, one after another.
    longest_hold: Duration,
    /// How long a record may wait at home, which makes nobody a suspect.
    linger: Duration,
    watched: Vec<Case<T>>,
    arrested: Vec<Case<T>>,
    /// How many were left on trial when last looked at, and since when.
    left: (usize, Option<Instant>),
}

/// A topic and the slot of records that don't move on.
#[derive(Clone, Debug)]
struct Case<T> {
    topic: T,
    mark: Slot,
    since: Instant,
}

impl<T: Clone + PartialEq> Trial<T> {
    pub(super) fn new(clock: Clock, longest_hold: Duration, linger: Duration) -> Self {
        Self { clock, longest_hold, linger, watched: Vec::new(), arrested: Vec::new(), left: (0, None) }
    }

    /// Forgets what was watched, because another producer is in effect.
    pub(super) fn producer_replaced(&mut self) {
        self.watched.clear();
    }

    /// Looks at the topics that have records in flight; `holds` tells whether a topic still has records of a slot
    /// in flight.
    pub(super) fn session(
        &mut self,
        looks: &[Look<T>],
        now: Instant,
        holds: impl Fn(&T, Slot) -> bool,
    ) -> Vec<Sentence<T>> {
        let mut sentences = self.watch(looks, now);
        self.judge(now, holds, &mut sentences);
        sentences
    }

    /// Watches topics that stand still while others move on, and arrests them all once one is a suspect:
    /// which of them is the guilty one is then seen without it standing in the others' way any longer.
    fn watch(&mut self, looks: &[Look<T>], now: Instant) -> Vec<Sentence<T>> {
        let (first, second) = newest_stored(looks);
        let mut watched = Vec::new();
        for (index, look) in looks.iter().enumerate() {
            let others = if first.1 == Some(index) { second } else { first.0 };
            let Some(mark) = look.oldest.filter(|oldest| others > *oldest) else { continue };
            if self.clock.age(mark, now) < WATCHED + self.linger
                || self.arrested.iter().any(|case| case.topic == look.topic)
            {
                continue;
            }
            let before = self.watched.iter().find(|case| case.topic == look.topic && case.mark == mark);
            let since = before.map_or(now, |case| case.since);
            watched.push(Case { topic: look.topic.clone(), mark, since });
        }
        self.watched = watched;
        let suspect = |case: &Case<T>| {
            self.clock.age(case.mark, now) >= SUSPECT + self.linger
                && now.saturating_duration_since(case.since) >= STILL
        };
        if !self.watched.iter().any(suspect) {
            return Vec::new();
        }
        let arrests = self.watched.iter().map(|case| Sentence::Arrest(case.topic.clone())).collect();
        self.arrested.append(&mut self.watched);
        arrests
    }

    /// Acquits those whose records moved on. One that is left alone is guilty, and so are those that stood
    /// still for longer than another could have held them up.
    fn judge(&mut self, now: Instant, holds: impl Fn(&T, Slot) -> bool, sentences: &mut Vec<Sentence<T>>) {
        let alone_from_the_start = self.arrested.len() == 1 && !sentences.is_empty();
        let (still, moved): (Vec<_>, Vec<_>) =
            self.arrested.drain(..).partition(|case| holds(&case.topic, case.mark));
        sentences.extend(moved.into_iter().map(|case| Sentence::Acquit(case.topic)));
        if self.left.0 != still.len() || self.left.1.is_none() {
            self.left = (still.len(), Some(now));
        }
        let unchanged = self.left.1.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let alone = still.len() == 1 && (alone_from_the_start || unchanged >= STILL);
        for case in still {
            if alone || self.clock.age(case.mark, now) >= self.longest_hold {
                sentences.push(Sentence::Convict(case.topic));
            } else {
                self.arrested.push(case);
            }
        }
    }
}

/// The newest slot of which any topic stored a record, with that topic's place, and the newest of the others.
fn newest_stored<T>(looks: &[Look<T>]) -> ((Slot, Option<usize>), Slot) {
    let (mut first, mut second) = ((0, None), 0);
    for (index, look) in looks.iter().enumerate() {
        if look.stored > first.0 {
            second = first.0;
            first = (look.stored, Some(index));
        } else {
            second = second.max(look.stored);
        }
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST_HOLD: Duration = Duration::from_millis(4_500);

    /// A court, and its clock turned by hand in steps of a slot.
    struct Scene {
        trial: Trial<char>,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            let clock = Clock::new(Duration::from_secs(8));
            let trial = Trial::new(clock, LONGEST_HOLD, Duration::ZERO);
            Self { trial, now: Instant::now() + Duration::from_secs(1) }
        }

        fn slot(&self) -> Slot {
            self.trial.clock.slot(self.now)
        }

        fn later(&mut self, slots: u32) {
            self.now += Duration::from_millis(250) * slots;
        }

        /// One session; a topic with its oldest and its newest stored slot each.
        fn session(&mut self, looks: &[(char, Slot, Slot)]) -> Vec<Sentence<char>> {
            let looks: Vec<_> = looks
                .iter()
                .map(|(topic, oldest, stored)| Look {
                    topic: *topic,
                    oldest: (*oldest > 0).then_some(*oldest),
                    stored: *stored,
                })
                .collect();
            let holds = |topic: &char, slot: Slot| {
                looks.iter().any(|look| look.topic == *topic && look.oldest == Some(slot))
            };
            self.trial.session(&looks, self.now, holds)
        }
    }

    #[test]
    fn a_topic_that_stands_still_while_others_move_on_is_convicted_within_two_seconds() {
        let mut scene = Scene::new();
        let stuck = scene.slot();
        for step in 1.. {
            scene.later(1);
            let now = scene.slot();
            let sentences = scene.session(&[('s', stuck, stuck - 1), ('h', now, now)]);
            if !sentences.is_empty() {
                assert_eq!(sentences, [Sentence::Arrest('s'), Sentence::Convict('s')]);
                assert!((6..=8).contains(&step), "after {step} slots");
                return;
            }
            assert!(step < 20);
        }
    }

    #[test]
    fn while_nothing_moves_on_nobody_is_guilty() {
        let mut scene = Scene::new();
        let stuck = scene.slot();
        for _ in 0..40 {
            scene.later(1);
            assert_eq!(scene.session(&[('a', stuck, stuck - 1), ('b', stuck, stuck - 1)]), []);
        }
    }

    #[test]
    fn topics_served_one_after_the_other_after_an_outage_are_not_guilty() {
        let mut scene = Scene::new();
        let stuck = scene.slot();
        for _ in 0..12 {
            scene.later(1);
            scene.session(&[('a', stuck, stuck - 1), ('b', stuck, stuck - 1)]);
        }
        let now = scene.slot();
        assert_eq!(scene.session(&[('a', now, now), ('b', stuck, stuck - 1)]), []);
        scene.later(1);
        assert_eq!(scene.session(&[('a', now + 1, now + 1), ('b', now + 1, now + 1)]), []);
    }

    #[test]
    fn one_topic_alone_is_never_guilty() {
        let mut scene = Scene::new();
        let stuck = scene.slot();
        for _ in 0..40 {
            scene.later(1);
            let now = scene.slot();
            assert_eq!(scene.session(&[('a', stuck, now)]), [], "its own other partition moves on");
        }
    }

    /// `s` and `i`, held up by it, stand still; `h` moves on. Both are arrested.
    fn both_arrested() -> (Scene, Slot) {
        let mut scene = Scene::new();
        let stuck = scene.slot();
        loop {
            scene.later(1);
            let now = scene.slot();
            let sentences = scene.session(&[('s', stuck, 1), ('i', stuck, 1), ('h', now, now)]);
            if !sentences.is_empty() {
                assert_eq!(sentences, [Sentence::Arrest('s'), Sentence::Arrest('i')]);
                return (scene, stuck);
            }
        }
    }

    #[test]
    fn of_two_that_stand_still_the_one_that_moves_on_is_acquitted_and_the_other_guilty() {
        let (mut scene, stuck) = both_arrested();
        scene.later(1);
        let now = scene.slot();
        let sentences = scene.session(&[('s', stuck, 1), ('i', now, now), ('h', now, now)]);
        assert_eq!(sentences, [Sentence::Acquit('i')]);
        for _ in 0..2 {
            scene.later(1);
        }
        let now = scene.slot();
        assert_eq!(
            scene.session(&[('s', stuck, 1), ('i', now, now), ('h', now, now)]),
            [Sentence::Convict('s')]
        );
    }

    #[test]
    fn both_are_acquitted_where_the_trouble_ends_for_one_a_little_sooner() {
        let (mut scene, stuck) = both_arrested();
        scene.later(1);
        let now = scene.slot();
        assert_eq!(
            scene.session(&[('s', now, now), ('i', stuck, 1), ('h', now, now)]),
            [Sentence::Acquit('s')]
        );
        scene.later(1);
        let now = scene.slot();
        assert_eq!(
            scene.session(&[('s', now, now), ('i', now, now), ('h', now, now)]),
            [Sentence::Acquit('i')]
        );
    }

    #[test]
    fn both_are_guilty_once_no_other_can_have_held_them_up_for_so_long() {
        let (mut scene, stuck) = both_arrested();
        for _ in 0..20 {
            scene.later(1);
            let now = scene.slot();
            let sentences = scene.session(&[('s', stuck, 1), ('i', stuck, 1), ('h', now, now)]);
            if !sentences.is_empty() {
                assert_eq!(sentences, [Sentence::Convict('s'), Sentence::Convict('i')]);
                assert!(scene.trial.clock.age(stuck, scene.now) >= LONGEST_HOLD);
                return;
            }
        }
        panic!("still on trial");
    }

    #[test]
    fn records_of_a_replaced_producer_arrest_nobody() {
        let mut scene = Scene::new();
        let stuck = scene.slot();
        for _ in 0..5 {
            scene.later(1);
            let now = scene.slot();
            scene.session(&[('s', stuck, 1), ('h', now, now)]);
        }
        scene.trial.producer_replaced();
        for _ in 0..20 {
            scene.later(1);
            let now = scene.slot();
            assert_eq!(scene.session(&[('s', 0, 1), ('h', now, now)]), []);
        }
    }
}
