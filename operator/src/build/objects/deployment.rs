//! A fleet whose nodes are all alike: the usual one.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{labels, workload};
use crate::resolve::ResolvedFleet;

pub(super) fn deployment(
    fleet: &ResolvedFleet,
    metadata: ObjectMeta,
    template: PodTemplateSpec,
) -> Deployment {
    let rolling = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(1)),
        max_unavailable: Some(IntOrString::Int(0)),
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(fleet.spec.replicas),
            revision_history_limit: Some(workload::HISTORY),
            selector: labels::selector(&fleet.name),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(rolling),
            }),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}
