//! What a stream tells of the proofs that it asks its producers for.

use super::super::Step::{Apply, Helm, Kubectl};
use super::{FLEET, Resource, STREAM, Stage, told};

const SECRET: &str = "apiVersion: v1, kind: Secret";
const EDGE: Resource = (FLEET, "edge", "replicas: 1, drain: {notify: 0s}, sinks: [KAFKA], resources: SMALL");
const EMPTY: Resource = (FLEET, "empty", "replicas: 0, sinks: [KAFKA]");
const BY_TOKEN: &str = "fleet: {name: edge}, auth: {type: Token, tokensSecret: {name: producers}}";

pub(in crate::conditions) const PRODUCERS: Stage = (
    "producers",
    &[
        Apply(&[
            EDGE,
            EMPTY,
            (STREAM, "open", "fleet: {name: edge}"),
            (STREAM, "tokens", BY_TOKEN),
            (
                STREAM,
                "accounts",
                "fleet: {name: edge}, auth: {type: ServiceAccount, serviceAccounts: [orders]}",
            ),
            (
                STREAM,
                "alone",
                "groupId: SPACE-empty, fleet: {name: empty}, auth: {type: ServiceAccount, serviceAccounts: [orders]}",
            ),
            (STREAM, "nowhere", "groupId: SPACE-none, fleet: {name: none}"),
        ]),
        told("dstream/nowhere", "AuthReady", "Unknown", "NotAccepted", "no fleet serves it"),
        told(
            "dstream/alone",
            "AuthReady",
            "Unknown",
            "NoNodes",
            "no node of ProxyFleet SPACE/empty is ready",
        ),
        told("dstream/tokens", "AuthReady", "False", "TokensMissing", "there is no Secret producers"),
        Apply(&[(SECRET, "producers", "stringData: {one: 0123456789abcdef012345}")]),
        told("dstream/tokens", "AuthReady", "False", "TokensUnfit", "make it one of type sluice.dev/tokens"),
        // The type of a Secret can't be changed.
        Kubectl(&["delete", "secret/producers"]),
        Apply(&[(
            SECRET,
            "producers",
            "type: sluice.dev/tokens, stringData: {one: 0123456789abcdef012345, two: short}",
        )]),
        told("dstream/tokens", "AuthReady", "False", "TokensUnfit", "two has fewer than 22 characters"),
        Kubectl(&[
            "patch",
            "secret/producers",
            "--type=json",
            "-p",
            "[{\"op\": \"remove\", \"path\": \"/data/two\"}]",
        ]),
        told("dstream/tokens", "AuthReady", "True", "Ready", "takes the 1 token of Secret producers"),
        told("dstream/accounts", "AuthReady", "True", "Ready", "spec.auth.serviceAccounts"),
        told("dstream/open", "AuthReady", "True", "NotRequired", "asks producers for nothing"),
        Kubectl(&["annotate", "pf/edge", "sluice.dev/paused=true"]),
        Apply(&[(SECRET, "producers", "type: sluice.dev/tokens, stringData: {two: 0123456789abcdef012345}")]),
        told("dstream/tokens", "AuthReady", "False", "Pending", "known to 0 of 1 node as yet"),
    ],
);

pub(in crate::conditions) const FORBIDDEN: Stage = (
    "forbidden",
    &[
        Helm(&["--set", "rbac.tokensSecrets=false"]),
        Apply(&[EDGE, (STREAM, "tokens", BY_TOKEN)]),
        told("dstream/tokens", "AuthReady", "False", "TokensForbidden", "may not read Secret producers"),
    ],
);
