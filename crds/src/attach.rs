//! Which streams may attach to a fleet, and what they may name there.
//! It holds what a platform team writes down; whether a stream fits is worked out when it is resolved.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern;

/// Which streams may attach. The globs bind streams of namespaces other than the fleet's own; in a glob
/// `{namespace}` stands for the stream's namespace, `*` for any characters, all else for itself, and the whole
/// name must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedStreams {
    /// Streams of which namespaces.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub namespaces: AllowedNamespaces,
    /// Globs of the groupIds they may have.
    #[serde(default = "default_group_ids")]
    #[schemars(
        length(max = 64),
        inner(length(max = 249), regex(pattern = pattern::GLOB)),
        extend("default" = ["{namespace}"], "x-kubernetes-list-type" = "atomic")
    )]
    pub group_ids: Vec<String>,
    /// Globs of the topics they may write to.
    #[serde(default = "default_topics")]
    #[schemars(
        length(max = 64),
        inner(length(max = 249), regex(pattern = pattern::GLOB)),
        extend("default" = ["{namespace}.*"], "x-kubernetes-list-type" = "atomic")
    )]
    pub topics: Vec<String>,
    /// Globs of the sinks they may use.
    #[serde(default = "default_sinks")]
    #[schemars(
        length(max = 16),
        inner(length(max = 40), regex(pattern = pattern::SINK_GLOB)),
        extend("default" = ["*"], "x-kubernetes-list-type" = "atomic")
    )]
    pub sinks: Vec<String>,
    /// Whether they may have missing topics created.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub create_topics: bool,
}

fn default_group_ids() -> Vec<String> {
    vec!["{namespace}".to_owned()]
}

fn default_topics() -> Vec<String> {
    vec!["{namespace}.*".to_owned()]
}

fn default_sinks() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Default for AllowedStreams {
    fn default() -> Self {
        Self {
            namespaces: AllowedNamespaces::default(),
            group_ids: default_group_ids(),
            topics: default_topics(),
            sinks: default_sinks(),
            create_topics: false,
        }
    }
}

/// Streams of which namespaces may attach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Same: the fleet's own. All: every one. Selector: the fleet's own and those whose labels match selector.
    #[serde(default)]
    #[schemars(extend("default" = "Same"))]
    pub from: From,
    /// Labels that a namespace must have, all of them; only with from Selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
}

/// Where streams may come from.
// Variants without doc comments: schemars would turn the enum into a oneOf.
#[allow(missing_docs, reason = "the field's description says what each means")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum From {
    #[default]
    Same,
    All,
    Selector,
}

/// Labels of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that all must be there, with these values; at least one.
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,
}

fn labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": pattern::LABEL_VALUE},
    })
}
