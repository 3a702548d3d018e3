//! What keeps a fleet or a sink from working, and what a topic promises.

use super::super::Step::{Apply, Kubectl, Starting};
use super::{FLEET, STREAM, Stage, told};

pub(in crate::conditions) const STARTING: Stage = (
    "starting",
    &[
        Apply(&[(FLEET, "edge", "replicas: 1, image: \"test.local/nothing:1\", sinks: [KAFKA]")]),
        told("pf/edge", "Degraded", "True", "PodsFailing", "1 of 1 pod: "),
        told("pf/edge", "Available", "False", "NoNodesReady", "none of 1 proxies is ready"),
        told("pf/edge", "Progressing", "True", "Starting", "0 of 1 proxy is ready"),
    ],
);

pub(in crate::conditions) const SINKS: Stage = (
    "sinks",
    &[
        Apply(&[
            (STREAM, "slow", "fleet: {name: silent}, groupId: SPACE-1"),
            (STREAM, "gone", "fleet: {name: gone}, groupId: SPACE-2"),
            (STREAM, "secret", "fleet: {name: secret}, groupId: SPACE-3"),
            (
                FLEET,
                "silent",
                "replicas: 1, resources: SMALL, \
                sinks: [{name: kafka, kafka: {bootstrapServers: \"SILENT\"}}]",
            ),
        ]),
        Starting {
            object: "dstream/slow",
            condition: "SinkReady",
            status: "Unknown",
            reason: "Checking",
            part: "the topic is still being looked at",
        },
        Apply(&[
            (
                FLEET,
                "gone",
                "replicas: 1, resources: SMALL, \
                sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9\"}}]",
            ),
            (
                FLEET,
                "secret",
                "replicas: 1, resources: SMALL, sinks: [{name: kafka, kafka: {\
                bootstrapServers: \"kafka.kafka:9094\", sasl: {mechanism: PLAIN, secret: login}}}]",
            ),
        ]),
        told("dstream/gone", "SinkReady", "False", "SinkUnreachable", "kafka.kafka:9"),
        told("pf/gone", "Degraded", "True", "SinkUnreachable", "sink kafka on 1 of 1 node: "),
        told(
            "dstream/secret",
            "SinkReady",
            "False",
            "SecretUnusable",
            "secret \"login\" has no key \"username\"",
        ),
        told("pf/secret", "Degraded", "True", "SecretUnusable", "secret \"login\" has no key \"username\""),
    ],
);

pub(in crate::conditions) const PROMISES: Stage = (
    "promises",
    &[
        Apply(&[
            (STREAM, "durable", "fleet: {name: edge}"),
            (STREAM, "thin", "fleet: {name: edge}"),
            (STREAM, "forbidden", "fleet: {name: edge}"),
            (STREAM, "odd", "fleet: {name: edge}"),
            (
                FLEET,
                "edge",
                "replicas: 1, resources: SMALL, \
                sinks: [{name: kafka, kafka: {bootstrapServers: \"PRETENDER\"}}]",
            ),
        ]),
        told("dstream/durable", "Durability", "True", "Durable", "what is acknowledged outlives a broker"),
        told("dstream/thin", "Durability", "False", "BelowTwoInSync", "may be on one broker only"),
        told("dstream/forbidden", "SinkReady", "False", "TopicForbidden", "grant Describe and Write"),
        told("dstream/odd", "SinkReady", "False", "SinkNotReady", "topic \"SPACE.odd\""),
    ],
);

pub(in crate::conditions) const OBJECTS: Stage = (
    "objects",
    &[
        Apply(&[("apiVersion: v1, kind: Service", "sluice-taken", "ports: [{port: 80}]")]),
        Apply(&[
            (FLEET, "taken", "replicas: 0, sinks: [KAFKA]"),
            (FLEET, "template", "replicas: 0, sinks: [KAFKA], podTemplate: {spec: {hostNetwork: true}}"),
        ]),
        told("pf/taken", "Degraded", "True", "NameTaken", "Service SPACE/sluice-taken"),
        told("pf/template", "Degraded", "True", "InvalidPodTemplate", "spec.podTemplate.spec.hostNetwork"),
    ],
);

pub(in crate::conditions) const QUOTA: Stage = (
    "quota",
    &[
        Kubectl(&["create", "quota", "none", "--hard=services=0"]),
        Apply(&[(FLEET, "edge", "replicas: 0, sinks: [KAFKA]")]),
        told("pf/edge", "Degraded", "True", "ApplyRefused", "quota: none"),
        Kubectl(&["delete", "quota", "none"]),
        Kubectl(&["create", "quota", "crowded", "--hard=pods=0"]),
        Apply(&[(FLEET, "crowded", "replicas: 1, sinks: [KAFKA], resources: SMALL")]),
        told("pf/crowded", "Degraded", "True", "PodsFailing", "quota: crowded"),
    ],
);
