//! How long to wait before operators are asked again. Chance is passed in.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);
/// Over how long nodes spread that lose the same operator at once.
const SPREAD: Duration = Duration::from_secs(1);

/// Waits that double from failure to failure.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The wait after one more failure: between half of it and all, by `chance` in 0..1.
    pub(super) fn pause(&mut self, chance: f64) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause.mul_f64(0.5 + chance / 2.0)
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

/// The wait after a connection that worked and broke.
pub(super) fn spread(chance: f64) -> Duration {
    SPREAD.mul_f64(chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.pause(1.0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.pause(0.0), Duration::from_secs(15));
        backoff.reset();
        assert_eq!(backoff.pause(0.0), Duration::from_millis(125));
    }

    #[test]
    fn nodes_that_lose_an_operator_spread_over_a_second() {
        assert_eq!((spread(0.0), spread(0.5)), (Duration::ZERO, Duration::from_millis(500)));
    }
}
