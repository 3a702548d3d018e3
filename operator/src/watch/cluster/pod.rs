//! A fleet's pods as far as they matter: where they are and how they do.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use crate::marks;
use crate::observe::NodeView;
use crate::resolve::FleetKey;

/// The fleet that a pod belongs to by its labels, and what is seen of the pod.
#[must_use]
pub(super) fn node(pod: &Pod) -> Option<(FleetKey, NodeView)> {
    let metadata = &pod.metadata;
    let fleet = metadata.labels.as_ref()?.get(marks::FLEET)?.clone();
    let status = pod.status.as_ref();
    let terminating = metadata.deletion_timestamp.is_some();
    let view = NodeView {
        pod: metadata.name.clone()?,
        uid: metadata.uid.clone().unwrap_or_default(),
        ip: status.and_then(|status| status.pod_ip.as_ref()).and_then(|ip| ip.parse().ok()),
        ready: !terminating && status.is_some_and(|status| condition(status, "Ready")),
        terminating,
        trouble: status.and_then(trouble),
        status: None,
    };
    Some(((metadata.namespace.clone()?, fleet), view))
}

fn condition(status: &PodStatus, name: &str) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == name && condition.status == "True")
}

/// Why a pod does not run, in Kubernetes' own words; none while it only starts.
fn trouble(status: &PodStatus) -> Option<String> {
    let unplaced = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unplaced {
        return Some(words("Unschedulable", condition.message.as_deref()));
    }
    let containers = status.init_container_statuses.iter().flatten();
    containers.chain(status.container_statuses.iter().flatten()).find_map(waiting)
}

fn waiting(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let starts = ["ContainerCreating", "PodInitializing"].contains(&reason);
    (!starts).then(|| words(reason, waiting.message.as_deref()))
}

fn words(reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    }
}
