//! What is added to a pod, as a JSON Patch (RFC 6902). It only adds: what stands in a pod stays as it is, and where.

use serde::Serialize;
use serde_json::{Value, json};

use crate::build::objects::{SIDECAR_CONTAINER, Sidecar};
use crate::marks::INJECTED;

/// What is added, in order; empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch(Vec<Add>);

impl Patch {
    /// Whether nothing is added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds to a list of the pod; one that is not there is made.
    fn add_to(&mut self, list: (String, Option<&Value>), end: End, items: Vec<Value>) {
        let (place, there) = list;
        if items.is_empty() {
            return;
        }
        if !there.is_some_and(Value::is_array) {
            self.0.push(Add::new(place, items.into()));
            return;
        }
        for (index, item) in items.into_iter().enumerate() {
            let at = match end {
                End::First => index.to_string(),
                End::Last => "-".to_owned(),
            };
            self.0.push(Add::new(format!("{place}/{at}"), item));
        }
    }
}

/// At which end of a list something is added.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

/// Something that is added at a place of the pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Add {
    op: &'static str,
    /// A JSON pointer.
    pub path: String,
    /// What is added.
    pub value: Value,
}

impl Add {
    const fn new(path: String, value: Value) -> Self {
        Self { op: "add", path, value }
    }
}

/// What gives `pod` its sidecar and its containers `variables`.
pub(super) fn patch(pod: &Value, sidecar: &Sidecar, variables: &[(&str, String)]) -> Patch {
    // Before the sidecar is among them, while their places are those that they have.
    let mut patch = tell(pod, variables);
    let spec = |field: &str| (format!("/spec/{field}"), pod.pointer(&format!("/spec/{field}")));
    // First, so that what the application's own init containers report is taken too.
    patch.add_to(spec("initContainers"), End::First, vec![json!(sidecar.container)]);
    patch.add_to(spec("volumes"), End::Last, sidecar.volumes.iter().map(|volume| json!(volume)).collect());
    let (place, known) = spec("imagePullSecrets");
    let has =
        |name: &str| known.and_then(Value::as_array).into_iter().flatten().any(|one| one["name"] == name);
    let names =
        sidecar.pull_secrets.iter().filter(|name| !has(name)).map(|name| json!({"name": name})).collect();
    patch.add_to((place, known), End::Last, names);
    patch.0.push(mark(pod, sidecar.container.image.as_deref().unwrap_or_default()));
    patch
}

/// What gives the containers of `pod` that are not the sidecar `variables`.
pub(super) fn tell(pod: &Value, variables: &[(&str, String)]) -> Patch {
    let mut patch = Patch::default();
    for list in ["containers", "initContainers"] {
        let place = format!("/spec/{list}");
        let containers = pod.pointer(&place).and_then(Value::as_array).into_iter().flatten();
        for (index, container) in containers.enumerate() {
            if container["name"] == SIDECAR_CONTAINER {
                continue;
            }
            let missing = missing(container, variables);
            // First, so that what is the container's own may be made of them.
            patch.add_to((format!("{place}/{index}/env"), container.get("env")), End::First, missing);
        }
    }
    patch
}

/// Of `variables` those that a container does not set itself.
fn missing(container: &Value, variables: &[(&str, String)]) -> Vec<Value> {
    let own = container.get("env").and_then(Value::as_array);
    let has = |name: &str| own.into_iter().flatten().any(|variable| variable["name"] == name);
    let missing = variables.iter().filter(|(name, _)| !has(name));
    missing.map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn mark(pod: &Value, image: &str) -> Add {
    match pod.pointer("/metadata/annotations").and_then(Value::as_object) {
        Some(_) => Add::new(format!("/metadata/annotations/{}", INJECTED.replace('/', "~1")), image.into()),
        None => Add::new("/metadata/annotations".to_owned(), json!({INJECTED: image})),
    }
}
