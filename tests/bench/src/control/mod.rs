//! What proxies cost their operator: the operator's own code in one process, simulated proxies in others, over real
//! sockets on loopback.
//!
//! | file | holds |
//! |---|---|
//! | [`fleet`] | a made-up fleet of many streams, of which one changes |
//! | [`server`] | the operator's listener, fed with that fleet: a process |
//! | [`manager`] | the operator's registry, told of made-up nodes: a process |
//! | [`client`], [`tls`] | a connection of a simulated proxy, plain or over TLS |
//! | [`pollers`] | proxies that poll: a process |
//! | [`nodes`] | proxies that send heartbeats: a process |
//! | [`hub`] | waiters without any socket: a process |
//! | [`reviewer`] | the operator's listener of webhooks, with streams that it knows: a process |
//! | [`poll`], [`waiters`], [`heartbeats`], [`reviews`] | what is measured and printed |

pub(crate) mod client;
pub(crate) mod fleet;
pub(crate) mod heartbeats;
pub(crate) mod hub;
pub(crate) mod manager;
pub(crate) mod nodes;
pub(crate) mod poll;
pub(crate) mod pollers;
pub(crate) mod reviewer;
pub(crate) mod reviews;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod waiters;

use std::time::{SystemTime, UNIX_EPOCH};

/// Proxies that one process simulates at most: it may hold 20,000 descriptors, and they share its one thread.
const PER_PROCESS: usize = 5_000;

/// Now, in microseconds since 1970, which processes of one machine agree on.
fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(now.as_micros()).expect("a clock that is right")
}

/// How many proxies each process has, and the number of its first.
fn shares(all: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..all).step_by(PER_PROCESS).map(move |first| (first, PER_PROCESS.min(all - first)))
}

/// The value that this share of the values is within, which are sorted.
fn percentile(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the list")]
    let index = (last * share) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// Microseconds as milliseconds.
fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}
