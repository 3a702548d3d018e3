//! Waiting for something to become true.
//! It never waits without a bound.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether `check` came true within `within`.
pub fn holds(within: Duration, mut check: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + within;
    loop {
        if check() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `check` is true.
///
/// # Panics
/// When it isn't within `within`; the message names `what`.
pub fn until(what: &str, within: Duration, check: impl FnMut() -> bool) {
    assert!(holds(within, check), "{what}: not within {within:?}");
}

/// Waits until `check` gives a value.
///
/// # Panics
/// When it gives none within `within`; the message names `what`.
pub fn for_some<T>(what: &str, within: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until(what, within, || {
        found = check();
        found.is_some()
    });
    found.expect("until returned")
}
