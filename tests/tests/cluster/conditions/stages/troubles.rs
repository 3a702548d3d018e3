//! What keeps a fleet or a sink from working, and what a topic promises.

use super::super::Step::{Apply, Kubectl};
use super::{Stage, told};

pub(in crate::conditions) const STARTING: Stage = (
    "starting",
    &[
        Apply(
            "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: edge}
spec:
  replicas: 1
  image: test.local/nothing:1
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}]
",
        ),
        told("pf/edge", "Degraded", "True", "PodsFailing", "1 of 1 pod: "),
        told("pf/edge", "Available", "False", "NoNodesReady", "none of 1 proxies is ready"),
        told("pf/edge", "Progressing", "True", "Starting", "0 of 1 proxies are ready"),
    ],
);

pub(in crate::conditions) const SINKS: Stage = (
    "sinks",
    &[
        Apply(
            "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: slow}
spec: {fleet: {name: silent}, groupId: SPACE-1}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: gone}
spec: {fleet: {name: gone}, groupId: SPACE-2}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: secret}
spec: {fleet: {name: secret}, groupId: SPACE-3}
---
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: silent}
spec:
  replicas: 1
  sinks: [{name: kafka, kafka: {bootstrapServers: \"SILENT\"}}]
  resources: {requests: {cpu: 10m, memory: 32Mi}}
",
        ),
        told("dstream/slow", "SinkReady", "Unknown", "Checking", "the topic is still being looked at"),
        Apply(
            "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: gone}
spec:
  replicas: 1
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9\"}}]
  resources: {requests: {cpu: 10m, memory: 32Mi}}
---
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: secret}
spec:
  replicas: 1
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9094\", sasl: {mechanism: PLAIN, secret: login}}}]
  resources: {requests: {cpu: 10m, memory: 32Mi}}
",
        ),
        told("dstream/gone", "SinkReady", "False", "SinkUnreachable", "kafka.kafka:9"),
        told("pf/gone", "Degraded", "True", "SinkUnreachable", "sink kafka on 1 of 1 node: "),
        told("dstream/secret", "SinkReady", "False", "SecretUnusable", "secret \"login\" has no key \"username\""),
        told("pf/secret", "Degraded", "True", "SecretUnusable", "secret \"login\" has no key \"username\""),
    ],
);

pub(in crate::conditions) const PROMISES: Stage = (
    "promises",
    &[
        Apply(
            "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: durable}
spec: {fleet: {name: edge}}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: thin}
spec: {fleet: {name: edge}}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: forbidden}
spec: {fleet: {name: edge}}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: odd}
spec: {fleet: {name: edge}}
---
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: edge}
spec:
  replicas: 1
  sinks: [{name: kafka, kafka: {bootstrapServers: \"PRETENDER\"}}]
  resources: {requests: {cpu: 10m, memory: 32Mi}}
",
        ),
        told("dstream/durable", "Durability", "True", "Durable", "what is acknowledged outlives a broker"),
        told("dstream/thin", "Durability", "False", "BelowTwoInSync", "may be on one broker only"),
        told("dstream/forbidden", "SinkReady", "False", "TopicForbidden", "grant Describe and Write"),
        told("dstream/odd", "SinkReady", "False", "SinkNotReady", "topic \"SPACE.odd\""),
    ],
);

pub(in crate::conditions) const OBJECTS: Stage = (
    "objects",
    &[
        Apply("{apiVersion: v1, kind: Service, metadata: {name: sluice-taken}, spec: {ports: [{port: 80}]}}"),
        Apply(
            "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: taken}
spec:
  replicas: 0
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}]
---
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: template}
spec:
  replicas: 0
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}]
  podTemplate: {spec: {hostNetwork: true}}
",
        ),
        told("pf/taken", "Degraded", "True", "NameTaken", "Service SPACE/sluice-taken"),
        told("pf/template", "Degraded", "True", "InvalidPodTemplate", "spec.podTemplate.spec.hostNetwork"),
    ],
);

pub(in crate::conditions) const QUOTA: Stage = (
    "quota",
    &[
        Kubectl(&["create", "quota", "none", "--hard=services=0"]),
        Apply(
            "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: edge}
spec:
  replicas: 0
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}]
",
        ),
        told("pf/edge", "Degraded", "True", "ApplyRefused", "quota: none"),
    ],
);
