//! Free TCP ports for servers that must know theirs before they start, or come back on the same one.
//! They lie below the range from which the system gives ports to clients, so that no client takes one meanwhile.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on; not given out twice by one process.
///
/// # Panics
/// When all are taken.
#[must_use]
pub fn free() -> u16 {
    // Processes side by side start at different places.
    let start = (std::process::id() % u32::from(COUNT / 100)) * 100;
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
