//! Resources that several suites apply.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A fleet of small proxies that stores in the cluster's Kafka.
pub(crate) fn fleet(name: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  drain: {{notify: 0s}}
  sinks: [{{name: kafka, kafka: {{bootstrapServers: \"kafka.kafka:9092\"}}}}]
  resources: {{requests: {{cpu: 10m, memory: 32Mi}}}}
---
"
    )
}

/// A stream on a fleet of its own namespace.
pub(crate) fn stream(name: &str, fleet: &str) -> String {
    format!(
        "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {{name: {name}}}
spec:
  fleet: {{name: {fleet}}}
  sink: {{create: {{partitions: 1, replicas: 1}}}}
---
"
    )
}

/// A Secret of a type with these keys.
pub(crate) fn secret(name: &str, kind: &str, values: &[(&str, &str)]) -> String {
    let data: Vec<String> =
        values.iter().map(|(key, value)| format!("{key}: {}", BASE64_STANDARD.encode(value))).collect();
    let data = data.join(", ");
    format!(
        "{{apiVersion: v1, kind: Secret, type: {kind}, metadata: {{name: {name}}}, data: {{{data}}}}}\n---\n"
    )
}
