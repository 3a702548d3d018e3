//! How a fleet's proxies run as pods.
//! It holds what a platform team writes down; making pods of it is the operator's.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::quantity;

/// What runs a fleet's proxies: a workload of that kind, or the pods of applications.
// Variants without doc comments: schemars would turn the enum into a oneOf.
#[allow(missing_docs, reason = "the field's description says what each means")]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Mode {
    #[default]
    Deployment,
    StatefulSet,
    DaemonSet,
    Sidecar,
}

/// What a container asks for and may use, by resource name, such as cpu and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What is set aside for each proxy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What each proxy may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// An amount as Kubernetes writes it: 250m, 64Mi, or a plain number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A plain number.
    Number(i64),
    /// A number with a unit, or one that was written with a fraction or an exponent.
    Text(#[serde(deserialize_with = "text")] String),
}

/// The API server takes a number such as 1.5e8 for an integer and keeps it so.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Fraction(f64),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Fraction(number) => number.to_string(),
    })
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "minimum": 0,
            "maxLength": 32,
            "pattern": quantity::PATTERN,
        },
    })
}

/// A PodTemplateSpec as written; the API server keeps all of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PodTemplate(pub serde_json::Map<String, Value>);

impl JsonSchema for PodTemplate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PodTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_number_or_text() {
        let read = |text: &str| serde_json::from_str::<Quantity>(text).map(|amount| amount.to_string());
        for (text, wanted) in [("1", "1"), ("\"250m\"", "250m"), ("1.5e8", "150000000"), ("2.0", "2")] {
            assert_eq!(read(text).unwrap(), wanted);
            assert_eq!(quantity::nanos(wanted), quantity::nanos(&read(text).unwrap()));
        }
        assert!(read("true").is_err());
    }
}
