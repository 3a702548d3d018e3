//! How long records of a topic have been in flight, from counters by time slot: no lock and no allocation
//! a record. It says how old the oldest is, not which record that is, nor why.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Slots of a topic's ring.
const SLOTS: u32 = 64;
/// The shortest slot.
const SHORTEST: Duration = Duration::from_millis(250);
/// How much longer than the delivery timeout a record may be held: a producer being ended.
const ENDING: Duration = Duration::from_secs(8);

/// A stretch of a connection's time. Slot 0 is never given, so that it can mean none.
pub(super) type Slot = u32;

/// Turns moments into slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: Instant,
    width: Duration,
}

impl Clock {
    /// A clock whose ring spans everything a record with this delivery timeout may take.
    pub(super) fn new(delivery_timeout: Duration) -> Self {
        // In whole milliseconds, as moments are divided into slots: a fraction would add up over the weeks.
        let width = (delivery_timeout + ENDING).as_millis().div_ceil(u128::from(SLOTS));
        let width = Duration::from_millis(u64::try_from(width).unwrap_or(u64::MAX)).max(SHORTEST);
        Self { epoch: Instant::now(), width }
    }

    /// The slot of a moment.
    pub(super) fn slot(&self, at: Instant) -> Slot {
        let slots = at.saturating_duration_since(self.epoch).as_millis() / self.width.as_millis();
        // In 250 ms slots, 34 years.
        Slot::try_from(slots).unwrap_or(Slot::MAX - 1) + 1
    }

    /// How long ago a slot ended; a record of it is at least that old.
    pub(super) fn age(&self, slot: Slot, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch).saturating_sub(self.width * slot)
    }
}

/// The records of one topic in flight, by the slot of their hand-over.
#[derive(Debug)]
pub(super) struct Ages {
    counts: [AtomicU32; SLOTS as usize],
    /// The newest slot in which a record was handed over; 0: none ever.
    newest: AtomicU32,
    /// The newest slot of which a record was stored; 0: none ever.
    stored: AtomicU32,
}

impl Default for Ages {
    fn default() -> Self {
        let counts = std::array::from_fn(|_| AtomicU32::new(0));
        Self { counts, newest: AtomicU32::new(0), stored: AtomicU32::new(0) }
    }
}

impl Ages {
    fn count(&self, slot: Slot) -> Option<&AtomicU32> {
        self.counts.get((slot % SLOTS) as usize)
    }

    /// Counts records that are handed over now.
    pub(super) fn hand_over(&self, slot: Slot, records: u32) {
        if let Some(count) = self.count(slot) {
            count.fetch_add(records, Ordering::Relaxed);
        }
        raise(&self.newest, slot);
    }

    /// Takes one record off again, whatever it came to.
    pub(super) fn settle(&self, slot: Slot) {
        if let Some(count) = self.count(slot) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Notes that a record of this slot was stored.
    pub(super) fn stored(&self, slot: Slot) {
        raise(&self.stored, slot);
    }

    /// The newest slot of which a record was stored; 0: none ever.
    pub(super) fn newest_stored(&self) -> Slot {
        self.stored.load(Ordering::Relaxed)
    }

    /// Whether a record was handed over lately enough to be in flight still.
    pub(super) fn is_active(&self, now: Slot) -> bool {
        match self.newest.load(Ordering::Relaxed) {
            0 => false,
            newest => newest.saturating_add(SLOTS) > now,
        }
    }

    /// Whether records of a slot are in flight.
    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.count(slot).is_some_and(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// The oldest slot, from `first` on, of which records are in flight.
    pub(super) fn oldest(&self, first: Slot, now: Slot) -> Option<Slot> {
        let first = first.max(now.saturating_sub(SLOTS - 1)).max(1);
        (first..=now).find(|slot| self.holds(*slot))
    }
}

/// Raises a number that mostly is there already: a load is cheaper than a write that others see.
fn raise(number: &AtomicU32, to: Slot) {
    if number.load(Ordering::Relaxed) < to {
        number.fetch_max(to, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_as_true_after_a_month_as_after_a_minute() {
        for timeout in [8, 10, 30, 60] {
            let clock = Clock::new(Duration::from_secs(timeout));
            for uptime in [60, 3_600, 30 * 86_400] {
                let at = clock.epoch + Duration::from_secs(uptime);
                let age = clock.age(clock.slot(at), at + Duration::from_secs(4));
                let least = Duration::from_secs(4) - clock.width;
                assert!((least..=Duration::from_secs(4)).contains(&age), "{timeout} s, {uptime} s: {age:?}");
            }
        }
    }

    #[test]
    fn the_oldest_record_in_flight_is_found_until_it_is_settled() {
        let ages = Ages::default();
        ages.hand_over(3, 2);
        ages.hand_over(5, 1);
        assert_eq!(ages.oldest(1, 6), Some(3));
        assert_eq!(ages.oldest(4, 6), Some(5), "what an earlier producer holds does not count");
        ages.settle(3);
        assert_eq!(ages.oldest(1, 6), Some(3));
        ages.settle(3);
        assert_eq!(ages.oldest(1, 6), Some(5));
        ages.settle(5);
        assert_eq!(ages.oldest(1, 6), None);
    }

    #[test]
    fn a_ring_that_has_gone_round_still_balances() {
        let ages = Ages::default();
        ages.hand_over(1, 1);
        ages.hand_over(1 + SLOTS, 1);
        ages.settle(1);
        assert_eq!(ages.oldest(1, 1 + SLOTS), Some(1 + SLOTS));
        ages.settle(1 + SLOTS);
        assert_eq!(ages.oldest(1, 1 + SLOTS), None);
    }

    #[test]
    fn a_topic_without_records_for_a_whole_ring_is_not_looked_at() {
        let ages = Ages::default();
        assert!(!ages.is_active(1));
        ages.hand_over(7, 1);
        assert!(ages.is_active(7) && ages.is_active(6 + SLOTS));
        assert!(!ages.is_active(7 + SLOTS));
    }

    #[test]
    fn what_was_stored_never_gets_older() {
        let ages = Ages::default();
        assert_eq!(ages.newest_stored(), 0);
        ages.stored(9);
        ages.stored(4);
        assert_eq!(ages.newest_stored(), 9);
    }

    #[test]
    fn a_ring_spans_the_delivery_timeout_whatever_it_is() {
        for seconds in [1, 8, 60] {
            let timeout = Duration::from_secs(seconds);
            let clock = Clock::new(timeout);
            assert!(clock.width * (SLOTS - 1) >= timeout, "{seconds} s");
            let later = clock.epoch + timeout;
            assert!(clock.age(clock.slot(clock.epoch), later) <= timeout);
            assert_eq!(clock.age(clock.slot(later), later), Duration::ZERO);
        }
    }

    #[test]
    fn a_topic_takes_few_bytes_for_it() {
        assert!(size_of::<Ages>() <= 272);
    }
}
