//! A fleet with a node on each node of the cluster.

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{labels, workload};
use crate::resolve::ResolvedFleet;

/// With no host port in the way, a node's new pod is ready before the old one leaves.
pub(super) fn daemon_set(
    fleet: &ResolvedFleet,
    metadata: ObjectMeta,
    template: PodTemplateSpec,
) -> DaemonSet {
    let rolling = RollingUpdateDaemonSet {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(0)),
    };
    DaemonSet {
        metadata,
        spec: Some(DaemonSetSpec {
            revision_history_limit: Some(workload::HISTORY),
            selector: labels::selector(&fleet.name),
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(rolling),
            }),
            template,
            ..DaemonSetSpec::default()
        }),
        status: None,
    }
}
