//! The fleet for streams that name none, made of what the chart says: a Kafka cluster, and little else.
//! Only what is said is set, so that a person may set the rest on the fleet itself.
//!
//! The chart keeps the settings in a ConfigMap under the key `fleet.yaml`:
//!
//! ```yaml
//! kafka:                             # the fields of a ProxyFleet's sinks[].kafka
//!   bootstrapServers: kafka:9092     # empty: there is no default fleet
//!   tls: {caSecret: kafka-ca, certSecret: sluice-cert}
//!   sasl: {mechanism: SCRAM-SHA-512, secret: sluice-login}
//!   deliveryTimeout: 8s
//!   properties: {linger.ms: "5"}
//! createTopics: false                # may streams have missing topics created
//! replicas: 2
//! image: sluice-proxy:1.2.3          # default: the operator's own
//! resources: {requests: {cpu: 100m}, limits: {memory: 256Mi}}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_crds::Span;
use sluice_crds::pods::Quantity;
use sluice_crds::sink::SaslMechanism;

use super::owner::Owner;
use crate::kind::ObjectKind;
use crate::marks::{MANAGED_BY, MANAGER};
use crate::resolve::FleetKey;

/// The name of its one sink.
const SINK: &str = "kafka";

/// What the chart says of the default fleet. A field it does not know is refused: it would be a mistake that
/// nobody notices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefaultFleet {
    /// Where records go.
    #[serde(default)]
    pub kafka: KafkaSettings,
    /// Whether streams of other namespaces may have missing topics created.
    #[serde(default)]
    pub create_topics: bool,
    /// How many proxies; absent: a ProxyFleet's own default.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// The proxies' image; absent or empty: the operator's own.
    #[serde(default)]
    pub image: Option<String>,
    /// What a proxy asks for and may use; absent: a ProxyFleet's own default.
    #[serde(default)]
    pub resources: Option<ResourceSettings>,
}

/// The Kafka cluster of the default fleet, in the fields of a ProxyFleet's `sinks[].kafka`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaSettings {
    /// `host:port`, comma separated; empty: there is no default fleet.
    #[serde(default)]
    pub bootstrap_servers: String,
    /// Present, if only as `{}`: the connection is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// Present: the proxies prove who they are by SASL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<SaslSettings>,
    /// Until a record's outcome is called unknown; absent: a ProxyFleet's own default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_timeout: Option<Span>,
    /// Further librdkafka properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

/// TLS of the default fleet. Secrets are in the operator's namespace; an empty name is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsSettings {
    /// Secret with `ca.crt`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ca_secret: String,
    /// Secret with `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cert_secret: String,
}

/// SASL of the default fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaslSettings {
    /// How proxies prove who they are.
    pub mechanism: SaslMechanism,
    /// Secret with `username` and `password`.
    pub secret: String,
}

/// What a proxy of the default fleet asks for and may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceSettings {
    /// What is set aside for each proxy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// What each proxy may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

impl DefaultFleet {
    /// Reads the settings as the chart writes them; `None` where no Kafka cluster is named.
    ///
    /// # Errors
    /// What is wrong, with the field or the line.
    pub fn parse(yaml: &str) -> Result<Option<Self>, serde_yaml::Error> {
        let settings: Self = serde_yaml::from_str(yaml)?;
        Ok(Some(settings).filter(|settings| !settings.kafka.bootstrap_servers.is_empty()))
    }
}

/// The default fleet `key`, a ProxyFleet that goes with `owner`.
#[must_use]
pub fn default_fleet(settings: &DefaultFleet, key: &FleetKey, owner: &Owner) -> Value {
    let (namespace, name) = key;
    let mut spec = json!({
        "sinks": [{"name": SINK, "kafka": settings.kafka}],
        "allowedStreams": {"namespaces": {"from": "All"}, "createTopics": settings.create_topics},
    });
    let said = [
        ("replicas", settings.replicas.map(Value::from)),
        ("image", settings.image.clone().filter(|image| !image.is_empty()).map(Value::from)),
        ("resources", settings.resources.as_ref().map(|resources| json!(resources))),
    ];
    for (field, value) in said {
        if let Some(value) = value {
            spec[field] = value;
        }
    }
    json!({
        "apiVersion": ObjectKind::ProxyFleet.api_version(),
        "kind": ObjectKind::ProxyFleet.name(),
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY: MANAGER},
            "ownerReferences": [owner.reference()],
        },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests;
