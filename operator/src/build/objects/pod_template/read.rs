//! Reads a pod template. The API's types pass over fields they don't know, so what they give back is compared
//! with what was written: whatever is missing there is no field.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

use super::{FIELD, Fault};

/// The template as a type.
///
/// # Errors
/// The first field whose value is of the wrong kind.
pub(super) fn read(written: &Value) -> Result<PodTemplateSpec, Fault> {
    serde_path_to_error::deserialize(written).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { FIELD.to_owned() } else { format!("{FIELD}.{path}") };
        Fault::new(field, error.inner().to_string())
    })
}

/// A fault for each field that a PodTemplateSpec does not have.
pub(super) fn unknown(written: &Value, parsed: &PodTemplateSpec) -> Vec<Fault> {
    // Plain data with string keys always has a JSON form.
    let known = serde_json::to_value(parsed).unwrap_or_default();
    let mut faults = Vec::new();
    compare(written, &known, FIELD, &mut faults);
    faults
}

fn compare(written: &Value, known: &Value, field: &str, faults: &mut Vec<Fault>) {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            // A null says nothing, as if the field were not there.
            for (name, value) in written.iter().filter(|(_, value)| !value.is_null()) {
                let field = format!("{field}.{name}");
                match known.get(name) {
                    Some(known) => compare(value, known, &field, faults),
                    None => faults.push(Fault::new(field, "is no field of a pod template; check it")),
                }
            }
        }
        (Value::Array(written), Value::Array(known)) => {
            for (at, (value, known)) in written.iter().zip(known).enumerate() {
                compare(value, known, &format!("{field}[{at}]"), faults);
            }
        }
        _ => {}
    }
}
