//! Which fleet serves a stream, or why none does.

use super::super::Step::{Apply, Fill, Kubectl};
use super::{FLEET, STREAM, Stage, told};

pub(in crate::conditions) const ATTACHING: Stage = (
    "attaching",
    &[
        Apply(&[
            (
                FLEET,
                "edge",
                "replicas: 0, overload: {maxInflightBytes: 1Mi}, sinks: [KAFKA, {name: local, file: {}}]",
            ),
            (FLEET, "second", "replicas: 0, sinks: [KAFKA]"),
            (STREAM, "good", "fleet: {name: edge}"),
        ]),
        told("dstream/good", "Accepted", "True", "Accepted", "ProxyFleet SPACE/edge serves it"),
        told("dstream/good", "Programmed", "False", "NoNodes", "no node of ProxyFleet SPACE/edge is ready"),
        told("dstream/good", "SinkReady", "Unknown", "NoNodes", "none can tell"),
        told("dstream/good", "Durability", "Unknown", "NoNodes", "none can tell"),
        told("pf/edge", "Available", "False", "ScaledToZero", "spec.replicas is 0"),
        Apply(&[
            (STREAM, "nowhere", "fleet: {name: none}"),
            (STREAM, "misspelt", "fleet: {name: edge}, sink: {name: kafak}"),
            (STREAM, "filed", "fleet: {name: edge}, sink: {name: local}"),
            (STREAM, "forbidden", "groupId: not-SPACE"),
            (STREAM, "large", "fleet: {name: edge}, limits: {maxBodyBytes: 1Mi}"),
            (STREAM, "named", "fleet: {name: edge}, sources: {clientNames: [orders.shop.svc]}"),
            (STREAM, "same", "fleet: {name: edge}, streamId: good"),
            (STREAM, "elsewhere", "fleet: {name: second}"),
        ]),
        told(
            "dstream/nowhere",
            "Accepted",
            "False",
            "FleetNotFound",
            "spec.fleet: there is no ProxyFleet SPACE/none",
        ),
        told(
            "dstream/misspelt",
            "Accepted",
            "False",
            "SinkNotFound",
            "spec.sink.name: the fleet has no sink \"kafak\"",
        ),
        told(
            "dstream/filed",
            "Accepted",
            "False",
            "SinkNotDurable",
            "spec.sink.name: sink local writes files",
        ),
        told(
            "dstream/forbidden",
            "Accepted",
            "False",
            "NotPermitted",
            "spec.groupId: groupId not-SPACE is not among",
        ),
        told(
            "dstream/large",
            "Accepted",
            "False",
            "LimitTooLarge",
            "spec.limits.maxBodyBytes: three times this",
        ),
        told(
            "dstream/named",
            "Accepted",
            "False",
            "NoClientCa",
            "spec.sources.clientNames: the fleet asks clients for no certificate",
        ),
        told("dstream/same", "Accepted", "False", "Conflict", "spec.streamId: DataStream SPACE/good has"),
        told("dstream/elsewhere", "Accepted", "False", "GroupElsewhere", "are on ProxyFleet SPACE/edge"),
        told("dstream/nowhere", "Programmed", "False", "NotAccepted", "Accepted says why"),
        told("dstream/nowhere", "SinkReady", "Unknown", "NotAccepted", "Accepted says why"),
        told("dstream/nowhere", "Durability", "Unknown", "NotAccepted", "Accepted says why"),
    ],
);

pub(in crate::conditions) const FULL: Stage = (
    "full",
    &[
        Apply(&[(FLEET, "edge", "replicas: 0, sinks: [KAFKA]")]),
        Fill,
        told(
            "dstream/s84",
            "Accepted",
            "False",
            "FleetFull",
            "of ProxyFleet SPACE/edge has no room for another stream",
        ),
    ],
);

/// Takes the default fleet's settings away, which every other test would feel.
pub(in crate::conditions) const NO_DEFAULT: Stage = (
    "nodefault",
    &[
        Kubectl(&[
            "-n",
            "sluice-system",
            "patch",
            "configmap/sluice-default-fleet",
            "--type=merge",
            "-p",
            "{\"data\": {\"fleet.yaml\": \"kafka: {bootstrapServers: \\\"\\\"}\"}}",
        ]),
        Kubectl(&["-n", "sluice-system", "delete", "pf/default", "--ignore-not-found"]),
        Apply(&[(STREAM, "a", "")]),
        told(
            "dstream/a",
            "Accepted",
            "False",
            "NoDefaultFleet",
            "defaultFleet.kafka.bootstrapServers is empty",
        ),
        Kubectl(&[
            "-n",
            "sluice-system",
            "patch",
            "configmap/sluice-default-fleet",
            "--type=merge",
            "-p",
            "{\"data\": {\"fleet.yaml\": \"kafka: {bootstrapServers: nowhere}\"}}",
        ]),
        // The API server refuses such a fleet.
        told("dstream/a", "Accepted", "False", "NoDefaultFleet", "the default fleet can't be made: "),
    ],
);
