//! `ProxyFleet`: a set of equal proxies, and the connections that their streams' records are stored through.
//! It holds what a platform team writes down and what is told back; it knows nothing of pods.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Listeners;
use crate::attach::AllowedStreams;
use crate::autoscaling::Autoscaling;
use crate::pods::{Mode, PodTemplate, Resources};
use crate::sink::Sink;
use crate::{Size, Span, conditions};

/// What a set of equal proxies listens on, stores through and takes on.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::duplicated_attributes, reason = "each printer column has a type and a path of its own")]
#[kube(
    group = "sluice.dev",
    version = "v1alpha1",
    kind = "ProxyFleet",
    plural = "proxyfleets",
    singular = "proxyfleet",
    shortname = "pf",
    category = "sluice",
    namespaced,
    status = "ProxyFleetStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    derive = "PartialEq",
    doc = "A set of equal proxies that take reports over HTTP and store them in Kafka.",
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        description = "What runs the proxies"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.replicas",
        description = "How many proxies there are"
    ),
    printcolumn(
        name = "Ready",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "How many of them take reports"
    ),
    printcolumn(
        name = "Streams",
        type_ = "integer",
        json_path = ".status.streams",
        description = "How many streams the fleet serves"
    ),
    printcolumn(
        name = "Revision",
        type_ = "integer",
        json_path = ".status.revision",
        description = "Revision of the published configuration",
        priority = 1
    ),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Available\")].status",
        description = "Whether the fleet takes reports"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ProxyFleetSpec {
    /// The kind of workload that runs the proxies; Sidecar: one runs in each pod of the fleet's namespace that asks for
    /// it with the label sluice.dev/inject, beside its application. It can't be changed.
    #[serde(default)]
    #[schemars(extend("default" = "Deployment"))]
    pub mode: Mode,
    /// How many proxies. A DaemonSet runs one on each node and ignores it, and sidecars are as many as the pods that ask
    /// for one. With autoscaling it is how many there are at the start, and of no account afterwards.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1_000), extend("default" = 2))]
    pub replicas: i32,
    /// Present: how many proxies there are follows their load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Where producers reach the proxies.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub listeners: Listeners,
    /// The connections that records are stored through, by name. The first is the default of streams that name none.
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sinks: Vec<Sink>,
    /// Which streams may attach, and what those of other namespaces may name. The default is streams of the
    /// fleet's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_streams: Option<AllowedStreams>,
    /// What one proxy takes on at once. What is beyond is refused with code 114, never dropped.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub overload: Overload,
    /// How a proxy leaves.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub drain: Drain,
    /// The proxies' image. The default is the one that belongs to the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// What a proxy's container asks for and may use. The default asks for 25m of CPU and 64Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A PodTemplateSpec that is merged into the proxies' pods: labels, annotations, scheduling, further
    /// containers and volumes. The proxy's container is called proxy. Sidecars have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

const fn default_replicas() -> i32 {
    2
}

/// What one proxy takes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overload {
    /// Bytes of reports being read or waiting for their outcome, 1Mi to 64Gi.
    #[serde(default = "default_max_inflight_bytes")]
    #[schemars(extend("default" = "64Mi"))]
    pub max_inflight_bytes: Size,
    /// Open connections of producers.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1, max = 1_000_000), extend("format" = "int32", "default" = 10_000))]
    pub max_connections: u32,
}

const fn default_max_inflight_bytes() -> Size {
    Size::mebi(64)
}

const fn default_max_connections() -> u32 {
    10_000
}

impl Default for Overload {
    fn default() -> Self {
        Self { max_inflight_bytes: default_max_inflight_bytes(), max_connections: default_max_connections() }
    }
}

/// How a proxy leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// How long producers are told to go elsewhere before the proxy stops listening, 0s to 5m. A sidecar, whose
    /// application has ended, leaves at once.
    #[serde(default = "default_notify")]
    #[schemars(extend("default" = "15s"))]
    pub notify: Span,
}

const fn default_notify() -> Span {
    Span::from_secs(15)
}

impl Default for Drain {
    fn default() -> Self {
        Self { notify: default_notify() }
    }
}

/// What became of a `ProxyFleet`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyFleetStatus {
    /// The generation of the spec that this status tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Available, Progressing, Degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::list")]
    pub conditions: Vec<Condition>,
    /// How many proxies there are, those that don't take reports yet included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// How many of them take reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Of a fleet of sidecars: how the pods do that ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<Sidecars>,
    /// Label selector of the proxies' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// How many streams the fleet serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<i32>,
    /// Streams that name this fleet and are not served by it, counted by namespace and reason, the first 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub refused: Vec<Refused>,
    /// Revision of the published configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// Streams of a namespace that are not served, for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Their namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Why, as their condition Accepted says.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// How many.
    pub count: i32,
}

/// How the pods do that ask for a sidecar. Those that have ended don't count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sidecars {
    /// Have one that runs.
    pub running: i32,
    /// Have one that does not run yet, or does not run now.
    pub waiting: i32,
    /// Asked for one and have none: they were made while the operator could not be asked.
    pub missing: i32,
    /// Have one of another image than a new pod would get. They get that when they are made again.
    pub outdated: i32,
}
