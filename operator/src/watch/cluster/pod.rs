//! A fleet's pods as far as they matter: where they are and how they do.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use crate::observe::NodeView;
use crate::resolve::FleetKey;
use crate::{marks, names};

/// The fleet that a pod belongs to, and what is seen of the pod; `None` if it is not of a fleet's workload.
#[must_use]
pub(super) fn node(pod: &Pod) -> Option<(FleetKey, NodeView)> {
    let metadata = &pod.metadata;
    let fleet = metadata.labels.as_ref()?.get(marks::FLEET)?.clone();
    if !is_of_workload(pod, &names::fleet(&fleet)) {
        return None;
    }
    let status = pod.status.as_ref();
    let terminating = metadata.deletion_timestamp.is_some();
    let view = NodeView {
        pod: metadata.name.clone()?,
        uid: metadata.uid.clone().unwrap_or_default(),
        ip: status.and_then(|status| status.pod_ip.as_ref()).and_then(|ip| ip.parse().ok()),
        ready: !terminating && status.is_some_and(|status| condition(status, "Ready")),
        terminating,
        machine: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        trouble: status.and_then(trouble),
        status: None,
    };
    Some(((metadata.namespace.clone()?, fleet), view))
}

/// Whether a fleet's workload made the pod, by its service account and its controller, both of which are called
/// `name`: labels anyone may put on a pod. Who may make pods under that account can pose as a node all the same.
fn is_of_workload(pod: &Pod, name: &str) -> bool {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    account == Some(name)
        && controller.is_some_and(|owner| match owner.kind.as_str() {
            // A Deployment's, which puts a hash of the pod template behind its own name.
            "ReplicaSet" => owner.name.rsplit_once('-').is_some_and(|(deployment, _)| deployment == name),
            "StatefulSet" | "DaemonSet" => owner.name == name,
            _ => false,
        })
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

pub(super) fn waiting(container: &ContainerStatus) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(account: &str, controller: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "data", "name": "p", "uid": "1", "labels": {(marks::FLEET): "big"},
                "ownerReferences": [controller]
            },
            "spec": {"serviceAccountName": account, "containers": []}
        }))
        .unwrap()
    }

    fn controller(kind: &str, name: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "2", "controller": true})
    }

    #[test]
    fn only_a_pod_of_the_fleets_workload_is_a_node() {
        for (kind, name) in
            [("ReplicaSet", "sluice-big-7d9f"), ("StatefulSet", "sluice-big"), ("DaemonSet", "sluice-big")]
        {
            let (fleet, _) = node(&pod("sluice-big", &controller(kind, name))).unwrap();
            assert_eq!(fleet, ("data".to_owned(), "big".to_owned()));
        }
    }

    #[test]
    fn a_pod_that_only_has_the_labels_is_none() {
        for (account, kind, name) in [
            ("default", "ReplicaSet", "sluice-big-7d9f"),
            ("sluice-big", "ReplicaSet", "sluice-bigger-7d9f"),
            ("sluice-big", "ReplicaSet", "sluice-big"),
            ("sluice-big", "StatefulSet", "other"),
            ("sluice-big", "Job", "sluice-big"),
        ] {
            assert_eq!(node(&pod(account, &controller(kind, name))), None, "{account} {kind} {name}");
        }
        let mut alone = pod("sluice-big", &controller("DaemonSet", "sluice-big"));
        alone.metadata.owner_references = None;
        assert_eq!(node(&alone), None);
    }
}
