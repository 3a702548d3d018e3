//! Writes that wait, and those on their way: one at a time for each thing they are about, few at once, of endpoint
//! ConfigMaps and statuses only so many in a second, and after a failure not again before a growing pause.

mod bucket;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::apply::{About, Write};
use bucket::Bucket;

/// Writes of endpoint ConfigMaps and statuses in a second, where nothing else is said.
pub const WRITE_RATE: u32 = 100;
/// Writes on their way at once.
const AT_ONCE: usize = 32;
/// The pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Writes that wait, and those on their way.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Write>,
    /// Those that the bucket has to let through.
    paced: VecDeque<Write>,
    bucket: Bucket,
    on_the_way: BTreeSet<About>,
    failed: BTreeMap<About, Failed>,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    times: u32,
    until: Instant,
}

impl Queue {
    /// Lets so many writes of endpoint ConfigMaps and statuses through in a second.
    pub(super) fn new(write_rate: u32) -> Self {
        Self {
            waiting: VecDeque::new(),
            paced: VecDeque::new(),
            bucket: Bucket::new(write_rate, Instant::now()),
            on_the_way: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Writes of endpoint ConfigMaps and statuses in a second.
    pub(super) const fn rate(&self) -> u32 {
        self.bucket.rate()
    }

    /// Replaces what waits by what is planned now.
    pub(super) fn plan(&mut self, writes: Vec<Write>) {
        if !self.failed.is_empty() {
            let planned: BTreeSet<About> = writes.iter().map(Write::about).collect();
            self.failed.retain(|about, _| planned.contains(about) || self.on_the_way.contains(about));
        }
        let (paced, waiting) = writes.into_iter().partition(Write::is_paced);
        (self.paced, self.waiting) = (paced, waiting);
    }

    /// The next write to send now, which is then on its way.
    pub(super) fn next(&mut self, now: Instant) -> Option<Write> {
        if self.on_the_way.len() >= AT_ONCE {
            return None;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let first = self.first(&mut waiting, now);
        self.waiting = waiting;
        if first.is_some() || !self.bucket.has_one(now) {
            return first;
        }
        let mut paced = std::mem::take(&mut self.paced);
        let first = self.first(&mut paced, now);
        self.paced = paced;
        if first.is_some() {
            self.bucket.take(now);
        }
        first
    }

    /// The first of these that may be sent now.
    fn first(&mut self, waiting: &mut VecDeque<Write>, now: Instant) -> Option<Write> {
        for _ in 0..waiting.len() {
            let write = waiting.pop_front()?;
            let about = write.about();
            if self.failed.get(&about).is_some_and(|failed| failed.until > now) {
                waiting.push_back(write);
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

    /// When to look again, while a write waits for its pause to end or for the bucket to fill.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.on_the_way.len() >= AT_ONCE {
            return None;
        }
        let paced = (!self.paced.is_empty()).then(|| self.bucket.next());
        if self.failed.is_empty() {
            return paced;
        }
        let until = |write: &Write| Some(self.failed.get(&write.about())?.until);
        let failed = self.waiting.iter().filter_map(until).min();
        // Those of the paced that may go now wait for the bucket alone.
        let free = self.paced.iter().any(|write| until(write).is_none());
        let again = self.paced.iter().filter_map(until).min().max(paced);
        [failed, if free { paced } else { again }].into_iter().flatten().min()
    }

    /// What writes on their way are about.
    pub(super) const fn on_the_way(&self) -> &BTreeSet<About> {
        &self.on_the_way
    }

    /// How many writes wait or are on their way.
    pub(super) fn depth(&self) -> usize {
        self.waiting.len() + self.paced.len() + self.on_the_way.len()
    }

    /// Forgets everything, as a new term begins with what is there.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.rate());
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
        let (mut queue, now) = (Queue::new(WRITE_RATE), Instant::now());
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
        let (mut queue, now) = (Queue::new(WRITE_RATE), Instant::now());
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
        let (mut queue, now) = (Queue::new(WRITE_RATE), Instant::now());
        queue.failed(write("a").about(), now);
        queue.plan(Vec::new());
        queue.plan(vec![write("a")]);
        assert_eq!(queue.next(now), Some(write("a")));
    }

    fn map(name: &str) -> Write {
        let key =
            ChildKey { kind: ObjectKind::ConfigMap, namespace: "shop".to_owned(), name: name.to_owned() };
        Write::Apply { key, wanted: serde_json::Value::Null, new: false }
    }

    #[test]
    fn of_endpoint_config_maps_only_so_many_are_written_in_a_second_and_all_else_at_once() {
        let mut queue = Queue::new(2);
        let now = Instant::now() + Duration::from_secs(1);
        queue.plan(vec![map("a"), map("b"), map("c"), map("d"), write("x")]);
        assert_eq!(queue.next(now), Some(write("x")), "it is in no budget");
        assert_eq!(
            [queue.next(now), queue.next(now), queue.next(now)],
            [Some(map("a")), Some(map("b")), None]
        );
        assert_eq!(queue.due(), Some(now + Duration::from_millis(500)));
        let later = now + Duration::from_millis(500);
        assert_eq!([queue.next(later), queue.next(later)], [Some(map("c")), None]);
        assert_eq!(queue.depth(), 5);
    }

    #[test]
    fn a_paced_write_that_failed_holds_up_none_behind_it() {
        let mut queue = Queue::new(1);
        let now = Instant::now() + Duration::from_secs(5);
        queue.plan(vec![map("a"), map("b")]);
        queue.failed(map("a").about(), now);
        assert_eq!(queue.next(now), Some(map("b")));
        assert_eq!(queue.due(), Some(now + Duration::from_secs(1)), "the bucket is what is waited for");
    }

    #[test]
    fn few_are_on_their_way_at_once() {
        let mut queue = Queue::new(WRITE_RATE);
        queue.plan((0..100).map(|number| write(&number.to_string())).collect());
        let sent = std::iter::from_fn(|| queue.next(Instant::now())).count();
        assert_eq!(sent, AT_ONCE);
        assert_eq!(queue.depth(), 100);
    }
}
