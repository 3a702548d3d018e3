//! A fleet's named connections: a Kafka cluster, or files on the node.
//! It describes connections; nothing here opens one, and credentials are named, never held.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Size, Span, pattern};

/// A named connection: exactly one of `kafka` and `file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sink {
    /// What streams call it by.
    #[schemars(length(max = 40), regex(pattern = pattern::NAME))]
    pub name: String,
    /// A Kafka cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,
    /// Files on the proxy's own disk, one NDJSON file a stream: for trying things and for single machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
}

/// A Kafka cluster and how to connect to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kafka {
    /// Where to find the cluster: host:port, comma separated.
    #[schemars(length(max = 1024), regex(pattern = pattern::BROKERS))]
    pub bootstrap_servers: String,
    /// Present, if only as {}: the connection is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Present: the proxy proves who it is by SASL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
    /// From handing a record over until its outcome is called unknown, 1s to 60s. A producer is answered
    /// at most one second later; the report SDK waits 10s.
    #[serde(default = "default_delivery_timeout")]
    #[schemars(extend("default" = "8s"))]
    pub delivery_timeout: Span,
    /// Further librdkafka properties, such as linger.ms; values are strings. Only those that touch no guarantee
    /// can be set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "text_map")]
    pub properties: BTreeMap<String, String>,
}

const fn default_delivery_timeout() -> Span {
    Span::from_secs(8)
}

/// TLS towards Kafka. Secrets are the fleet's own namespace's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret with ca.crt, the authorities to trust. The default is the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = pattern::SECRET))]
    pub ca_secret: Option<String>,
    /// Secret with tls.crt and tls.key, the proxy's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = pattern::SECRET))]
    pub cert_secret: Option<String>,
}

/// SASL towards Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sasl {
    /// How the proxy proves who it is. PLAIN sends the password, so it wants tls.
    pub mechanism: SaslMechanism,
    /// Secret with username and password.
    #[schemars(length(max = 253), regex(pattern = pattern::SECRET))]
    pub secret: String,
}

/// The SASL mechanisms spoken.
// Variants without doc comments: schemars would turn the enum into a oneOf.
#[allow(missing_docs, reason = "the names are the registered ones")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Files on the proxy's own disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// The directory: absolute, or relative to where the proxy was started. It is made when missing.
    #[serde(default = "default_directory")]
    #[schemars(length(min = 1, max = 1024), extend("default" = "./data"))]
    pub directory: String,
    /// How many bytes all files together may take, 1Mi to 16Ti. At it records are refused; none is deleted.
    #[serde(default = "default_max_bytes")]
    #[schemars(extend("default" = "1Gi"))]
    pub max_bytes: Size,
}

fn default_directory() -> String {
    "./data".to_owned()
}

const fn default_max_bytes() -> Size {
    Size::gibi(1)
}

impl Default for File {
    fn default() -> Self {
        Self { directory: default_directory(), max_bytes: default_max_bytes() }
    }
}

/// A map of at most 64 strings, each bounded so that the cost of rules over it is.
pub(crate) fn text_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 1024},
    })
}
