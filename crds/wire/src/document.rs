//! A fleet's configuration: the one document a proxy runs from.
//!
//! [`MAJOR`] names the form. Within one major number a reader ignores fields it does not know and a
//! writer only adds optional ones, so an older proxy runs a newer operator's document. All sizes are
//! bytes and all times milliseconds, and the field names say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{Listeners, Sources};
use crate::auth::Auth;

/// The form this crate reads and writes.
pub const MAJOR: u32 = 1;

/// librdkafka properties that a fleet may set.
pub const PROPERTIES: [&str; 10] = [
    "client.dns.lookup",
    "client.rack",
    "connections.max.idle.ms",
    "linger.ms",
    "metadata.max.age.ms",
    "socket.keepalive.enable",
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.sigalgs.list",
];

/// Beginnings of further librdkafka properties that a fleet may set.
pub const PROPERTY_PREFIXES: [&str; 5] =
    ["broker.address.", "compression.", "reconnect.backoff.", "socket.receive.", "socket.send."];

/// The most producers' headers a stream passes on.
pub const MAX_HEADERS: usize = 32;

/// Names of record headers that are the product's own: no producer's header takes their place. The `ce_` of
/// CloudEvents is such a beginning.
pub const RESERVED_HEADERS: [&str; 12] = [
    "rt",
    "st",
    "dt",
    "srcip",
    "dpip",
    "msgentype",
    "version",
    "auditversion",
    "traceparent",
    "tracestate",
    "content-type",
    "content-encoding",
];

/// HTTP headers that hold a producer's secrets and are never passed on.
pub const SECRET_HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// A fleet's whole configuration at one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The form; see [`MAJOR`]. A reader refuses any other.
    pub major: u32,
    /// Whose configuration this is.
    pub fleet: FleetRef,
    /// Strictly increasing number of the fleet's published configuration.
    pub revision: u64,
    /// Digests of the document's groups, by group; empty in local mode.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// What one node takes on at once.
    pub overload: Overload,
    /// How a node leaves.
    pub drain: Drain,
    /// How nodes are reached beside plain HTTP.
    #[serde(default, skip_serializing_if = "Listeners::is_empty")]
    pub listeners: Listeners,
    /// The named connections, by name unique.
    pub sinks: Vec<Sink>,
    /// The streams the fleet serves, by groupId and streamId unique.
    pub streams: Vec<Stream>,
}

/// What long polling compares a group of the document by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Hexadecimal MD5 of the group's data as JSON.
    pub md5: String,
    /// The revision that last changed it.
    pub last_modify_time: u64,
}

/// A `ProxyFleet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty in local mode.
    #[serde(default)]
    pub uid: String,
}

/// What one node takes on at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overload {
    /// Bytes of reports being read or waiting for their outcome.
    pub max_inflight_bytes: u64,
    /// Open connections of producers.
    pub max_connections: u32,
}

/// How a node leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// How long producers are told to go elsewhere before the node stops listening.
    pub notify_ms: u64,
}

/// A named connection that records can be stored through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sink {
    /// Unique in the document.
    pub name: String,
    /// What is behind it.
    #[serde(flatten)]
    pub kind: SinkKind,
}

/// What is behind a sink, written as the one key `kafka` or `file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SinkKind {
    /// A Kafka cluster.
    Kafka(KafkaSink),
    /// Files on the node's own disk.
    File(FileSink),
}

/// A Kafka cluster and how to connect to it. Secrets are named, never held: the node reads them from
/// `<secrets directory>/<name>/<key>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSink {
    /// `host:port`, comma separated.
    pub bootstrap_servers: String,
    /// Present: the connection is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Present: the node proves who it is by SASL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
    /// From hand-over to outcome; after it a record's outcome is unknown.
    pub delivery_timeout_ms: u64,
    /// Further librdkafka properties, of [`PROPERTIES`] and [`PROPERTY_PREFIXES`].
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// TLS towards Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret with `ca.crt`; absent: the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<String>,
    /// Secret with `tls.crt` and `tls.key`, the client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret: Option<String>,
}

/// SASL towards Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sasl {
    /// How the node proves who it is.
    pub mechanism: SaslMechanism,
    /// Secret with `username` and `password`.
    pub secret: String,
}

