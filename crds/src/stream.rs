//! `DataStream`: a stream of records that producers may report to, and where its records go.
//! It holds what a team writes down and what is told back; effective values are made when a stream is resolved.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Sources;
use crate::auth::{Auth, AuthStatus};
use crate::record::{InLongMsg, Key, Output, Split};
use crate::{Size, conditions, pattern};

/// What producers may report, and where it goes.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::duplicated_attributes, reason = "each printer column has a type and a path of its own")]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "DataStream",
    plural = "datastreams",
    singular = "datastream",
    shortname = "dstream",
    shortname = "ds",
    category = "sluice",
    namespaced,
    status = "DataStreamStatus",
    derive = "PartialEq",
    doc = "A stream of records that producers report over HTTP and that Sluice stores in Kafka.",
    printcolumn(
        name = "Group",
        type_ = "string",
        json_path = ".status.groupId",
        description = "What producers send as groupId"
    ),
    printcolumn(
        name = "Stream",
        type_ = "string",
        json_path = ".status.streamId",
        description = "What producers send as streamId"
    ),
    printcolumn(
        name = "Topic",
        type_ = "string",
        json_path = ".status.topic",
        description = "Where records go"
    ),
    printcolumn(
        name = "Fleet",
        type_ = "string",
        json_path = ".status.fleet",
        description = "The fleet that serves the stream",
        priority = 1
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether reports are taken"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DataStreamSpec {
    /// What producers send as `groupId`. The default is the namespace. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), regex(pattern = pattern::ID))]
    pub group_id: Option<String>,
    /// What producers send as `streamId`. The default is the resource's name. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), regex(pattern = pattern::ID))]
    pub stream_id: Option<String>,
    /// The ProxyFleet that serves the stream. The default is the one default fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetReference>,
    /// Where records go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<StreamSink>,
    /// The form of a stored record. Raw: the bytes the producer sent. InLongMsg: InLong's envelope, version 1,
    /// for consumers that read it today. CloudEvents: CloudEvents 1.0 in Kafka's binary mode.
    #[serde(default)]
    #[schemars(extend("default" = "Raw"))]
    pub output: Output,
    /// How InLong's envelope is written; only with output InLongMsg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_long_msg: Option<InLongMsg>,
    /// Whether a report of the InLong path is split into records. Auto: if its cnt is more than 1, at its
    /// rcdDlmtr or, where it sends none, at line breaks; with output InLongMsg its body stays whole. Never:
    /// its body is one record.
    #[serde(default)]
    #[schemars(extend("default" = "Auto"))]
    pub split: Split,
    /// Where a record's Kafka key comes from: exactly one of the three. The default is no key. A record that
    /// does not have what is named here has no key either, is stored, and is counted. Of a CloudEvent its
    /// partitionkey wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Names of producers' HTTP headers that become headers of their Kafka records, in any case, at most 32.
    /// They may take 8Ki in a request. Refused are the names of Sluice's own record headers, what begins with
    /// ce_ or ce-, and headers that hold secrets, such as authorization and cookie.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(max = 128), regex(pattern = pattern::HEADER)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub headers: Vec<String>,
    /// The code of an answer that means stored: 0, or 1 for clients written after the report guide's table.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1), extend("default" = 0))]
    pub success_code: i32,
    /// What one report may hold, and what each node of the fleet takes in a second.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub limits: Limits,
    /// Who may report. Whoever may not is answered with code 10, on the native route with HTTP 403. The default is
    /// whoever reaches the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
    /// How producers prove who they are. Whoever does not is answered with code 10, on the native route with HTTP 401,
    /// or 403 where it is known who they are. The default is that they need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Whether reports are refused: with code 114, on the native route with HTTP 503. What was taken before is
    /// delivered.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    pub paused: bool,
}

/// Names a ProxyFleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetReference {
    /// The fleet's name.
    #[schemars(length(max = 40), regex(pattern = pattern::NAME))]
    pub name: String,
    /// The fleet's namespace. The default is the stream's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = pattern::NAMESPACE))]
    pub namespace: Option<String>,
}

/// Where a stream's records go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSink {
    /// Name of one of the fleet's sinks. The default is the fleet's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), regex(pattern = pattern::NAME))]
    pub name: Option<String>,
    /// The Kafka topic. The default is `<groupId>.<streamId>`. A file sink has no topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 249), regex(pattern = pattern::TOPIC))]
    pub topic: Option<String>,
    /// Present, if only as {}: the topic is created when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<CreateTopic>,
}

/// How a missing topic is created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateTopic {
    /// How many partitions. The default is the broker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<i32>,
    /// How many replicas of each partition. The default is the broker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: Option<i32>,
    /// Topic configuration in Kafka's own names, such as retention.ms; values are strings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::sink::text_map")]
    pub config: BTreeMap<String, String>,
}

/// What one report may hold, and what each node of the fleet takes in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The longest body taken, 1 to 20Mi; a longer one is answered with code 104. Three times this and
    /// 64Ki more must fit the fleet's maxInflightBytes.
    #[serde(default = "default_max_body_bytes")]
    #[schemars(extend("default" = "64Ki"))]
    pub max_body_bytes: Size,
    /// Records that each node of the fleet takes in a second, 1 to 1000000000: it holds per node, so three nodes
    /// take three times as many. They are counted after a report is split. What is beyond is refused with code
    /// 114, on the native route with HTTP 429 and Retry-After. One report that is larger than a second's quota
    /// passes when none of the quota is used, and what is more than the quota is owed: reports are refused until
    /// it is made up for. The default is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("format" = "int32"))]
    pub records_per_second: Option<u32>,
    /// Bytes of records that each node of the fleet takes in a second, 1Ki to 16Ti: it holds per node, and what
    /// is beyond is refused as with recordsPerSecond. The default is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<Size>,
}

const fn default_max_body_bytes() -> Size {
    Size::kibi(64)
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body_bytes: default_max_body_bytes(), records_per_second: None, bytes_per_second: None }
    }
}

/// What became of a `DataStream`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStreamStatus {
    /// The generation of the spec that this status tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, SinkReady, Programmed, AuthReady, Durability, and Ready, which sums up all but the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::list")]
    pub conditions: Vec<Condition>,
    /// The groupId in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub group_id: Option<String>,
    /// The streamId in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub stream_id: Option<String>,
    /// The topic in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 249))]
    pub topic: Option<String>,
    /// The fleet in effect, as `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 104))]
    pub fleet: Option<String>,
    /// Where producers report to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// What is in effect of spec.auth; absent where that asks for no tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthStatus>,
}
