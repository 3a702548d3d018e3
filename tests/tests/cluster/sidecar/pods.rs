//! Applications that do nothing themselves, and their pods as far as the sidecar in them goes.

use serde_json::Value;
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Namespace, eventually, image};

/// A pod that has a sidecar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Beside {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) ip: String,
    /// How often the sidecar was started again.
    pub(crate) restarts: u64,
}

/// An application that waits to be ended; each of its pods asks for a sidecar of `fleet`, if that has a name.
pub(crate) fn application(name: &str, kind: &str, replicas: u32, fleet: &str) -> String {
    let label = if fleet.is_empty() { String::new() } else { format!(", sluice.dev/inject: {fleet}") };
    let container = format!(
        "{{name: app, image: \"{image}\", args: [tail, g, s, --follow, --dir, /nowhere], \
         securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}}}",
        image = image("sluice"),
    );
    let spec = format!(
        "{{automountServiceAccountToken: false, terminationGracePeriodSeconds: 5, \
         securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}, containers: [{container}]}}"
    );
    if kind == "Pod" {
        return format!(
            "\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}{label}}}}}\nspec: {spec}\n---\n"
        );
    }
    format!(
        "
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}{label}}}}}
    spec: {spec}
---
"
    )
}

/// Pods whose sidecar runs, and that are not going.
pub(crate) fn sidecars(space: &Namespace<'_>) -> Vec<Beside> {
    let text = space.kubectl(&["get", "pods", "-l", "sluice.dev/inject", "-o", "json"]);
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let mut pods: Vec<_> = list["items"].as_array().expect("a list").iter().filter_map(running).collect();
    pods.sort_unstable();
    pods
}

fn running(pod: &Value) -> Option<Beside> {
    let text = |pointer| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let containers = pod.pointer("/status/initContainerStatuses").and_then(Value::as_array)?;
    let own = containers.iter().find(|container| container["name"] == "sluice-proxy")?;
    let runs = own["started"] == true && own["state"]["running"].is_object();
    let found = Beside {
        name: text("/metadata/name")?,
        uid: text("/metadata/uid")?,
        ip: text("/status/podIP")?,
        restarts: own["restartCount"].as_u64()?,
    };
    (runs && pod.pointer("/metadata/deletionTimestamp").is_none()).then_some(found)
}

/// Waits until so many pods have a sidecar that runs.
pub(crate) fn until_running(space: &Namespace<'_>, count: usize) -> Vec<Beside> {
    eventually(&format!("{count} sidecars to run"), PATIENCE, || {
        let found = sidecars(space);
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
}

/// Waits until the fleet `beside` tells of a pod, and of no other, that it asks for a sidecar and has none.
pub(crate) fn until_missed(space: &Namespace<'_>, pod: &str) {
    let told = space.until_condition("pf/beside", "Degraded", "True", "SidecarsMissing", PATIENCE);
    assert!(told.contains(&format!("have none: {pod};")), "{told}");
    eventually("an Event", PATIENCE, || {
        let events =
            space.kubectl(&["get", "events", "--field-selector=reason=SidecarsMissing", "-o", "wide"]);
        if events.contains(pod) { Ok(()) } else { Err(events) }
    });
}
