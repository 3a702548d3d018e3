//! Resources that several suites apply.

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
