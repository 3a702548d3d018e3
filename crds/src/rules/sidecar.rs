//! The rules of a `ProxyFleet` of mode Sidecar: what makes no sense in pods that are somebody else's.
//! Each stands here whole: where, in CEL, in words and in Rust.

use serde_json::Value;

use super::{Rule, Twin};
use crate::Kind;

/// A rule about `spec` that holds for sidecars.
const fn rule(
    field: &'static str,
    cel: &'static str,
    message: &'static str,
    twin: fn(&Value) -> bool,
) -> Rule {
    Rule { kind: Kind::ProxyFleet, path: "spec", field, cel, message, twin: Twin::State(twin) }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "autoscaling",
        "!has(self.autoscaling) || !has(self.mode) || self.mode != 'Sidecar'",
        "there are as many sidecars as pods that ask for one; take autoscaling out, or make a fleet of another mode",
        |spec| !is_sidecar(spec) || spec.get("autoscaling").is_none(),
    ),
    rule(
        "podTemplate",
        "!has(self.podTemplate) || !has(self.mode) || self.mode != 'Sidecar'",
        "the pods of sidecars are the applications' own; take podTemplate out, and write into their pods what they need",
        |spec| !is_sidecar(spec) || spec.get("podTemplate").is_none(),
    ),
    rule(
        "listeners",
        "!has(self.mode) || self.mode != 'Sidecar' || !has(self.listeners) || (!has(self.listeners.https) && !has(self.listeners.trustedProxies))",
        "a sidecar takes reports of its own pod alone, over plain HTTP on 127.0.0.1; take https and trustedProxies out",
        |spec| {
            let has =
                |name| spec.pointer("/listeners").is_some_and(|listeners| listeners.get(name).is_some());
            !is_sidecar(spec) || (!has("https") && !has("trustedProxies"))
        },
    ),
    rule(
        "allowedStreams",
        "!has(self.mode) || self.mode != 'Sidecar' || !has(self.allowedStreams) || !has(self.allowedStreams.namespaces) || !has(self.allowedStreams.namespaces.from) || self.allowedStreams.namespaces.from == 'Same'",
        "sidecars run in pods of the fleet's own namespace, and only its streams attach; take namespaces out, or set from: Same",
        |spec| {
            let from = spec.pointer("/allowedStreams/namespaces/from");
            !is_sidecar(spec) || from.is_none_or(|from| from == "Same")
        },
    ),
];

fn is_sidecar(spec: &Value) -> bool {
    spec.get("mode").is_some_and(|mode| mode == "Sidecar")
}
