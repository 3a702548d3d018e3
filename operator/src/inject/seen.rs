//! Whether a pod has its sidecar, and of which image.

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::build::objects::SIDECAR_CONTAINER;
use crate::marks::INJECTED;

/// The image that the pod was given its sidecar of: what the operator wrote, which another webhook may have turned into a
/// mirror's. `None` if it was given none, which holds for a pod that only has a container of the name.
#[must_use]
pub fn given(pod: &Pod) -> Option<&str> {
    let image = pod.metadata.annotations.as_ref()?.get(INJECTED)?;
    has_container(pod).then_some(image)
}

fn has_container(pod: &Pod) -> bool {
    let containers = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let is_ours = |container: &Container| {
        container.name == SIDECAR_CONTAINER && container.restart_policy.as_deref() == Some("Always")
    };
    containers.iter().any(is_ours)
}
