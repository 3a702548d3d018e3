//! What became of polls, for metrics.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::effect::Verdict;
use crate::counters::Count;

/// What became of polls since the node started.
#[derive(Debug, Default)]
pub struct PollCounts {
    /// Brought another configuration, which is in effect.
    pub changed: Count,
    /// Held in vain, or brought what was there already.
    pub unchanged: Count,
    /// Brought a configuration that can't be used.
    pub refused: Count,
    /// Failed.
    pub failed: Count,
    failing: AtomicBool,
}

impl PollCounts {
    /// Whether the last poll failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Counts a poll that was answered; true where the one before failed.
    pub(super) fn succeeded(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::InEffect => self.changed.add(1),
            Verdict::NoNews => self.unchanged.add(1),
            Verdict::Refused => self.refused.add(1),
        }
        self.failing.swap(false, Ordering::Relaxed)
    }

    /// Counts a poll that failed; true where the one before did too.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.add(1);
        self.failing.swap(true, Ordering::Relaxed)
    }
}
