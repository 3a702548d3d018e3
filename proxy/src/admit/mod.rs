//! Decides whether the node has room: for another connection, for more bytes.
//! It must not know what the bytes mean or where they go.

mod budget;
mod gate;

pub use budget::{Budget, Charge, Full};
pub use gate::{Admission, Gate, Seat};
