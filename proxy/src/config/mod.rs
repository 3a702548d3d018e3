//! From the published document to what the node runs: read, checked whole, then put into effect.
//! A document that can't be used changes nothing and is told in log, metric and status.

mod apply;
mod check;
mod copy;
mod effect;
mod parts;
mod patience;
mod poll;
mod source;
mod turns;
mod watch;

pub use apply::{Applier, ConfigState};
pub use check::{Problem, check};
pub use copy::Keeper;
pub use effect::Exchange;
pub use poll::{PollCounts, Poller};
pub use watch::{Places, Watcher, read};
