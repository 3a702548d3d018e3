//! The node's budget of bytes held for reports: read buffers, and records waiting for their outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit on bytes held at once, shared by all connections.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    limit: AtomicU64,
}

/// The budget has no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for {asked} more bytes")]
pub struct Full {
    /// Bytes asked for.
    pub asked: u64,
}

impl Budget {
    /// A budget of `limit` bytes with nothing charged.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit: AtomicU64::new(limit) })
    }

    /// Sets the limit in bytes. What is already charged stays charged, even above it.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes charged now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Whether nothing more can be charged.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used() >= self.limit()
    }

    /// An empty charge, to be grown.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Charge {
        Charge { budget: Arc::clone(self), bytes: 0 }
    }

    fn take(&self, bytes: u64) -> Result<(), Full> {
        let limit = self.limit();
        let room = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => Ok(()),
            Err(_) => Err(Full { asked: bytes }),
        }
    }
}

/// Bytes charged to a [`Budget`]; given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    /// Charges so many bytes more.
    ///
    /// # Errors
    /// [`Full`], and nothing changes.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Full> {
        self.budget.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Makes the charge exactly `bytes`.
    ///
    /// # Errors
    /// [`Full`] where that is more than before and there is no room, and nothing changes.
    pub fn resize(&mut self, bytes: u64) -> Result<(), Full> {
        if bytes > self.bytes {
            return self.grow(bytes - self.bytes);
        }
        self.budget.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        Ok(())
    }

    /// The limit of the budget it is charged to, in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.budget.limit()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_over_the_limit_is_refused_and_changes_nothing() {
        let budget = Budget::new(100);
        let mut first = budget.open();
        first.grow(80).unwrap();
        let mut second = budget.open();
        assert_eq!(second.grow(21), Err(Full { asked: 21 }));
        assert_eq!(budget.used(), 80);
        second.grow(20).unwrap();
        assert!(budget.is_full());
    }

    #[test]
    fn a_dropped_charge_gives_everything_back() {
        let budget = Budget::new(100);
        let mut charge = budget.open();
        charge.grow(60).unwrap();
        charge.resize(10).unwrap();
        assert_eq!(budget.used(), 10);
        assert_eq!(charge.resize(150), Err(Full { asked: 140 }));
        assert_eq!(budget.used(), 10);
        charge.resize(100).unwrap();
        assert_eq!(budget.used(), 100);
        drop(charge);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_lower_limit_takes_nothing_away_and_admits_nothing_new() {
        let budget = Budget::new(100);
        let mut charge = budget.open();
        charge.grow(60).unwrap();
        budget.set_limit(50);
        assert_eq!(budget.used(), 60);
        assert!(charge.grow(1).is_err());
    }
}
