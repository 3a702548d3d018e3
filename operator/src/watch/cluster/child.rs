//! Objects that the operator makes, as the API server shows them: by kind, kept slim.

use std::fmt;

use kube::api::DynamicObject;
use serde_json::Value;

use crate::hex;
use crate::kind::ObjectKind;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ChildKey {
    /// The key of an object as written; `None` if it is of no kind that the operator makes.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            kind: ObjectKind::from_name(object.get("kind")?.as_str()?)?,
            namespace: text("/metadata/namespace")?,
            name: text("/metadata/name")?,
        })
    }
}

impl fmt::Display for ChildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

/// An object that the operator made, as the API server shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion, which grows.
    pub version: u64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Uid of its controller, by its owner references.
    pub owner: Option<String>,
    /// All of it but what [`slim`] leaves out.
    pub value: Value,
}

impl Child {
    /// A child as it was received.
    #[must_use]
    pub fn new(kind: ObjectKind, object: &DynamicObject) -> Self {
        let metadata = &object.metadata;
        let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let mut value = serde_json::to_value(object).unwrap_or_default();
        // The items of a list do not say what they are.
        let resource = kind.resource();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("apiVersion".to_owned(), resource.api_version.into());
            fields.insert("kind".to_owned(), resource.kind.into());
        }
        slim(&mut value);
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            version: version(metadata.resource_version.as_deref()),
            deleting: metadata.deletion_timestamp.is_some(),
            owner: owner.map(|owner| owner.uid.clone()),
            value,
        }
    }

    /// A digest of all that is written of it: not of its status, nor of what grows with every change of that.
    #[must_use]
    pub fn written(&self) -> String {
        let mut value = self.value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        hex::sha256(value.to_string().as_bytes())
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }
}

/// A resourceVersion as a number; 0 if it is none.
#[must_use]
pub fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Takes out what nobody compares and puts digests in place of a ConfigMap's data.
pub fn slim(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if object.get("kind").and_then(Value::as_str) != Some(ObjectKind::ConfigMap.name()) {
        return;
    }
    for field in ["data", "binaryData"] {
        for (_, text) in object.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
            if let Some(content) = text.as_str() {
                *text = hex::sha256(content.as_bytes()).into();
            }
        }
    }
}
