//! What in a pod leaves no place for a sidecar, each with what to do about it.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use crate::build::objects::{ADMIN_PORT, SIDECAR_CONTAINER, Sidecar};
use crate::marks::INJECT;

/// The annotation of a pod that a kubelet runs from a file of its own.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// So many containers a pod may have: each of them is told where to report.
const MOST_CONTAINERS: usize = 256;

/// Everything that is in the way of `sidecar`, which takes reports at `port`.
pub(super) fn all(pod: &Pod, sidecar: &Sidecar, port: u16) -> Vec<String> {
    let Some(spec) = pod.spec.as_ref() else { return Vec::new() };
    let mut found = whole(pod, spec);
    let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
    if containers().any(|container| container.name == SIDECAR_CONTAINER) {
        found.push(format!(
            "a container of the pod is called {SIDECAR_CONTAINER}, as the sidecar is; rename it"
        ));
    }
    found.extend(ports(pod, port));
    let names = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let taken = |name: &&str| sidecar.volumes.iter().any(|volume| volume.name == *name);
    found.extend(
        names.filter(taken).map(|name| {
            format!("a volume of the pod is called {name}, as one of the sidecar's is; rename it")
        }),
    );
    found
}

/// That the pod has more containers than anybody wants to be told.
pub(super) fn too_many(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let count = spec.containers.len() + spec.init_containers.as_ref().map_or(0, Vec::len);
    (count > MOST_CONTAINERS).then(|| {
        format!("the pod has {count} containers, and one with a sidecar at most {MOST_CONTAINERS}; make it smaller")
    })
}

/// Ports of a sidecar, which takes reports at `port`, that another container takes.
pub(super) fn ports(pod: &Pod, port: u16) -> Vec<String> {
    let Some(spec) = pod.spec.as_ref() else { return Vec::new() };
    let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
    let others = || containers().filter(|container| container.name != SIDECAR_CONTAINER);
    let mut found = Vec::new();
    for (port, what) in [(port, "for reports"), (ADMIN_PORT, "for metrics and probes")] {
        found.extend(others().find(|container| takes(container, port)).map(|container| {
            format!(
                "container {} takes port {port}, which the sidecar needs {what}; {}",
                container.name,
                if port == ADMIN_PORT {
                    "let it take another"
                } else {
                    "let it take another, or set listeners.http.port in a ProxyFleet of its own"
                }
            )
        }));
    }
    found
}

/// What is so of the pod as a whole.
fn whole(pod: &Pod, spec: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    if spec.host_network == Some(true) {
        found.push(format!(
            "a pod with hostNetwork gets no sidecar, whose ports would be the node's; take hostNetwork out, or the label \
             {INJECT} off and report to a fleet's Service"
        ));
    }
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        found.push(format!("the sidecar runs on Linux alone; take the label {INJECT} off"));
    }
    if pod.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR)) {
        found.push(format!(
            "a kubelet runs the pod from a file, to which nothing can be added; take the label {INJECT} off"
        ));
    }
    found
}

/// Whether a container says that it takes a port of TCP's.
fn takes(container: &Container, port: u16) -> bool {
    let is_tcp = |protocol: Option<&str>| protocol.is_none_or(|protocol| protocol == "TCP");
    container
        .ports
        .iter()
        .flatten()
        .any(|taken| taken.container_port == i32::from(port) && is_tcp(taken.protocol.as_deref()))
}
