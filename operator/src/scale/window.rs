//! The most that was needed at any moment of a length of time that ends now.
//! It keeps no moment that a later one outdoes, so at most as many as there are different numbers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What was needed, from when it was first watched.
#[derive(Debug)]
pub(super) struct Window {
    since: Instant,
    /// In the order of time; each is less than the one before.
    needed: VecDeque<(Instant, i32)>,
}

impl Window {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, needed: VecDeque::new() }
    }

    /// So many are needed now; what is older than `length` is forgotten.
    pub(super) fn take(&mut self, now: Instant, needed: i32, length: Duration) {
        while self.needed.back().is_some_and(|(_, last)| *last <= needed) {
            self.needed.pop_back();
        }
        self.needed.push_back((now, needed));
        while self.needed.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > length) {
            self.needed.pop_front();
        }
    }

    /// The most that was needed.
    pub(super) fn highest(&self) -> Option<i32> {
        self.needed.front().map(|(_, needed)| *needed)
    }

    /// Whether it has been watched for the whole of `length`.
    pub(super) fn is_whole(&self, now: Instant, length: Duration) -> bool {
        now.saturating_duration_since(self.since) >= length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(60);

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn the_highest_of_the_last_while_counts() {
        let start = Instant::now();
        let mut window = Window::new(start);
        assert_eq!(window.highest(), None);
        for (at, needed, highest) in
            [(0, 3, 3), (10, 7, 7), (20, 2, 7), (30, 5, 7), (70, 4, 7), (71, 1, 5), (91, 1, 4), (200, 1, 1)]
        {
            window.take(start + second(at), needed, LENGTH);
            assert_eq!(window.highest(), Some(highest), "at {at}");
        }
    }

    #[test]
    fn it_is_whole_once_it_has_been_watched_for_its_length() {
        let start = Instant::now();
        let window = Window::new(start);
        assert!(!window.is_whole(start + second(59), LENGTH));
        assert!(window.is_whole(start + second(60), LENGTH));
    }

    #[test]
    fn however_often_it_is_asked_it_stays_small() {
        let start = Instant::now();
        let mut window = Window::new(start);
        for at in 0..10_000_u64 {
            let needed = i32::try_from(at * 7 % 10).unwrap();
            window.take(start + Duration::from_millis(at), needed, LENGTH);
        }
        assert!(window.needed.len() <= 10);
    }
}
