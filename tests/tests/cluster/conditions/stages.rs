//! What is done to objects, and what they then tell: together, every condition with each of its reasons.
//! `SPACE` stands for the stage's namespace, `PRETENDER` and `SILENT` for brokers that the test itself plays.

mod attaching;
mod running;
mod troubles;

use super::Step::{self, Nudged};

pub(super) use attaching::{ATTACHING, FULL, NO_DEFAULT};
pub(super) use running::{CHANGING, RUNNING};
pub(super) use troubles::{OBJECTS, PROMISES, QUOTA, SINKS, STARTING};

/// A name, and its steps in order.
pub(super) type Stage = (&'static str, &'static [Step]);

/// Every stage.
pub(super) const ALL: &[Stage] =
    &[ATTACHING, FULL, RUNNING, CHANGING, STARTING, SINKS, PROMISES, OBJECTS, QUOTA, NO_DEFAULT];

const fn told(
    object: &'static str,
    condition: &'static str,
    status: &'static str,
    reason: &'static str,
    part: &'static str,
) -> Step {
    Nudged { object, condition, status, reason, part }
}
