//! Whether an object is as wanted, by what stands in the cluster alone: nothing is remembered, so an operator
//! that starts writes nothing either.

use serde_json::{Value, json};

use super::{contains, hash};
use crate::marks::HASH;
use crate::watch::cluster::Child;
use crate::watch::cluster::child::slim;

/// How an object stands to what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// As wanted.
    Same,
    /// Not as wanted.
    Differs,
    /// Being deleted, or a former owner's that is about to be: to be waited for.
    Leaving,
}

/// `wanted` with the annotation that holds its digest.
#[must_use]
pub fn hashed(mut wanted: Value) -> Value {
    let digest = hash(&wanted);
    if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(HASH.to_owned(), digest.into());
        }
    }
    wanted
}

/// How `live` stands to `wanted`, which is [`hashed`].
#[must_use]
pub fn stand(live: &Child, wanted: &Value) -> Stand {
    // One that lost its owner is taken back: the label says that it is the operator's.
    if live.deleting || live.owner.as_deref().is_some_and(|of| Some(of) != owner(wanted)) {
        return Stand::Leaving;
    }
    if live.annotation(HASH) == Some(digest_of(wanted)) && contains_slim(&live.value, wanted) {
        return Stand::Same;
    }
    Stand::Differs
}

/// Whether `live`, which is slim, holds all of `wanted`.
#[must_use]
pub fn contains_slim(live: &Value, wanted: &Value) -> bool {
    let mut wanted = wanted.clone();
    slim(&mut wanted);
    contains(live, &wanted)
}

/// Uid of the controller that an object names.
#[must_use]
pub fn owner(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    controller.get("uid")?.as_str()
}

/// Uid of the first owner that an object names, which need not be its controller.
#[must_use]
pub fn first_owner(object: &Value) -> Option<&str> {
    object.pointer("/metadata/ownerReferences/0/uid")?.as_str()
}

/// The digest that [`hashed`] put into an object.
#[must_use]
pub fn digest_of(hashed: &Value) -> &str {
    hashed
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(HASH))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
