//! What a stream makes of a report: how it is split, and each record's form, key and headers.
//! It holds what a team writes down; the proxy's intake does the work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern;

/// The form of a stored record.
// Variants without doc comments, here and below: schemars would turn the enum into a oneOf.
#[allow(missing_docs, reason = "the field's description says it")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Output {
    #[default]
    Raw,
    InLongMsg,
    CloudEvents,
}

/// How InLong's envelope is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InLongMsg {
    /// Whether the records inside are compressed with snappy. InLong's own parser reads both.
    #[serde(default)]
    #[schemars(extend("default" = "Snappy"))]
    pub compression: Compression,
}

/// Whether the records inside an envelope are compressed.
#[allow(missing_docs, reason = "the field's description says it")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Compression {
    #[default]
    Snappy,
    None,
}

/// Whether a report of the InLong path is split into records.
#[allow(missing_docs, reason = "the field's description says it")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Split {
    #[default]
    Auto,
    Never,
}

/// Where a record's key comes from: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// A parameter of the report, of its query or of its form; on the native route, of the query. All records
    /// of a report then have the same key. Not body or callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = pattern::PARAMETER))]
    pub from_parameter: Option<String>,
    /// A header of the HTTP request. All records of a report then have the same key. Not authorization,
    /// proxy-authorization, cookie or set-cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = pattern::HEADER))]
    pub from_header: Option<String>,
    /// A place in each record, which is JSON, as a JSON pointer (RFC 6901) such as /customer/id. The empty
    /// pointer is the whole record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = pattern::POINTER))]
    pub from_json: Option<String>,
}
