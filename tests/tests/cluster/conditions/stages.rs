//! What is done to objects, and what they then tell: together, every condition with each of its reasons.
//! `SPACE` stands for the stage's namespace, `PRETENDER` and `SILENT` for brokers that the test itself plays, `KAFKA`
//! and `SMALL` for what most fleets have as a sink and as resources.

mod attaching;
mod beside;
mod producers;
mod running;
mod troubles;
mod upgrading;

use super::Step::{self, Nudged};

pub(super) use attaching::{ATTACHING, FULL, NO_DEFAULT};
pub(super) use beside::BESIDE;
pub(super) use producers::{FORBIDDEN, PRODUCERS};
pub(super) use running::{CHANGING, RUNNING, SILENT};
pub(super) use troubles::{OBJECTS, PROMISES, QUOTA, SINKS, STARTING};
pub(super) use upgrading::UPGRADING;

/// A name, and its steps in order.
pub(super) type Stage = (&'static str, &'static [Step]);

/// Something to apply: of what type and of what name, and the fields of its spec.
pub(super) type Resource = (&'static str, &'static str, &'static str);

const FLEET: &str = "apiVersion: sluice.dev/v1alpha1, kind: ProxyFleet";
pub(super) const STREAM: &str = "apiVersion: sluice.dev/v1alpha1, kind: DataStream";

/// Every stage.
pub(super) const ALL: &[Stage] = &[
    ATTACHING, FULL, BESIDE, RUNNING, SILENT, CHANGING, STARTING, SINKS, PROMISES, OBJECTS, QUOTA,
    NO_DEFAULT, UPGRADING, PRODUCERS, FORBIDDEN,
];

const fn told(
    object: &'static str,
    condition: &'static str,
    status: &'static str,
    reason: &'static str,
    part: &'static str,
) -> Step {
    Nudged { object, condition, status, reason, part }
}
