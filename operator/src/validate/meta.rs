//! `metadata`, which no definition describes: its fields are the API server's.
//! Name and namespace were checked when the object was read; here are the others.

use serde_json::Value;

use super::Fault;

/// The fields of `ObjectMeta` (Kubernetes 1.33).
const FIELDS: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "generateName",
    "managedFields",
    "selfLink",
];

/// Finds unknown fields and texts that are none, and sets the namespace.
pub(super) fn check(object: &mut Value, namespace: &str) -> Vec<Fault> {
    let Some(fields) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return vec![fault("metadata", "must be an object with a name")];
    };
    fields.retain(|_, value| !value.is_null());
    let mut faults = Vec::new();
    for (name, value) in fields.iter() {
        let path = format!("metadata.{name}");
        if !FIELDS.contains(&name.as_str()) {
            faults.push(fault(&path, "no such field; here can stand name, namespace, labels, annotations"));
        } else if ["labels", "annotations"].contains(&name.as_str()) {
            let texts = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
            if !texts {
                faults.push(fault(&path, "must be a map of strings; quote numbers and true or false"));
            }
        }
    }
    fields.insert("namespace".to_owned(), namespace.into());
    faults
}

fn fault(field: &str, message: &str) -> Fault {
    Fault { field: field.to_owned(), message: message.to_owned() }
}
