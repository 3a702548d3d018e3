//! A fleet's document on its way through ConfigMaps: compressed, cut into parts, each in a ConfigMap of its own.
//!
//! A part is one line of JSON, a [`PartHeader`], then its share of the compressed document: JSON in one zstd
//! frame, whose window is at most 2^[`WINDOW_LOG`] bytes. ConfigMaps change one by one, so a reader uses only a set
//! that is complete and of one revision.

use serde::{Deserialize, Serialize};

/// The most parts a document is cut into; each has a ConfigMap of a fixed name.
pub const MAX_PARTS: usize = 4;

/// The longest part, in bytes, without its header: a ConfigMap holds 1 MiB.
pub const MAX_PART: usize = 900 << 10;

/// The longest header, in bytes.
pub const MAX_HEADER: usize = 1024;

/// The longest document, in bytes, before it is compressed.
pub const MAX_DOCUMENT: usize = 64 << 20;

/// The largest window of the zstd frame, as a power of two: 8 MiB, what RFC 8878 tells decoders to support.
pub const WINDOW_LOG: u32 = 23;

/// What a part says of the set it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartHeader {
    /// Uid of the fleet.
    pub fleet: String,
    /// Revision of the document.
    pub revision: u64,
    /// Which part this is, from 0.
    pub index: usize,
    /// How many parts there are.
    pub count: usize,
    /// Hexadecimal SHA-256 of the whole compressed document.
    pub sha256: String,
}

/// Name of the file a part is mounted as.
#[must_use]
pub fn file_name(index: usize) -> String {
    format!("{index}.part")
}

/// Name of the ConfigMap that holds a part.
#[must_use]
pub fn config_map_name(fleet: &str, index: usize) -> String {
    format!("{fleet}-config-{index}")
}

/// The one key of such a ConfigMap's binary data.
pub const KEY: &str = "part";
