//! Whether a pod has its sidecar, and of which image.

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::build::objects::SIDECAR_CONTAINER;
use crate::marks::INJECTED;

/// Whether the pod was given its sidecar: one that only has a container of the name was not.
#[must_use]
pub fn has_sidecar(pod: &Pod) -> bool {
    let is_marked = pod.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(INJECTED));
    is_marked && container(pod).is_some()
}

/// The sidecar's container.
#[must_use]
pub fn container(pod: &Pod) -> Option<&Container> {
    let containers = pod.spec.as_ref()?.init_containers.as_deref()?;
    containers.iter().find(|container| {
        container.name == SIDECAR_CONTAINER && container.restart_policy.as_deref() == Some("Always")
    })
}
