//! The limit on open connections.
//!
//! Up to the limit a connection is served. A few more are answered "busy" and closed, so that
//! producers learn why; beyond those a connection is closed without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many connections over the limit are answered at once.
const ANSWERED_OVER_LIMIT: u32 = 256;

/// Counts open connections against a limit.
#[derive(Debug)]
pub struct Gate {
    open: AtomicU32,
    limit: AtomicU32,
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
        Arc::new(Self { open: AtomicU32::new(0), limit: AtomicU32::new(limit) })
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

    /// Takes a place for a new connection.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Admission {
        let limit = self.limit.load(Ordering::Relaxed);
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { gate: Arc::clone(self) };
        if before < limit {
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
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_limit_some_are_refused_and_the_rest_closed() {
        let gate = Gate::new(2);
        let mut seats = Vec::new();
        let (mut served, mut refused, mut closed) = (0, 0, 0);
        for _ in 0..300 {
            match gate.enter() {
                Admission::Serve(seat) => (served, seats) = (served + 1, pushed(seats, seat)),
                Admission::Refuse(seat) => (refused, seats) = (refused + 1, pushed(seats, seat)),
                Admission::Close => closed += 1,
            }
        }
        assert_eq!((served, refused, closed), (2, 256, 42));
        drop(seats);
        assert_eq!(gate.open(), 0);
        assert!(matches!(gate.enter(), Admission::Serve(_)));
    }

    fn pushed(mut seats: Vec<Seat>, seat: Seat) -> Vec<Seat> {
        seats.push(seat);
        seats
    }
}
