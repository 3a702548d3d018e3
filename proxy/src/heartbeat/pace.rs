//! When one operator is told next: every interval, a little earlier by chance so that nodes don't keep step; at once
//! where there is news; later and later while it does not answer. Pure: the time and the chance are passed in.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Now;

/// Between two heartbeats, however much news there is.
const COALESCE: Duration = Duration::from_millis(100);
/// The same while they fail.
const COALESCE_FAILING: Duration = Duration::from_secs(1);
/// The most intervals between two that fail.
const MAX_BACKOFF: u32 = 3;
/// The part of an interval that chance takes off, at most.
const JITTER: f64 = 0.1;

/// The pace of one operator's heartbeats.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// When it was last tried, and what it was told then.
    last: Option<(Instant, Arc<Now>)>,
    /// When the next is due without news.
    due: Instant,
    failures: u32,
}

impl Pace {
    /// The first heartbeat is due at once.
    pub(super) fn new(interval: Duration, start: Instant) -> Self {
        Self { interval, last: None, due: start, failures: 0 }
    }

    /// When it is to be told that the node is so.
    pub(super) fn next(&self, now: &Now) -> Instant {
        let Some((tried, told)) = &self.last else { return self.due };
        let coalesce = if self.failures == 0 { COALESCE } else { COALESCE_FAILING };
        if now.is_news_after(told) { self.due.min(*tried + coalesce) } else { self.due }
    }

    /// It was tried at `begin` to tell it, which took until `end`; `chance` is from 0 to 1.
    pub(super) fn tried(
        &mut self,
        told: Arc<Now>,
        worked: bool,
        (begin, end): (Instant, Instant),
        chance: f64,
    ) {
        self.failures = if worked { 0 } else { self.failures.saturating_add(1) };
        let intervals = self.failures.clamp(1, MAX_BACKOFF);
        let wait = (self.interval * intervals).mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0));
        self.due = (begin + wait).max(end);
        self.last = Some((end, told));
    }

    /// Whether the last one told that the node leaves, and was heard.
    pub(super) fn has_told(&self, now: &Now) -> bool {
        self.failures == 0 && self.last.as_ref().is_some_and(|(_, told)| told.state == now.state)
    }
}

#[cfg(test)]
mod tests {
    use sluice_wire::status::NodeState;

    use super::super::news::tests::now;
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A pace of which a heartbeat was tried at `start`, and whether it worked.
    fn tried(start: Instant, worked: &[bool]) -> Pace {
        let mut pace = Pace::new(INTERVAL, start);
        for worked in worked {
            pace.tried(Arc::new(now()), *worked, (start, start + ms(3)), 0.0);
        }
        pace
    }

    #[test]
    fn the_first_is_due_at_once_and_then_one_every_interval() {
        let start = Instant::now();
        assert_eq!(Pace::new(INTERVAL, start).next(&now()), start);
        assert_eq!(tried(start, &[true]).next(&now()), start + INTERVAL);
        assert_eq!(tried(start, &[true]).next(&Now { load: 99, band: 40, ..now() }), start + INTERVAL);
    }

    #[test]
    fn chance_takes_a_tenth_off_and_adds_nothing() {
        let start = Instant::now();
        for (chance, millis) in [(0.0, 5_000), (0.5, 4_750), (1.0, 4_500)] {
            let mut pace = Pace::new(INTERVAL, start);
            pace.tried(Arc::new(now()), true, (start, start), chance);
            assert_eq!(pace.next(&now()), start + ms(millis));
        }
    }

    #[test]
    fn news_is_told_at_once_but_not_more_often_than_ten_times_a_second() {
        let (start, news) = (Instant::now(), Now { state: NodeState::Draining, ..now() });
        assert_eq!(tried(start, &[true]).next(&news), start + ms(103));
        assert_eq!(tried(start, &[false]).next(&news), start + ms(1_003), "nor than once where none answers");
    }

    #[test]
    fn one_that_fails_is_tried_again_with_the_next_and_then_more_seldom() {
        let start = Instant::now();
        for (failures, seconds) in [(1, 5), (2, 10), (3, 15), (9, 15)] {
            let pace = tried(start, &vec![false; failures]);
            assert_eq!(pace.next(&now()), start + Duration::from_secs(seconds), "{failures}");
        }
        assert_eq!(tried(start, &[false, false, true]).next(&now()), start + INTERVAL);
    }

    #[test]
    fn one_that_took_longer_than_the_interval_is_not_due_before_its_end() {
        let start = Instant::now();
        let mut pace = Pace::new(ms(10), start);
        pace.tried(Arc::new(now()), true, (start, start + ms(500)), 1.0);
        assert_eq!(pace.next(&now()), start + ms(500));
    }

    #[test]
    fn only_what_was_heard_is_told() {
        let (start, leaves) = (Instant::now(), Now { state: NodeState::Draining, ..now() });
        assert!(!Pace::new(INTERVAL, start).has_told(&now()));
        assert!(tried(start, &[true]).has_told(&now()) && !tried(start, &[true]).has_told(&leaves));
        assert!(!tried(start, &[false]).has_told(&now()));
    }
}
