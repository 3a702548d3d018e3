//! How long to wait before sending again, and when to give up. Pure: time and chance are given.
//! Anything stored makes it patient again.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait, doubled up to the last.
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

/// Waits between attempts while nothing is stored.
#[derive(Debug)]
pub(super) struct Patience {
    give_up_after: Duration,
    retries: Option<u32>,
    tried: u32,
    since: Option<Instant>,
}

impl Patience {
    pub(super) fn new(give_up_after: Duration, retries: Option<u32>) -> Self {
        Self { give_up_after, retries, tried: 0, since: None }
    }

    /// Something was stored.
    pub(super) fn renew(&mut self) {
        self.tried = 0;
        self.since = None;
    }

    /// Whether the next failure is the first since something was stored.
    pub(super) fn is_fresh(&self) -> bool {
        self.since.is_none()
    }

    /// After a failure: how long to wait before the next attempt; nothing: give up. `asked` is what the node
    /// asks for, `chance` from 0 to 1 spreads those who wait.
    pub(super) fn wait(&mut self, now: Instant, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        let left =
            self.give_up_after.checked_sub(now.duration_since(since)).filter(|left| !left.is_zero())?;
        if self.retries.is_some_and(|retries| self.tried >= retries) {
            return None;
        }
        let full = FIRST.saturating_mul(1 << self.tried.min(10)).min(LAST);
        self.tried = self.tried.saturating_add(1);
        match asked {
            Some(asked) if asked >= left => None,
            Some(asked) => Some((asked + FIRST.mul_f64(chance)).min(left)),
            None => Some(full.mul_f64(0.5 + chance / 2.0).min(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_up_to_the_last_and_end_in_time() {
        let mut patience = Patience::new(MINUTE, None);
        let mut now = Instant::now();
        let start = now;
        let mut waits = Vec::new();
        while let Some(wait) = patience.wait(now, None, 1.0) {
            waits.push(wait.as_millis());
            now += wait;
        }
        assert_eq!(waits[..8], [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(now - start, MINUTE);
    }

    #[test]
    fn chance_takes_up_to_half_of_a_wait() {
        let wait = |chance| Patience::new(MINUTE, None).wait(Instant::now(), None, chance).unwrap();
        assert_eq!((wait(0.0).as_millis(), wait(1.0).as_millis()), (50, 100));
    }

    #[test]
    fn what_the_node_asks_for_is_waited_and_no_less() {
        let wait = |asked, chance| {
            let asked = Some(Duration::from_secs(asked));
            Patience::new(MINUTE, None).wait(Instant::now(), asked, chance)
        };
        assert_eq!(wait(3, 0.0), Some(Duration::from_secs(3)));
        assert_eq!(wait(3, 1.0), Some(Duration::from_millis(3_100)));
        assert_eq!(wait(60, 0.0), None, "that is too long to wait");
    }

    #[test]
    fn a_number_of_retries_ends_it_too_until_something_is_stored() {
        let now = Instant::now();
        let mut patience = Patience::new(MINUTE, Some(2));
        let mut tries = || std::iter::from_fn(|| patience.wait(now, None, 1.0)).count();
        assert_eq!(tries(), 2);
        assert_eq!(tries(), 0);
        patience.renew();
        assert!(patience.is_fresh());
        assert!(patience.wait(now, None, 1.0).is_some());
    }

    #[test]
    fn no_time_is_no_second_attempt() {
        assert_eq!(Patience::new(Duration::ZERO, None).wait(Instant::now(), None, 1.0), None);
    }
}
