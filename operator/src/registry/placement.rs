//! Which nodes a client is sent to, and in which order. Pure: equal nodes and an equal client give an equal list, at
//! every replica; a node that comes, leaves or fills up moves no more clients than it has to.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// From this load on a node is full.
pub const FULL: u8 = 100;
/// From this load on a node of two is left out, if the other is at [`EMPTY`] or below; and one near a client has no
/// room that would put it before others.
pub const HEAVY: u8 = 80;
/// See [`HEAVY`].
pub const EMPTY: u8 = 50;
/// The longest list.
pub const LONGEST: usize = 16;

/// A node that can be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its uid.
    pub uid: Arc<str>,
    /// Name of its pod.
    pub name: Arc<str>,
    /// Its address.
    pub ip: IpAddr,
    /// Lower edge of its load's band, 0 to 200.
    pub load: u8,
    /// The machine that it runs on.
    pub machine: Option<Arc<str>>,
    /// The zone of that.
    pub zone: Option<Arc<str>>,
    /// A number for its uid.
    pub seed: u64,
}

impl Candidate {
    /// A node of this uid, name and address, of which nothing else is known.
    #[must_use]
    pub fn new(uid: Arc<str>, name: Arc<str>, ip: IpAddr) -> Self {
        let seed = number(uid.as_bytes());
        Self { uid, name, ip, load: 0, machine: None, zone: None, seed }
    }

    const fn has_room(&self) -> bool {
        self.load < HEAVY
    }

    /// How many clients it gets against others.
    fn weight(&self) -> f64 {
        f64::from(FULL.saturating_sub(self.load).max(1))
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its address.
    pub ip: IpAddr,
    /// The machine that it is on, where nodes of the same machine come first.
    pub machine: Option<&'a str>,
    /// Its zone.
    pub zone: Option<&'a str>,
}

/// The nodes worth sending anybody to now, in the order given; none only if there are none.
#[must_use]
pub fn worth(nodes: &[Candidate]) -> Vec<&Candidate> {
    let mut worth: Vec<&Candidate> = nodes.iter().filter(|node| node.load < FULL).collect();
    if worth.is_empty() {
        worth = nodes.iter().collect();
    }
    if let [a, b] = worth[..] {
        let is_left = |fuller: &Candidate, other: &Candidate| fuller.load >= HEAVY && other.load <= EMPTY;
        worth.retain(|node| !is_left(node, if node.uid == a.uid { b } else { a }));
    }
    worth
}

/// The nodes for anybody, the best first: those worth it, the emptiest first, then by name.
#[must_use]
pub fn anybody(nodes: &[Candidate]) -> Vec<&Candidate> {
    let mut best = worth(nodes);
    best.sort_by(|a, b| (a.load, &a.name, &a.uid).cmp(&(b.load, &b.name, &b.uid)));
    best
}

/// The nodes for `client`, the best first.
///
/// Each node draws a number for each client, the better the more room it has (weighted rendezvous hashing): who has
/// the best comes first. So a node that leaves moves its own clients alone, and one that fills up some of its own.
#[must_use]
pub fn place<'a>(nodes: &'a [Candidate], client: &Client<'_>) -> Vec<&'a Candidate> {
    let worth = worth(nodes);
    let length = length(worth.len());
    let key = key(client.ip);
    let mut drawn: Vec<(u8, f64, &Candidate)> =
        worth.into_iter().map(|node| (distance(node, client), draw(key, node), node)).collect();
    drawn.sort_by(|a, b| {
        let draws = a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal);
        a.0.cmp(&b.0).then(draws).then_with(|| a.2.uid.cmp(&b.2.uid))
    });
    drawn.truncate(length);
    drawn.into_iter().map(|(_, _, node)| node).collect()
}

/// How many of `nodes` are listed.
const fn length(nodes: usize) -> usize {
    match nodes {
        0..=2 => nodes,
        _ => {
            let two_thirds = (2 * nodes).div_ceil(3);
            if two_thirds > LONGEST { LONGEST } else { two_thirds }
        }
    }
}

/// 0 for the client's machine, 1 for its zone, while there is room; 2 for anywhere else.
fn distance(node: &Candidate, client: &Client<'_>) -> u8 {
    let same = |of: Option<&str>, its: Option<&str>| of.is_some() && of == its && node.has_room();
    if same(client.machine, node.machine.as_deref()) {
        0
    } else if same(client.zone, node.zone.as_deref()) {
        1
    } else {
        2
    }
}

/// What a node draws for a client: exponentially distributed by its weight, so that the least of several is each
/// node's with a chance in proportion to its weight.
fn draw(key: u64, node: &Candidate) -> f64 {
    let bits = u32::try_from(mix(key ^ node.seed) >> 32).unwrap_or(u32::MAX);
    let uniform = (f64::from(bits) + 0.5) / (f64::from(u32::MAX) + 1.0);
    -uniform.ln() / node.weight()
}

fn key(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => number(&ip.octets()),
        IpAddr::V6(ip) => number(&ip.octets()),
    }
}

fn number(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The finalizer of `SplitMix64`: every bit of the sum depends on every bit of what is given.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
