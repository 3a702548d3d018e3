//! A token bucket: so many in a second, and as many at once after a pause. Its time is the caller's.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Bucket {
    rate: u32,
    /// When it was or will be full, if nothing is taken until then.
    full: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { rate: rate.max(1), full: now }
    }

    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// How long one takes.
    fn one(&self) -> Duration {
        Duration::from_secs(1) / self.rate
    }

    /// When there will be one again, if there is none.
    pub(super) fn next(&self) -> Instant {
        let size = self.one() * self.rate.saturating_sub(1);
        self.full.checked_sub(size).unwrap_or(self.full)
    }

    pub(super) fn has_one(&self, now: Instant) -> bool {
        self.next() <= now
    }

    pub(super) fn take(&mut self, now: Instant) {
        self.full = self.full.max(now) + self.one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_in_a_second_come_at_once_and_then_one_by_one() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100, now);
        let mut at_once = 0;
        while bucket.has_one(now) {
            bucket.take(now);
            at_once += 1;
        }
        assert_eq!(at_once, 100);
        assert_eq!(bucket.next(), now + Duration::from_millis(10));
        let later = now + Duration::from_millis(25);
        bucket.take(later);
        bucket.take(later);
        assert!(!bucket.has_one(later));
        // However long the pause, no more than a second's worth.
        let much_later = now + Duration::from_secs(60);
        for _ in 0..100 {
            assert!(bucket.has_one(much_later));
            bucket.take(much_later);
        }
        assert!(!bucket.has_one(much_later));
    }

    #[test]
    fn a_rate_of_nothing_is_one() {
        assert_eq!(Bucket::new(0, Instant::now()).rate(), 1);
    }
}
