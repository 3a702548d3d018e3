//! What a fleet with a pod and its streams tell, while all is well and while the fleet is changed.

use super::super::Step::{Apply, Fresh, Kubectl, Silence};
use super::{FLEET, Resource, STREAM, Stage, told};

const EDGE: Resource = (FLEET, "edge", "replicas: 1, drain: {notify: 0s}, sinks: [KAFKA], resources: SMALL");

pub(in crate::conditions) const RUNNING: Stage = (
    "running",
    &[
        Apply(&[
            (STREAM, "good", "fleet: {name: edge}, sink: {create: {partitions: 1, replicas: 1}}"),
            (STREAM, "missing", "fleet: {name: edge}"),
            (
                STREAM,
                "unfit",
                "fleet: {name: edge}, \
                sink: {create: {partitions: 1, replicas: 1, config: {min.insync.replicas: \"2\"}}}",
            ),
        ]),
        Apply(&[EDGE]),
        told(
            "dstream/good",
            "Programmed",
            "True",
            "Programmed",
            "every ready node of ProxyFleet SPACE/edge runs it",
        ),
        told(
            "dstream/good",
            "SinkReady",
            "True",
            "SinkReady",
            "topic SPACE.good of sink kafka takes records",
        ),
        told("dstream/good", "Durability", "False", "BelowThreeReplicas", "give it 3 replicas"),
        told("dstream/good", "Ready", "True", "Ready", "reports are taken"),
        Kubectl(&["create", "configmap", "taken-endpoints", "--from-literal=a=b"]),
        Apply(&[(STREAM, "taken", "fleet: {name: edge}, sink: {create: {partitions: 1, replicas: 1}}")]),
        told(
            "dstream/taken",
            "Ready",
            "True",
            "Ready",
            "nothing tells where: ConfigMap SPACE/taken-endpoints is there already",
        ),
        told(
            "dstream/missing",
            "SinkReady",
            "False",
            "TopicMissing",
            "topic \"SPACE.missing\" does not exist",
        ),
        told("dstream/missing", "Durability", "Unknown", "NotReported", "told of it as yet"),
        told("dstream/unfit", "SinkReady", "False", "TopicUnfit", "lower its min.insync.replicas"),
        told("pf/edge", "Available", "True", "NodesReady", "1 of 1 proxy is ready"),
        told("pf/edge", "Progressing", "False", "UpToDate", "every proxy has the newest pod template"),
        told("pf/edge", "Degraded", "False", "AsExpected", "nothing needs a person"),
        Kubectl(&["patch", "dstream/good", "--type=merge", "-p", "{\"spec\": {\"paused\": true}}"]),
        told("dstream/good", "Ready", "False", "Paused", "spec.paused is true"),
        // Until it is told, the node has not got what was published.
        Fresh {
            condition: "Programmed",
            status: "False",
            reason: "Pending",
            part: "it runs on 0 of 1 node of ProxyFleet SPACE/edge as yet",
        },
    ],
);

pub(in crate::conditions) const SILENT: Stage = (
    "silent",
    &[
        Apply(&[EDGE]),
        told("pf/edge", "Degraded", "False", "AsExpected", "nothing needs a person"),
        told("pf/edge", "Available", "True", "NodesReady", "1 of 1 proxy is ready"),
        Silence,
        told("pf/edge", "Degraded", "True", "NodesSilent", "see what keeps operator and proxies apart"),
    ],
);

pub(in crate::conditions) const CHANGING: Stage = (
    "changing",
    &[
        Apply(&[EDGE]),
        told("pf/edge", "Available", "True", "NodesReady", "1 of 1 proxy is ready"),
        Kubectl(&["annotate", "pf/edge", "sluice.dev/paused=true"]),
        told("pf/edge", "Progressing", "False", "Paused", "take the annotation sluice.dev/paused off"),
        Apply(&[(STREAM, "late", "fleet: {name: edge}")]),
        told("dstream/late", "Programmed", "False", "FleetPaused", "ProxyFleet SPACE/edge is paused"),
        told("dstream/late", "SinkReady", "Unknown", "NotReported", "0 of 1 node told of it as yet"),
        Kubectl(&[
            "patch",
            "pf/edge",
            "--type=json",
            "-p",
            "[{\"op\": \"add\", \"path\": \"/spec/sinks/0/kafka/properties\", \"value\": {\"linger.ms\": \"soon\"}}]",
        ]),
        Kubectl(&["annotate", "pf/edge", "sluice.dev/paused-"]),
        told(
            "dstream/late",
            "Programmed",
            "False",
            "ConfigRefused",
            "refused on 1 of 1 node: sinks[0].kafka.properties",
        ),
        told("pf/edge", "Degraded", "True", "ConfigRefused", "on 1 of 1 node the configuration is refused"),
        Kubectl(&[
            "patch",
            "pf/edge",
            "--type=merge",
            "-p",
            "{\"spec\": {\"podTemplate\": {\"spec\": {\"nodeSelector\": {\"test.local/none\": \"such\"}}}}}",
        ]),
        // The new pod finds no machine, and until it does the old one stays.
        told("pf/edge", "Progressing", "True", "RollingOut", "has the newest pod template"),
    ],
);
