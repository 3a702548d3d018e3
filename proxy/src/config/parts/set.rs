//! Puts the parts of a document together. It takes what the files hold and opens nothing.

use std::fmt;
use std::fmt::Write as _;
use std::io::Read;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sluice_wire::parts::{MAX_DOCUMENT, MAX_HEADER, MAX_PART, MAX_PARTS, PartHeader, WINDOW_LOG, file_name};

/// How hard zstd tries. Its window is 2 MiB at this level, below what readers allow.
const LEVEL: i32 = 3;

/// A document as complete, verified parts held it.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::config) struct Set {
    /// Uid of the fleet.
    pub(in crate::config) fleet: String,
    /// Its revision.
    pub(in crate::config) revision: u64,
    /// JSON, compressed.
    compressed: Vec<u8>,
}

/// Parts that are not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Missing {
    /// Uid of the fleet.
    pub(in crate::config) fleet: String,
    /// The revision that they are of.
    pub(in crate::config) revision: u64,
    /// The first of them, from 0.
    index: usize,
    /// How many parts the revision has.
    count: usize,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, index, count, .. } = self;
        write!(f, "waiting for part {} of {count} of revision {revision}", index + 1)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").field(&self.fleet).field(&self.revision).finish()
    }
}

/// What the files come to.
#[derive(Default)]
pub(super) struct Assembled {
    /// The one set that is complete.
    pub(super) whole: Option<Arc<Set>>,
    /// The newest set, where it is not that one.
    pub(super) missing: Option<Missing>,
    /// What is wrong with a part that is wanted.
    pub(super) damage: Option<String>,
}

struct Part<'a> {
    header: PartHeader,
    body: &'a [u8],
}

/// Looks which set is complete. `files` holds the content of each part's file, in their order.
///
/// Every set has a part 0, so no two can be complete at once. A part beyond the count of that set is a larger,
/// older set's, or a newer one's that is still to come.
pub(super) fn assemble(files: &[Option<Vec<u8>>]) -> Assembled {
    let parts: Vec<_> = (0..)
        .zip(files.iter().take(MAX_PARTS))
        .map(|(index, file)| file.as_deref().map(|bytes| read_part(index, bytes)))
        .collect();
    let readable = || parts.iter().flatten().flatten();
    let mut assembled = match parts.first() {
        Some(Some(Ok(first))) => complete(&first.header, &parts),
        Some(Some(Err(damage))) => Assembled { damage: Some(damage.clone()), ..Assembled::default() },
        _ => Assembled::default(),
    };
    let first = parts.first().and_then(|part| part.as_ref()?.as_ref().ok()).map(|part| &part.header);
    let newer = |header: &&PartHeader| {
        first.is_none_or(|first| first.fleet == header.fleet && first.revision < header.revision)
    };
    if let Some(newest) = readable().map(|part| &part.header).filter(newer).max_by_key(|h| h.revision) {
        assembled.missing = Some(missing(newest, 0));
    }
    assembled
}

/// The set of this header, where every part of it is there.
fn complete(header: &PartHeader, parts: &[Option<Result<Part<'_>, String>>]) -> Assembled {
    let mut bodies = Vec::with_capacity(header.count);
    for (index, part) in parts.iter().enumerate().take(header.count) {
        match part {
            Some(Ok(part)) if of_one_set(header, &part.header) => bodies.push(part.body),
            Some(Err(damage)) => {
                return Assembled { damage: Some(damage.clone()), ..Assembled::default() };
            }
            _ => return Assembled { missing: Some(missing(header, index)), ..Assembled::default() },
        }
    }
    let compressed = bodies.concat();
    if digest(&compressed) != header.sha256 {
        let damage = format!("revision {}: the parts are not what their SHA-256 says", header.revision);
        return Assembled { damage: Some(damage), ..Assembled::default() };
    }
    let set = Set { fleet: header.fleet.clone(), revision: header.revision, compressed };
    Assembled { whole: Some(Arc::new(set)), ..Assembled::default() }
}

fn missing(header: &PartHeader, index: usize) -> Missing {
    Missing { fleet: header.fleet.clone(), revision: header.revision, index, count: header.count }
}

fn of_one_set(one: &PartHeader, other: &PartHeader) -> bool {
    (&one.fleet, one.revision, one.count, &one.sha256)
        == (&other.fleet, other.revision, other.count, &other.sha256)
}

fn read_part(index: usize, bytes: &[u8]) -> Result<Part<'_>, String> {
    let wrong = |what: &str| format!("{}: {what}", file_name(index));
    let line = bytes.iter().take(MAX_HEADER + 1).position(|byte| *byte == b'\n');
    let (header, body) = line.and_then(|at| bytes.split_at_checked(at)).ok_or_else(|| wrong("no header"))?;
    let header: PartHeader =
        serde_json::from_slice(header).map_err(|error| wrong(&format!("header: {error}")))?;
    let body = body.get(1..).unwrap_or_default();
    if header.index != index || header.index >= header.count || header.count > MAX_PARTS {
        return Err(wrong(&format!("holds part {} of {}, counted from 0", header.index, header.count)));
    }
    if body.len() > MAX_PART {
        return Err(wrong(&format!("longer than {MAX_PART} bytes")));
    }
    Ok(Part { header, body })
}

/// SHA-256 in hexadecimal digits.
pub(in crate::config) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Set {
    /// A document, compressed as parts are.
    ///
    /// # Errors
    /// Words that say why it can't be.
    pub(in crate::config) fn pack(fleet: String, revision: u64, text: &[u8]) -> Result<Self, String> {
        let compressed = zstd::bulk::compress(text, LEVEL).map_err(|error| error.to_string())?;
        Ok(Self { fleet, revision, compressed })
    }

    /// What [`Self::compressed`] gave.
    pub(in crate::config) fn of(fleet: String, revision: u64, compressed: Vec<u8>) -> Self {
        Self { fleet, revision, compressed }
    }

    /// The document, compressed.
    pub(in crate::config) fn compressed(&self) -> &[u8] {
        &self.compressed
    }

    /// The document as JSON.
    ///
    /// # Errors
    /// Words that say why it can't be unpacked.
    pub(in crate::config) fn text(&self) -> Result<Vec<u8>, String> {
        let wrong = |what: &dyn fmt::Display| format!("revision {}: {what}", self.revision);
        let mut decoder = zstd::stream::read::Decoder::with_buffer(&*self.compressed)
            .and_then(|mut decoder| decoder.window_log_max(WINDOW_LOG).map(|()| decoder))
            .map_err(|error| wrong(&error))?;
        let mut text = Vec::new();
        let read = (&mut decoder).take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut text);
        read.map_err(|error| wrong(&format!("not zstd: {error}")))?;
        if text.len() > MAX_DOCUMENT {
            return Err(wrong(&format!("longer than {MAX_DOCUMENT} bytes")));
        }
        Ok(text)
    }
}

#[cfg(test)]
pub(super) mod tests;
