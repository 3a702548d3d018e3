//! What the operator counts. Nothing here decides anything.

mod metrics;

pub use metrics::Metrics;
