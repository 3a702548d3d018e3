//! A stream's quota: so many records and bytes a second on this node.
//!
//! Each is a bucket that holds one second's worth. A report larger than the bucket is taken when the bucket
//! is full and leaves a debt, so that no report is refused for ever.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The quota of a stream; without limits it takes everything.
#[derive(Debug, Default)]
pub struct Quota(Mutex<[Option<Bucket>; 2]>);

/// A report over the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the stream's quota, room again in {retry_after:?}")]
pub struct OverQuota {
    /// When it would be taken, if nothing else comes.
    pub retry_after: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// A second's worth, which is also what the bucket holds.
    rate: u64,
    /// What is in it at `at`; below zero a debt.
    level: f64,
    at: Instant,
}

impl Quota {
    /// Sets records and bytes a second. A rate that stays keeps its bucket as it is; a new one begins full.
    pub fn set(&self, records: Option<u64>, bytes: Option<u64>, now: Instant) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, rate) in buckets.iter_mut().zip([records, bytes]) {
            if bucket.map(|bucket| bucket.rate) != rate {
                *bucket = rate.map(|rate| Bucket { rate, level: rate as f64, at: now });
            }
        }
    }

    /// Takes a report's records and bytes.
    ///
    /// # Errors
    /// [`OverQuota`], and nothing is taken.
    pub fn take(&self, records: u64, bytes: u64, now: Instant) -> Result<Taken<'_>, OverQuota> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wait = Duration::ZERO;
        for (bucket, amount) in buckets.iter_mut().zip([records, bytes]) {
            if let Some(bucket) = bucket {
                bucket.refill(now);
                wait = wait.max(bucket.wait(amount));
            }
        }
        if !wait.is_zero() {
            return Err(OverQuota { retry_after: wait });
        }
        for (bucket, amount) in buckets.iter_mut().zip([records, bytes]) {
            if let Some(bucket) = bucket {
                bucket.level -= amount as f64;
            }
        }
        Ok(Taken { quota: self, amounts: [records, bytes] })
    }
}

/// What a report took of a [`Quota`]; given back on drop, unless it is spent.
#[derive(Debug)]
#[must_use = "what is not spent is given back"]
pub struct Taken<'a> {
    quota: &'a Quota,
    amounts: [u64; 2],
}

impl Taken<'_> {
    /// The report is handed over: what it took is gone.
    pub fn spend(mut self) {
        self.amounts = [0, 0];
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.amounts == [0, 0] {
            return;
        }
        let mut buckets = self.quota.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, amount) in buckets.iter_mut().zip(self.amounts) {
            if let Some(bucket) = bucket {
                bucket.level = (bucket.level + amount as f64).min(bucket.rate as f64);
            }
        }
    }
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let rate = self.rate as f64;
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + elapsed * rate).min(rate);
        // Who waited for the lock may come with an earlier moment.
        self.at = self.at.max(now);
    }

    /// How long until so much is taken; zero for now.
    fn wait(&self, amount: u64) -> Duration {
        let wanted = amount.min(self.rate) as f64;
        let missing = wanted - self.level;
        if missing <= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(missing / self.rate as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(records: Option<u64>, bytes: Option<u64>) -> (Quota, Instant) {
        let (quota, now) = (Quota::default(), Instant::now());
        quota.set(records, bytes, now);
        (quota, now)
    }

    /// Takes and spends; how long to wait where it is refused.
    fn spend(quota: &Quota, records: u64, bytes: u64, now: Instant) -> Option<Duration> {
        match quota.take(records, bytes, now) {
            Ok(taken) => {
                taken.spend();
                None
            }
            Err(over) => Some(over.retry_after),
        }
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn without_limits_everything_is_taken() {
        let (quota, now) = quota(None, None);
        assert_eq!(spend(&quota, u64::MAX, u64::MAX, now), None);
    }

    #[test]
    fn a_second_brings_a_seconds_worth_and_no_more() {
        let (quota, now) = quota(Some(10), None);
        assert_eq!(spend(&quota, 10, 0, now), None);
        assert_eq!(spend(&quota, 1, 0, now), Some(millis(100)));
        assert_eq!(spend(&quota, 5, 0, now + millis(500)), None);
        let later = now + Duration::from_secs(60);
        assert_eq!(spend(&quota, 10, 0, later), None);
        assert!(spend(&quota, 1, 0, later).is_some());
    }

    #[test]
    fn a_report_larger_than_the_bucket_is_taken_when_it_is_full_and_leaves_a_debt() {
        let (quota, now) = quota(None, Some(1_000));
        assert_eq!(spend(&quota, 1, 1, now), None);
        assert_eq!(spend(&quota, 1, 5_000, now), Some(millis(1)));
        let full = now + Duration::from_secs(1);
        assert_eq!(spend(&quota, 1, 5_000, full), None);
        assert_eq!(spend(&quota, 1, 1, full), Some(millis(4_001)));
    }

    #[test]
    fn what_one_limit_refuses_takes_nothing_of_the_other() {
        let (quota, now) = quota(Some(10), Some(100));
        assert_eq!(spend(&quota, 1, 100, now), None);
        assert!(spend(&quota, 1, 1, now).is_some());
        assert_eq!(spend(&quota, 9, 0, now), None);
    }

    #[test]
    fn what_is_not_spent_is_given_back() {
        let (quota, now) = quota(Some(10), None);
        drop(quota.take(50, 0, now).unwrap());
        assert_eq!(spend(&quota, 10, 0, now), None);
        assert_eq!(spend(&quota, 1, 0, now), Some(millis(100)));
    }

    #[test]
    fn a_moment_that_comes_late_credits_nothing_twice() {
        let (quota, now) = quota(Some(10), None);
        assert_eq!(spend(&quota, 10, 0, now), None);
        let later = now + millis(100);
        assert_eq!(spend(&quota, 1, 0, later), None);
        assert!(spend(&quota, 1, 0, now).is_some());
        assert!(spend(&quota, 1, 0, later).is_some());
    }

    #[test]
    fn a_limit_that_stays_keeps_its_bucket() {
        let (quota, now) = quota(Some(10), None);
        assert_eq!(spend(&quota, 10, 0, now), None);
        quota.set(Some(10), None, now);
        assert!(spend(&quota, 1, 0, now).is_some());
        quota.set(Some(20), None, now);
        assert_eq!(spend(&quota, 20, 0, now), None);
    }
}
