//! The limit on open connections.
//!
//! Up to the limit a connection is served. A few more are answered "busy" and closed, so that
//! producers learn why; beyond those a connection is closed without a word.
//! Of the limit a tenth is left to others by whoever connects from one address, so that no client alone shuts out all
//! the rest; many clients behind one address have nearly all of it still.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections over the limit are answered at once.
const ANSWERED_OVER_LIMIT: u32 = 256;
/// The part of the limit that one address leaves to others.
const LEFT_TO_OTHERS: u32 = 10;

/// Counts open connections against a limit.
#[derive(Debug)]
pub struct Gate {
    open: AtomicU32,
    limit: AtomicU32,
    /// Connections open now, by the address that they come from.
    from: Mutex<HashMap<IpAddr, u32>>,
}

/// What to do with a new connection.
#[derive(Debug)]
pub enum Admission {
    /// Serve it.
    Serve(Seat),
    /// Answer its first request with "busy" and close.
    Refuse(Seat),
    /// Close it.
    Close,
}

impl Gate {
    /// A gate that serves up to `limit` connections.
    #[must_use]
    pub fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self { open: AtomicU32::new(0), limit: AtomicU32::new(limit), from: Mutex::default() })
    }

    /// Sets the limit; connections already open stay.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Connections open now, those being refused included.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    fn from(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a new connection from this address.
    #[must_use]
    pub fn enter(self: &Arc<Self>, client: IpAddr) -> Admission {
        let limit = self.limit.load(Ordering::Relaxed);
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let from_there = {
            let mut from = self.from();
            let open = from.entry(client).or_default();
            *open += 1;
            *open - 1
        };
        let seat = Seat { gate: Arc::clone(self), client };
        if before < limit && from_there < limit - limit / LEFT_TO_OTHERS {
            Admission::Serve(seat)
        } else if before < limit.saturating_add(ANSWERED_OVER_LIMIT) {
            Admission::Refuse(seat)
        } else {
            Admission::Close
        }
    }
}

/// An open connection's place; given back on drop.
#[derive(Debug)]
pub struct Seat {
    gate: Arc<Gate>,
    client: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::Relaxed);
        let mut from = self.gate.from();
        if let Some(open) = from.get_mut(&self.client) {
            *open -= 1;
            if *open == 0 {
                from.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn one_address_leaves_a_tenth_to_others() {
        let other: IpAddr = "10.0.0.2".parse().unwrap();
        let gate = Gate::new(20);
        let mut seats: Vec<_> = (0..18).map(|_| gate.enter(CLIENT)).collect();
        assert!(seats.iter().all(|admission| matches!(admission, Admission::Serve(_))));
        assert!(matches!(gate.enter(CLIENT), Admission::Refuse(_)));
        seats.extend((0..2).map(|_| gate.enter(other)));
        assert!(seats.iter().all(|admission| matches!(admission, Admission::Serve(_))));
        assert!(matches!(gate.enter(other), Admission::Refuse(_)), "twenty in all");
        drop(seats);
        assert!(gate.from().is_empty());
    }

    #[test]
    fn over_the_limit_some_are_refused_and_the_rest_closed() {
        let gate = Gate::new(2);
        let mut seats = Vec::new();
        let (mut served, mut refused, mut closed) = (0, 0, 0);
        for _ in 0..300 {
            match gate.enter(CLIENT) {
                Admission::Serve(seat) => (served, seats) = (served + 1, pushed(seats, seat)),
                Admission::Refuse(seat) => (refused, seats) = (refused + 1, pushed(seats, seat)),
                Admission::Close => closed += 1,
            }
        }
        assert_eq!((served, refused, closed), (2, 256, 42));
        drop(seats);
        assert_eq!(gate.open(), 0);
        assert!(matches!(gate.enter(CLIENT), Admission::Serve(_)));
    }

    fn pushed(mut seats: Vec<Seat>, seat: Seat) -> Vec<Seat> {
        seats.push(seat);
        seats
    }
}
