//! How many of a fleet's pods a person who drains nodes may take at once: one.
//! A DaemonSet has none: its pods leave with their node, and drains pass them over.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;
use sluice_crds::pods::Mode;

use super::{labels, names, value};
use crate::resolve::ResolvedFleet;

pub(super) fn disruption_budget(fleet: &ResolvedFleet) -> Option<Value> {
    if fleet.spec.mode == Mode::DaemonSet {
        return None;
    }
    let budget = PodDisruptionBudget {
        metadata: labels::meta(fleet, names::fleet(&fleet.name)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::selector(&fleet.name)),
            // A pod that does not serve must not keep a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    };
    Some(value(&budget))
}
