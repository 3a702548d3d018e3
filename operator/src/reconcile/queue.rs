//! Writes that wait, and those on their way: one at a time for each thing they are about, few at once, and
//! after a failure not again before a growing pause.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::apply::{About, Write};

/// Writes on their way at once.
const AT_ONCE: usize = 32;
/// The pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Writes that wait, and those on their way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Write>,
    on_the_way: BTreeSet<About>,
    failed: BTreeMap<About, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    until: Instant,
}

impl Queue {
    /// Replaces what waits by what is planned now.
    pub(super) fn plan(&mut self, writes: Vec<Write>) {
        if !self.failed.is_empty() {
            let planned: BTreeSet<About> = writes.iter().map(Write::about).collect();
            self.failed.retain(|about, _| planned.contains(about) || self.on_the_way.contains(about));
        }
        self.waiting = writes.into();
    }

    /// The next write to send now, which is then on its way.
    pub(super) fn next(&mut self, now: Instant) -> Option<Write> {
        if self.on_the_way.len() >= AT_ONCE {
            return None;
        }
        for _ in 0..self.waiting.len() {
            let write = self.waiting.pop_front()?;
            let about = write.about();
            if self.failed.get(&about).is_some_and(|failed| failed.until > now) {
                self.waiting.push_back(write);
            } else if self.on_the_way.insert(about) {
                return Some(write);
            }
            // What is on its way already is planned anew when its answer is there.
        }
        None
    }

    /// A write came about.
    pub(super) fn done(&mut self, about: &About) {
        self.on_the_way.remove(about);
        self.failed.remove(about);
    }

    /// A write did not come about.
    pub(super) fn failed(&mut self, about: About, now: Instant) {
        self.on_the_way.remove(&about);
        let times = self.failed.get(&about).map_or(0, |failed| failed.times);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(times.min(10))).min(LONGEST_PAUSE);
        self.failed.insert(about, Failed { times: times.saturating_add(1), until: now + pause });
    }

    /// When the next write that failed may be tried again, while such a one waits.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.on_the_way.len() >= AT_ONCE || self.failed.is_empty() {
            return None;
        }
        let waiting = self.waiting.iter().filter_map(|write| self.failed.get(&write.about()));
        waiting.map(|failed| failed.until).min()
    }

    /// What writes on their way are about.
    pub(super) const fn on_the_way(&self) -> &BTreeSet<About> {
        &self.on_the_way
    }

    /// How many writes wait or are on their way.
    pub(super) fn depth(&self) -> usize {
        self.waiting.len() + self.on_the_way.len()
    }

    /// Forgets everything, as a new term begins with what is there.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::ObjectKind;
    use crate::watch::cluster::ChildKey;

    fn write(name: &str) -> Write {
        let key = ChildKey { kind: ObjectKind::Service, namespace: "shop".to_owned(), name: name.to_owned() };
        Write::Delete { key, uid: name.to_owned() }
    }

    #[test]
    fn one_write_at_a_time_is_on_its_way_for_each_thing() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.plan(vec![write("a"), write("a"), write("b")]);
        assert_eq!(queue.next(now), Some(write("a")));
        assert_eq!(queue.next(now), Some(write("b")));
        assert_eq!(queue.next(now), None);
        queue.done(&write("a").about());
        queue.plan(vec![write("a")]);
        assert_eq!(queue.next(now), Some(write("a")));
    }

    #[test]
    fn what_failed_waits_longer_each_time_and_holds_up_nothing_else() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            queue.plan(vec![write("a"), write("b")]);
            queue.failed(write("a").about(), now);
            assert_eq!(queue.next(now), Some(write("b")));
            queue.done(&write("b").about());
            queue.plan(vec![write("a")]);
            pauses.push(queue.due().unwrap() - now);
        }
        assert_eq!(pauses[0], FIRST_PAUSE);
        assert_eq!(pauses[1], FIRST_PAUSE * 2);
        assert_eq!(pauses[11], LONGEST_PAUSE);
        assert_eq!(queue.next(now + LONGEST_PAUSE), Some(write("a")));
    }

    #[test]
    fn a_write_that_is_planned_no_more_is_forgotten_with_its_failures() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.failed(write("a").about(), now);
        queue.plan(Vec::new());
        queue.plan(vec![write("a")]);
        assert_eq!(queue.next(now), Some(write("a")));
    }

    #[test]
    fn few_are_on_their_way_at_once() {
        let mut queue = Queue::default();
        queue.plan((0..100).map(|number| write(&number.to_string())).collect());
        let sent = std::iter::from_fn(|| queue.next(Instant::now())).count();
        assert_eq!(sent, AT_ONCE);
        assert_eq!(queue.depth(), 100);
    }
}
