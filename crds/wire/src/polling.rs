//! A fleet's configuration over long polling: which groups a document has, what their data is byte for byte, and
//! how what changed travels.
//!
//! A document is served as three groups under `namespaceId=<namespace>/<fleet>`. A group's data is a JSON array, its
//! `md5` that of the array's bytes as `serde_json` writes them without spaces, and its `lastModifyTime` the revision
//! that last changed it:
//!
//! | group | data |
//! |---|---|
//! | [`FLEET`] | `[fleet, overload, drain]` of the document, and its `listeners` where it has some |
//! | [`SINK`] | its sinks |
//! | [`STREAM`] | its streams, in the order of groupId and streamId |
//!
//! A place in [`FLEET`] is one thing's for good: who writes a later one writes `listeners` too, if only as `{}`.
//!
//! A reader keeps elements as the bytes they came in, so that it reproduces an md5 also of what it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::document::Group;

/// The group with what concerns the fleet as a whole.
pub const FLEET: &str = "FLEET";
/// The group of sinks.
pub const SINK: &str = "SINK";
/// The group of streams.
pub const STREAM: &str = "STREAM";
/// All groups, in the order in which a document has them.
pub const GROUPS: [&str; 3] = [FLEET, SINK, STREAM];

/// Header of `POST /configs/listener` and `GET /configs/fetch`, with the highest revision that the caller was given. With it
/// a listener's answer carries the change itself ([`Changed::update`]), and a server that is behind it holds or refuses.
pub const REVISION: &str = "Sluice-Revision";

/// The header with the longest hold that a caller wishes, in milliseconds.
pub const HOLD: &str = "Long-Pulling-Timeout";

/// The longest hold, in milliseconds.
pub const LONGEST_HOLD_MS: u64 = 60_000;

/// Changes of this many revisions are kept for those who were away; and of at most [`MAX_KEPT`] bytes.
pub const KEPT_REVISIONS: usize = 64;

/// The longest update that says only what changed; beyond, the whole group travels.
pub const MAX_KEPT: usize = 8 << 20;

/// The answer of `POST /configs/listener`.
#[derive(Debug, Deserialize)]
pub struct Changed {
    /// 200.
    pub code: u16,
    /// In words.
    pub message: String,
    /// Which of the groups that were asked for changed.
    pub data: Vec<String>,
    /// What changed in them, for a caller that sent [`REVISION`] and whose md5s the server remembers.
    #[serde(default)]
    pub update: Option<Update>,
}

/// What leads from the groups that a caller has to those of a revision. Groups that are not named are as they were.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The form of the document.
    pub major: u32,
    /// The revision it leads to.
    pub revision: u64,
    /// md5 and time of each group after it, of all groups.
    pub groups: BTreeMap<String, Group>,
    /// What changed, by group.
    pub changes: BTreeMap<String, GroupUpdate>,
}

/// What changed in a group.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupUpdate {
    /// The md5 of what it leads on from; absent: `put` is the whole group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Elements that are new or other; of a group other than [`STREAM`], always all.
    pub put: Vec<Box<RawValue>>,
    /// groupId and streamId of streams that are no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<(String, String)>,
}

/// The answer of `GET /configs/fetch`.
///
/// With `since=<md5>`, once for each `groupKeys` and in their order, a group whose former content the server remembers
/// is answered with `since` and only what changed: `data` is then what was put, and `gone` what is no more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// 200.
    pub code: u16,
    /// In words.
    pub message: String,
    /// By group, every one that was asked for.
    pub data: BTreeMap<String, FetchedGroup>,
    /// The form of the document; only of a fleet.
    #[serde(default)]
    pub major: Option<u32>,
    /// The revision that all of it is of; only of a fleet.
    #[serde(default)]
    pub revision: Option<u64>,
}

/// A group as it was fetched.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchedGroup {
    /// Of the group's whole data.
    pub md5: String,
    /// When it changed last.
    pub last_modify_time: u64,
    /// The md5 of what `data` leads on from; absent: `data` is whole.
    #[serde(default)]
    pub since: Option<String>,
    /// Its elements.
    pub data: Vec<Box<RawValue>>,
    /// Streams that are no more.
    #[serde(default)]
    pub gone: Vec<(String, String)>,
}
