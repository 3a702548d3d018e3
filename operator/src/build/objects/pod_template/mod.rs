//! A fleet's own `podTemplate`: read strictly, held to what it may set, merged over the operator's.
//! It changes nothing of what it accepts; where both say something, the fleet's word stands.

mod forbidden;
mod merge;
mod read;

use std::fmt;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use sluice_crds::pods::PodTemplate;

/// Where the field stands in a fleet.
const FIELD: &str = "spec.podTemplate";

/// The most faults that are told at once.
const MAX_FAULTS: usize = 8;

/// The longest field and the longest message that are told, in characters.
const MAX_MESSAGE: usize = 256;

/// Something wrong with a field of the pod template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, such as `spec.podTemplate.spec.containers[0].image`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Fault {
    fn new(field: impl Into<String>, message: impl AsRef<str>) -> Self {
        // A field may be named as long as the API server takes; what is told of it may not.
        let bounded = |text: &str| text.chars().take(MAX_MESSAGE).collect();
        Self { field: bounded(&field.into()), message: bounded(message.as_ref()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// `ours` with the fleet's pod template merged over it.
///
/// # Errors
/// What is wrong with it, the first few faults.
pub(super) fn over(
    ours: PodTemplateSpec,
    template: Option<&PodTemplate>,
) -> Result<PodTemplateSpec, Vec<Fault>> {
    let Some(PodTemplate(fields)) = template else { return Ok(ours) };
    let written = serde_json::Value::Object(fields.clone());
    let theirs = read::read(&written).map_err(|fault| vec![fault])?;
    let mut faults = read::unknown(&written, &theirs);
    faults.extend(forbidden::forbidden(&written));
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() { Ok(merge::merge(ours, theirs)) } else { Err(faults) }
}

#[cfg(test)]
mod tests;
