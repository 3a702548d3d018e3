//! How long parts that are not complete yet are waited for before anybody is told. The clock is passed in.

use std::time::{Duration, Instant};

/// A kubelet takes 60 to 90 s to mount what changed, and may take the parts one by one.
const PATIENCE: Duration = Duration::from_secs(120);

/// A wait, from its first moment.
#[derive(Debug, Default)]
pub(super) struct Patience {
    since: Option<Instant>,
}

impl Patience {
    /// Whether the wait, which begins with the first call, has been long enough to tell of it: at once while
    /// there is no configuration to go on with.
    pub(super) fn is_over(&mut self, now: Instant, has_configuration: bool) -> bool {
        let since = *self.since.get_or_insert(now);
        !has_configuration || now.saturating_duration_since(since) >= PATIENCE
    }

    /// Whether there is a wait.
    pub(super) fn has_begun(&self) -> bool {
        self.since.is_some()
    }

    /// Nothing is waited for.
    pub(super) fn restore(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_after_two_minutes_on_end() {
        let (mut patience, begin) = (Patience::default(), Instant::now());
        assert!(!patience.is_over(begin, true));
        assert!(!patience.is_over(begin + Duration::from_secs(119), true));
        patience.restore();
        assert!(!patience.is_over(begin + Duration::from_secs(120), true));
        assert!(patience.is_over(begin + Duration::from_secs(240), true));
    }

    #[test]
    fn without_a_configuration_it_is_told_at_once() {
        assert!(Patience::default().is_over(Instant::now(), false));
    }
}
