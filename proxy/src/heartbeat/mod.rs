//! Tells every operator how the node does: every few seconds, at once when something new is to be told, and once more
//! when the node leaves. Nothing waits for it, and what can't be told is told with the next.
//!
//! | file | holds |
//! |---|---|
//! | `news` | what is told, and which change of it can't wait (pure) |
//! | `message` | a heartbeat in InLong's words (pure) |
//! | `pace` | when one operator is told next (pure) |
//! | `voice` | the task that tells one operator |
//! | `pulse` | the task that looks at the node, and has a voice for each operator |

mod message;
mod news;
mod pace;
mod pulse;
mod voice;

use std::time::Duration;

pub use message::Sender;
pub use news::{Now, Subject};
pub use pulse::Heartbeats;

use crate::counters::Count;

/// Between two heartbeats.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// What became of heartbeats since the node started.
#[derive(Debug, Default)]
pub struct HeartbeatCounts {
    /// Taken by an operator.
    pub taken: Count,
    /// Answered, and not taken.
    pub refused: Count,
    /// Not answered.
    pub failed: Count,
}
