//! A fleet whose nodes keep their names.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{labels, names, workload};
use crate::resolve::ResolvedFleet;

/// It has no surge: each pod leaves before its successor comes. Nodes don't depend on one another, so they
/// start and end together.
pub(super) fn stateful_set(
    fleet: &ResolvedFleet,
    metadata: ObjectMeta,
    template: PodTemplateSpec,
) -> StatefulSet {
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(fleet.spec.replicas),
            revision_history_limit: Some(workload::HISTORY),
            selector: labels::selector(&fleet.name),
            service_name: Some(names::nodes_service(&fleet.name)),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: None,
            }),
            template,
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}
