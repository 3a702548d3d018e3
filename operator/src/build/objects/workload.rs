//! What runs a fleet's pods, by its mode. Every kind replaces its pods one after the other and, where it can,
//! never has fewer than it is to have.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use sluice_crds::pods::Mode;

use super::context::Context;
use super::{daemon_set, deployment, labels, names, stateful_set, value};
use crate::kind::ObjectKind;
use crate::marks::DEFAULT_IMAGE;
use crate::resolve::ResolvedFleet;

/// How many former versions are kept for a person to look at.
pub(super) const HISTORY: i32 = 3;

/// The kind of workload that runs a fleet of `mode`; `None`: pods of applications do.
#[must_use]
pub const fn workload_kind(mode: Mode) -> Option<ObjectKind> {
    match mode {
        Mode::Deployment => Some(ObjectKind::Deployment),
        Mode::StatefulSet => Some(ObjectKind::StatefulSet),
        Mode::DaemonSet => Some(ObjectKind::DaemonSet),
        Mode::Sidecar => None,
    }
}

/// The workload of `fleet` with `template`, if it has one.
pub(super) fn workload(fleet: &ResolvedFleet, template: PodTemplateSpec, context: &Context) -> Option<Value> {
    let metadata = metadata(fleet, context);
    match fleet.spec.mode {
        Mode::Deployment => Some(value(&deployment::deployment(fleet, metadata, template))),
        Mode::StatefulSet => Some(value(&stateful_set::stateful_set(fleet, metadata, template))),
        Mode::DaemonSet => Some(value(&daemon_set::daemon_set(fleet, metadata, template))),
        Mode::Sidecar => None,
    }
}

/// Gives a workload another number of pods than its fleet's spec says. A DaemonSet has none.
pub fn resize(workload: &mut Value, replicas: i32) {
    if let Some(number) = workload.pointer_mut("/spec/replicas") {
        *number = replicas.into();
    }
}

/// A fleet that names no image is marked with the operator's, so that a new operator can tell which fleets it
/// would restart.
fn metadata(fleet: &ResolvedFleet, context: &Context) -> ObjectMeta {
    let mut metadata = labels::meta(fleet, names::fleet(&fleet.name));
    if fleet.spec.image.is_none() {
        metadata.annotations = Some([(DEFAULT_IMAGE.to_owned(), context.image.clone())].into());
    }
    metadata
}
