//! What a fleet's pod template may not set: what makes its pods the fleet's, what a fleet has a field for, and
//! what would take the proxy's confinement away.

use serde_json::Value;

use super::super::volumes::RESERVED;
use super::super::{PROXY_CONTAINER, labels};
use super::{FIELD, Fault};
use crate::marks::MANAGED_BY;

/// Fields of the pod.
const POD: [(&str, &str); 6] = [
    (
        "serviceAccountName",
        "can't be set: the fleet's pods run as its own service account, which may do nothing",
    ),
    ("serviceAccount", "can't be set: the fleet's pods run as its own service account, which may do nothing"),
    (
        "automountServiceAccountToken",
        "can't be set: no token for the API server is mounted into the fleet's pods",
    ),
    ("hostNetwork", "can't be set: a proxy listens on its pod's own address"),
    ("hostPID", "can't be set: a proxy sees no process but its own"),
    ("hostIPC", "can't be set: a proxy shares no memory with its node"),
];

/// Fields of the proxy's container.
const PROXY: [(&str, &str); 4] = [
    (
        "securityContext",
        "can't be set: the proxy's container always keeps the restricted Pod Security Standard",
    ),
    ("image", "can't be set here; set spec.image of the fleet"),
    ("command", "can't be set: the operator writes the proxy's command line"),
    ("args", "can't be set: the operator writes the proxy's command line"),
];

/// A fault for each field that may not be set.
pub(super) fn forbidden(written: &Value) -> Vec<Fault> {
    let mut faults = metadata(written);
    let spec = written.get("spec").unwrap_or(&Value::Null);
    let field = format!("{FIELD}.spec");
    faults.extend(set(spec, &field, &POD));
    faults.extend(unnamed(spec, &field));
    for (at, container) in items(spec, "containers").filter(|(_, container)| is_proxy(container)) {
        faults.extend(set(container, &format!("{field}.containers[{at}]"), &PROXY));
    }
    for (at, _) in items(spec, "initContainers").filter(|(_, container)| is_proxy(container)) {
        let message = "the name proxy is that of the operator's own container; choose another";
        faults.push(Fault::new(format!("{field}.initContainers[{at}].name"), message));
    }
    for (at, _) in items(spec, "volumes").filter(|(_, volume)| name(volume).starts_with(RESERVED)) {
        let message =
            format!("names that begin with {RESERVED} are the operator's own volumes'; choose another");
        faults.push(Fault::new(format!("{field}.volumes[{at}].name"), message));
    }
    faults
}

/// Of a template's metadata only labels and annotations reach a pod, and no label by which pods are selected.
fn metadata(written: &Value) -> Vec<Fault> {
    let Some(metadata) = written.get("metadata").and_then(Value::as_object) else { return Vec::new() };
    let field = format!("{FIELD}.metadata");
    let others = metadata
        .iter()
        .filter(|(name, value)| !value.is_null() && !["labels", "annotations"].contains(&name.as_str()))
        .map(|(name, _)| {
            Fault::new(
                format!("{field}.{name}"),
                "can't be set: pods take only labels and annotations from here",
            )
        });
    let known = labels::SELECTOR.iter().chain([&MANAGED_BY]);
    let labels = known.filter(|label| metadata.get("labels").is_some_and(|l| has(l, label)));
    let labels = labels.map(|label| {
        let field = format!("{field}.labels[{label}]");
        Fault::new(field, "can't be set: the fleet's pods are found by this label")
    });
    others.chain(labels).collect()
}

/// The lists of a pod whose items are merged by name: an item without one could belong to none of ours.
fn unnamed(spec: &Value, field: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for list in ["containers", "initContainers", "volumes"] {
        for (at, _) in items(spec, list).filter(|(_, item)| name(item).is_empty()) {
            let field = format!("{field}.{list}[{at}].name");
            faults.push(Fault::new(
                field,
                format!("is missing; the proxy's container is called {PROXY_CONTAINER}"),
            ));
        }
    }
    faults
}

fn set<'a>(value: &'a Value, field: &'a str, fields: &'a [(&str, &str)]) -> impl Iterator<Item = Fault> + 'a {
    let set = fields.iter().filter(|(name, _)| has(value, name));
    set.map(move |(name, message)| Fault::new(format!("{field}.{name}"), message))
}

fn has(value: &Value, name: &str) -> bool {
    value.get(name).is_some_and(|value| !value.is_null())
}

fn items<'a>(spec: &'a Value, list: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    spec.get(list).and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn name(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn is_proxy(container: &Value) -> bool {
    name(container) == PROXY_CONTAINER
}
