//! How producers of a stream prove who they are.
//! It describes what is wanted; tokens are in Secrets, and never here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern;

/// What producers have to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// None: nothing. Token: one of the tokens in tokensSecret, as Authorization: Bearer, or as InLong's Basic with the
    /// token's key as secretId and the token as secretKey. ServiceAccount: the token of one of serviceAccounts for the
    /// audience sluice, as Authorization: Bearer.
    #[serde(default, rename = "type")]
    #[schemars(extend("default" = "None"))]
    pub kind: AuthType,
    /// Only with type Token: where the tokens are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_secret: Option<TokensSecret>,
    /// Only with type ServiceAccount: which may report, 1 to 64, as `<name>` in the stream's own namespace, as
    /// `<namespace>/<name>`, or as `<namespace>/*` for all of a namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 317), regex(pattern = pattern::ACCOUNT)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub service_accounts: Vec<String>,
}

/// How producers prove who they are.
// Variants without doc comments: schemars would turn the enum into a oneOf.
#[allow(missing_docs, reason = "the type's fields say what each means")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AuthType {
    #[default]
    None,
    Token,
    ServiceAccount,
}

/// The Secret with a stream's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokensSecret {
    /// Name of a Secret of type sluice.dev/tokens in the stream's own namespace. Each key is the name of a token and its
    /// value a token of at least 22 printable characters; all of them hold, at most 256. It is read again every 15 s.
    #[schemars(length(max = 253), regex(pattern = pattern::SECRET))]
    pub name: String,
}

/// What is in effect of a stream's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthStatus {
    /// The tokens that every ready node of the fleet takes. One that is here can be given to producers; one that is not
    /// here any more is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"])
    )]
    pub tokens: Vec<TokenStatus>,
}

/// A token that is in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// Its key in the Secret.
    #[schemars(length(max = 253))]
    pub id: String,
    /// Since when every ready node takes it.
    pub since: Time,
}
