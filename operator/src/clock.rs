//! What time it is, since 1970; 0 on a clock set before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn since() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// In seconds.
pub(crate) fn seconds() -> u64 {
    since().as_secs()
}

/// In milliseconds.
pub(crate) fn millis() -> u64 {
    u64::try_from(since().as_millis()).unwrap_or(u64::MAX)
}
