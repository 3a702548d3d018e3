//! How many connections there may be, in all and from one address. A seat is given back when dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub connections: usize,
    /// From one address.
    pub per_address: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Seats for connections; clones are the same ones.
#[derive(Clone, Debug)]
pub struct Seats {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
}

impl Seats {
    /// As many as these limits allow.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a connection from `address`, if there is one.
    #[must_use]
    pub fn take(&self, address: IpAddr) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.all >= self.limits.connections {
            return None;
        }
        let from_there = taken.by_address.entry(address).or_default();
        if *from_there >= self.limits.per_address {
            return None;
        }
        *from_there += 1;
        taken.all += 1;
        Some(Seat { seats: self.clone(), address })
    }
}

/// A connection's seat.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        if let Some(from_there) = taken.by_address.get_mut(&self.address) {
            *from_there -= 1;
            if *from_there == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_end_with_either_limit_and_come_back() {
        let seats = Seats::new(Limits { connections: 3, per_address: 2 });
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let (first, second) = (seats.take(a).unwrap(), seats.take(a).unwrap());
        assert!(seats.take(a).is_none(), "two from one address");
        let third = seats.take(b).unwrap();
        assert!(seats.take(b).is_none(), "three in all");
        drop(first);
        let again = seats.take(a).unwrap();
        drop((second, third, again));
        let taken = seats.taken();
        assert_eq!((taken.all, taken.by_address.len()), (0, 0));
    }
}
