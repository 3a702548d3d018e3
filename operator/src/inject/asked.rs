//! What a pod asks for, so that whoever is asked knows what to look up.

use serde_json::Value;

use crate::marks::{INJECT, STREAM};

/// What a pod asks for. Both are names in its own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The fleet that its sidecar is to be of.
    pub fleet: String,
    /// The stream that it reports to, where it names one.
    pub stream: Option<String>,
}

/// What a pod, as JSON, asks for; `None`: no sidecar.
#[must_use]
pub fn asked(pod: &Value) -> Option<Asked> {
    let metadata = pod.get("metadata")?;
    let text = |field: &str, key: &str| Some(metadata.get(field)?.get(key)?.as_str()?.to_owned());
    let stream = text("annotations", STREAM).filter(|name| !name.is_empty());
    Some(Asked { fleet: text("labels", INJECT)?, stream })
}
