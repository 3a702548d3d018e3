//! What is told back of streams and fleets: statuses with conditions, and Events when these change.
//! It is pure: it writes nothing and decides nothing but the words.
//!
//! Every condition and reason is declared in [`reason`] and explained in `docs/conditions.md`.

mod applied;
mod auth;
mod condition;
mod event;
mod fleet;
mod nodes;
pub mod reason;
mod sidecar;
mod sink;
mod stream;

pub use auth::{Proof, Trouble};
pub use event::{Event, events};
pub use fleet::fleet;
pub use reason::{Row, Status, Tell, table};
pub use stream::{Seen, stream};

#[cfg(test)]
mod tests;
