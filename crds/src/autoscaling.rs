//! How many proxies a fleet has by how full they are.
//! It holds what a platform team writes down; working out a number is the operator's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// Between which bounds, and by which load, a fleet's number of proxies is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// The fewest proxies.
    #[schemars(range(min = 1, max = 1_000))]
    pub min: i32,
    /// The most proxies.
    #[schemars(range(min = 1, max = 1_000))]
    pub max: i32,
    /// The mean load of the proxies that is aimed at; 100 is a proxy that is full.
    #[serde(default = "default_target_load")]
    #[schemars(range(min = 10, max = 90), extend("format" = "int32", "default" = 60))]
    pub target_load: u8,
    /// For how long fewer proxies must have been enough before one leaves, 10s to 60m.
    #[serde(default = "default_stabilization")]
    #[schemars(extend("default" = "5m"))]
    pub scale_down_stabilization: Span,
}

const fn default_target_load() -> u8 {
    60
}

const fn default_stabilization() -> Span {
    Span::from_secs(300)
}

impl Autoscaling {
    /// The number within the bounds that is nearest to `replicas`.
    #[must_use]
    pub fn bounded(&self, replicas: i32) -> i32 {
        // A rule keeps min to at most max.
        replicas.min(self.max).max(self.min)
    }
}
