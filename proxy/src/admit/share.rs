//! One stream's share of the node: bytes of its reports in flight, so that one stream whose records wait
//! leaves room for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What part of the node's budget one stream may hold.
pub const PARTS: u64 = 8;

/// Counts the bytes that one stream holds.
#[derive(Debug, Default)]
pub struct Share {
    used: AtomicU64,
}

/// A stream holds its share already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream's share of {limit} bytes in flight is used up")]
pub struct ShareFull {
    /// The share in bytes.
    pub limit: u64,
}

impl Share {
    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes room for a report within `limit`. A stream that holds nothing may take more than that, so that
    /// its longest report is never refused for ever.
    ///
    /// # Errors
    /// [`ShareFull`], and nothing changes.
    pub fn take(self: &Arc<Self>, bytes: u64, limit: u64) -> Result<Portion, ShareFull> {
        let room = |used: u64| (used == 0 || used.saturating_add(bytes) <= limit).then_some(used + bytes);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => Ok(Portion { share: Arc::clone(self), bytes }),
            Err(_) => Err(ShareFull { limit }),
        }
    }
}

/// Bytes of a stream's [`Share`]; given back on drop.
#[derive(Debug)]
pub struct Portion {
    share: Arc<Share>,
    bytes: u64,
}

impl Drop for Portion {
    fn drop(&mut self) {
        self.share.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_takes_its_share_and_no_more() {
        let share = Arc::new(Share::default());
        let first = share.take(60, 100).unwrap();
        assert_eq!(share.take(41, 100).unwrap_err(), ShareFull { limit: 100 });
        let second = share.take(40, 100).unwrap();
        assert_eq!(share.used(), 100);
        drop((first, second));
        assert_eq!(share.used(), 0);
    }

    #[test]
    fn one_report_larger_than_the_share_is_taken_alone() {
        let share = Arc::new(Share::default());
        let large = share.take(500, 100).unwrap();
        assert!(share.take(1, 100).is_err());
        drop(large);
        assert!(share.take(1, 100).is_ok());
    }
}
