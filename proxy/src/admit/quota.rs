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
    pub fn take(&self, records: u64, bytes: u64, now: Instant) -> Result<(), OverQuota> {
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
        Ok(())
    }
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let rate = self.rate as f64;
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + elapsed * rate).min(rate);
        self.at = now;
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

    fn retry_after(result: Result<(), OverQuota>) -> Duration {
        result.unwrap_err().retry_after
    }

    #[test]
    fn without_limits_everything_is_taken() {
        let (quota, now) = quota(None, None);
        assert_eq!(quota.take(u64::MAX, u64::MAX, now), Ok(()));
    }

    #[test]
    fn a_second_brings_a_seconds_worth_and_no_more() {
        let (quota, now) = quota(Some(10), None);
        assert_eq!(quota.take(10, 0, now), Ok(()));
        assert_eq!(retry_after(quota.take(1, 0, now)), Duration::from_millis(100));
        assert_eq!(quota.take(5, 0, now + Duration::from_millis(500)), Ok(()));
        let later = now + Duration::from_secs(60);
        assert_eq!(quota.take(10, 0, later), Ok(()));
        assert!(quota.take(1, 0, later).is_err());
    }

    #[test]
    fn a_report_larger_than_the_bucket_is_taken_when_it_is_full_and_leaves_a_debt() {
        let (quota, now) = quota(None, Some(1_000));
        assert_eq!(quota.take(1, 1, now), Ok(()));
        assert_eq!(retry_after(quota.take(1, 5_000, now)), Duration::from_millis(1));
        let full = now + Duration::from_secs(1);
        assert_eq!(quota.take(1, 5_000, full), Ok(()));
        assert_eq!(retry_after(quota.take(1, 1, full)), Duration::from_millis(4_001));
    }

    #[test]
    fn what_one_limit_refuses_takes_nothing_of_the_other() {
        let (quota, now) = quota(Some(10), Some(100));
        assert!(quota.take(1, 100, now).is_ok());
        assert!(quota.take(1, 1, now).is_err());
        assert_eq!(quota.take(9, 0, now), Ok(()));
    }

    #[test]
    fn a_limit_that_stays_keeps_its_bucket() {
        let (quota, now) = quota(Some(10), None);
        quota.take(10, 0, now).unwrap();
        quota.set(Some(10), None, now);
        assert!(quota.take(1, 0, now).is_err());
        quota.set(Some(20), None, now);
        assert_eq!(quota.take(20, 0, now), Ok(()));
    }
}
