//! Pods that ask for a sidecar, as far as that matters: whether they have it, and how it does.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use super::pod;
use crate::build::objects::SIDECAR_CONTAINER;
use crate::inject::seen;
use crate::marks::INJECT;
use crate::observe::{NodeView, SidecarView};
use crate::resolve::FleetKey;

/// The fleet that a pod asks for a sidecar of, and what is seen of that; `None` if it asks for none or has ended.
#[must_use]
pub(super) fn sidecar(pod: &Pod) -> Option<(FleetKey, SidecarView)> {
    let metadata = &pod.metadata;
    let fleet = metadata.labels.as_ref()?.get(INJECT)?.clone();
    let status = pod.status.as_ref();
    if status.is_some_and(has_ended) {
        return None;
    }
    let image = seen::given(pod).map(str::to_owned);
    let own = status.and_then(own);
    let terminating = metadata.deletion_timestamp.is_some();
    let node = NodeView {
        pod: metadata.name.clone()?,
        uid: metadata.uid.clone().unwrap_or_default(),
        ip: status.and_then(|status| status.pod_ip.as_ref()).and_then(|ip| ip.parse().ok()),
        ready: image.is_some() && !terminating && own.is_some_and(runs),
        terminating,
        machine: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        // What else keeps the pod from running is its application's.
        trouble: own.and_then(pod::waiting),
        status: None,
    };
    Some(((metadata.namespace.clone()?, fleet), SidecarView { image, node }))
}

fn has_ended(status: &PodStatus) -> bool {
    status.phase.as_deref().is_some_and(|phase| ["Succeeded", "Failed"].contains(&phase))
}

/// What is told of the sidecar's container.
fn own(status: &PodStatus) -> Option<&ContainerStatus> {
    status.init_container_statuses.iter().flatten().find(|container| container.name == SIDECAR_CONTAINER)
}

/// Whether the container runs and has started: then it has listeners and a configuration.
fn runs(container: &ContainerStatus) -> bool {
    let running = container.state.as_ref().is_some_and(|state| state.running.is_some());
    running && container.started == Some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(annotations: &Value, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "shop", "name": "p", "uid": "1", "labels": {INJECT: "beside"}, "annotations": annotations
            },
            "spec": {
                "containers": [{"name": "app"}],
                "initContainers": [{"name": SIDECAR_CONTAINER, "image": "proxy:1", "restartPolicy": "Always"}]
            },
            "status": status
        }))
        .unwrap()
    }

    fn injected(status: &Value) -> (FleetKey, SidecarView) {
        sidecar(&pod(&json!({"sluice.dev/injected": "proxy:1"}), status)).unwrap()
    }

    fn says(state: &Value, started: bool) -> Value {
        json!({
            "phase": "Running", "podIP": "10.0.0.1",
            "initContainerStatuses": [{
                "name": SIDECAR_CONTAINER, "image": "proxy:1", "imageID": "", "ready": true, "restartCount": 0,
                "started": started, "state": state
            }]
        })
    }

    #[test]
    fn a_sidecar_that_has_started_runs() {
        let (fleet, view) = injected(&says(&json!({"running": {}}), true));
        assert_eq!(fleet, ("shop".to_owned(), "beside".to_owned()));
        assert_eq!((view.image.as_deref(), view.node.ready), (Some("proxy:1"), true));
        assert!(!injected(&says(&json!({"running": {}}), false)).1.node.ready, "it has no configuration yet");
    }

    #[test]
    fn a_sidecar_is_of_the_image_that_was_asked_for_wherever_that_is_pulled_from() {
        let mut pod = pod(&json!({"sluice.dev/injected": "proxy:1"}), &Value::Null);
        pod.spec.as_mut().unwrap().init_containers.as_mut().unwrap()[0].image = Some("mirror/proxy:1".into());
        assert_eq!(sidecar(&pod).unwrap().1.image.as_deref(), Some("proxy:1"));
    }

    #[test]
    fn one_that_can_t_start_says_why() {
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
        let (_, view) = injected(&says(&waiting, false));
        assert_eq!(view.node.trouble.as_deref(), Some("ErrImagePull: no such image"));
        let (_, view) = injected(&says(&json!({"waiting": {"reason": "PodInitializing"}}), false));
        assert_eq!(view.node.trouble, None);
    }

    #[test]
    fn a_pod_that_only_has_a_container_of_the_name_was_given_none() {
        let (_, view) = sidecar(&pod(&Value::Null, &says(&json!({"running": {}}), true))).unwrap();
        assert_eq!((view.image, view.node.ready), (None, false));
    }

    #[test]
    fn a_pod_that_has_ended_asks_for_nothing_more() {
        for phase in ["Succeeded", "Failed"] {
            assert_eq!(sidecar(&pod(&Value::Null, &json!({"phase": phase}))), None);
        }
    }
}
