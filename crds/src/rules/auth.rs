//! The rules of how producers prove who they are.
//! Each stands here whole: where, in CEL, in words and in Rust.

use serde_json::Value;

use super::{Rule, Twin};
use crate::Kind;

pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: Kind::DataStream,
        path: "spec.auth",
        field: "tokensSecret",
        cel: "(has(self.type) && self.type == 'Token') == has(self.tokensSecret)",
        message: "tokensSecret goes with type Token: name the Secret, or take it out of another type",
        twin: Twin::State(|auth| {
            (auth.get("type") == Some(&Value::from("Token"))) == auth.get("tokensSecret").is_some()
        }),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.auth",
        field: "serviceAccounts",
        cel: "(has(self.type) && self.type == 'ServiceAccount') == (has(self.serviceAccounts) && size(self.serviceAccounts) > 0)",
        message: "serviceAccounts go with type ServiceAccount: list who may report, or take them out of another type",
        twin: Twin::State(|auth| {
            let listed = auth.get("serviceAccounts").and_then(Value::as_array);
            (auth.get("type") == Some(&Value::from("ServiceAccount")))
                == listed.is_some_and(|list| !list.is_empty())
        }),
    },
];