/// The SASL mechanisms spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaslMechanism {
    /// RFC 4616; the password crosses the wire, so it wants TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// One NDJSON file a stream below a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSink {
    /// Absolute, or relative to the proxy's working directory; made when missing.
    pub directory: String,
    /// Of all files together; at it records are refused, none is deleted.
    pub max_bytes: u64,
}

/// A stream the fleet serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Namespace of its `DataStream`.
    pub namespace: String,
    /// Name of its `DataStream`.
    pub name: String,
    /// Uid of its `DataStream`; empty in local mode.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// `metadata.generation` of its `DataStream`; 0 in local mode.
    #[serde(default)]
    pub generation: i64,
    /// What producers send as `groupId`.
    pub group_id: String,
    /// What producers send as `streamId`.
    pub stream_id: String,
    /// Name of one of the document's sinks.
    pub sink: String,
    /// Where its records go. A file sink has no topics and ignores it.
    pub topic: String,
    /// Present: the proxy makes the topic when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<CreateTopic>,
    /// The form of a stored record.
    pub output: Output,
    /// Whether a report of the InLong path is split into records.
    #[serde(default)]
    pub split: Split,
    /// Where a record's key comes from; absent: records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeySource>,
    /// Producers' HTTP headers that become headers of their records, at most [`MAX_HEADERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// The `code` of an answer that means stored: 0 or 1.
    pub success_code: u8,
    /// The longest `body` taken.
    pub max_body_bytes: u64,
    /// Records a node takes in a second; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_per_second: Option<u64>,
    /// Bytes of records a node takes in a second; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Who may report; without anything: whoever reaches it.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
    /// What producers have to show; absent: nothing.
    #[serde(default, skip_serializing_if = "Auth::is_none")]
    pub auth: Auth,
    /// Whether reports are refused. What was taken before is delivered.
    #[serde(default)]
    pub paused: bool,
}

/// How to make a missing topic; what is absent is the broker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateTopic {
    /// How many partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// How many replicas of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Topic configuration, Kafka's own names.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// The form of a stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// The bytes the producer sent.
    Raw,
    /// InLong's envelope, version 1.
    InLongMsg {
        /// Whether its records are compressed with snappy.
        snappy: bool,
    },
    /// CloudEvents 1.0 in Kafka's binary mode.
    CloudEvents,
}

/// Whether a report of the InLong path with several records is split into them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Split {
    /// Where the report says that it holds several.
    #[default]
    Auto,
    /// Never: its body is one record.
    Never,
}

/// Where a record's key comes from, written as the one key of an object. A record that does not have it has no
/// key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeySource {
    /// A parameter of the report: of its query, or of its form.
    FromParameter(String),
    /// A header of the HTTP request.
    FromHeader(String),
    /// A place in the record, which is JSON, as a JSON pointer (RFC 6901).
    FromJson(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> serde_json::Value {
        serde_json::json!({
            "major": 1,
            "fleet": {"namespace": "default", "name": "main"},
            "revision": 7,
            "overload": {"maxInflightBytes": 67_108_864, "maxConnections": 10_000},
            "drain": {"notifyMs": 15_000},
            "sinks": [
                {"name": "kafka", "kafka": {"bootstrapServers": "b:9092", "deliveryTimeoutMs": 8000,
                    "sasl": {"mechanism": "SCRAM-SHA-512", "secret": "login"}}},
                {"name": "local", "file": {"directory": "data", "maxBytes": 1}}
            ],
            "streams": [{"namespace": "shop", "name": "orders", "groupId": "shop", "streamId": "orders",
                "sink": "kafka", "topic": "shop.orders", "output": "Raw", "successCode": 0,
                "maxBodyBytes": 65_536}]
        })
    }

    #[test]
    fn a_field_of_a_newer_writer_is_ignored() {
        let mut newer = document();
        newer["streams"][0]["fromTheFuture"] = true.into();
        newer["sinks"][0]["kafka"]["fromTheFuture"] = 1.into();
        let read: Document = serde_json::from_value(newer).unwrap();
        assert_eq!(read, serde_json::from_value::<Document>(document()).unwrap());
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let read: Document = serde_json::from_value(document()).unwrap();
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&written).unwrap(), read);
    }

    #[test]
    fn a_sink_of_an_unknown_kind_is_refused() {
        let mut odd = document();
        odd["sinks"][0] = serde_json::json!({"name": "x", "pulsar": {}});
        let error = serde_json::from_value::<Document>(odd).unwrap_err().to_string();
        assert!(error.contains("SinkKind"), "{error}");
    }
}
