//! A ConfigMap as a part of a fleet's configuration, and complete parts as the document (`sluice_wire::parts`). Pure, and
//! bounded: what is longer than it may be is not read.

use std::io::{self, Read};

use k8s_openapi::api::core::v1::ConfigMap;
use sluice_wire::parts::{KEY, MAX_DOCUMENT, MAX_HEADER, MAX_PART, MAX_PARTS, PartHeader, WINDOW_LOG};

use crate::hex;
use crate::marks::FLEET;
use crate::names;
use crate::resolve::FleetKey;

/// Why a part or a set is not used.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// There is nothing in the ConfigMap.
    #[error("it has no key {KEY:?}")]
    NoPart,
    /// It does not begin as a part does.
    #[error("it has no header")]
    NoHeader,
    /// The header can't be read.
    #[error("header: {0}")]
    Header(#[from] serde_json::Error),
    /// It is another part than its name says.
    #[error("it holds part {index} of {count}, counted from 0")]
    Misplaced {
        /// Which it says it is.
        index: usize,
        /// Of how many.
        count: usize,
    },
    /// It is another fleet's than that which owns it.
    #[error("it is of another fleet than its owner")]
    Foreign,
    /// It is too long.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// The parts don't belong together.
    #[error("the parts are not what their SHA-256 says")]
    Digest,
    /// It can't be unpacked.
    #[error("not zstd: {0}")]
    Zstd(#[from] io::Error),
}

/// A part of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it says of its set.
    pub header: PartHeader,
    /// Its share of the compressed document.
    pub body: Vec<u8>,
}

/// Which part of which fleet a ConfigMap has the name of; `None`: it is none.
#[must_use]
pub fn place(map: &ConfigMap) -> Option<(FleetKey, usize)> {
    let (namespace, name) = names::name_of(&map.metadata);
    let fleet = map.metadata.labels.as_ref()?.get(FLEET)?;
    let index = (0..MAX_PARTS).find(|index| names::config(fleet, *index) == name)?;
    Some(((namespace, fleet.clone()), index))
}

/// Reads a ConfigMap that has the name of part `index`.
///
/// # Errors
/// [`Damage`].
pub fn read(mut map: ConfigMap, index: usize) -> Result<Part, Damage> {
    let mut bytes = map.binary_data.as_mut().and_then(|data| data.remove(KEY)).ok_or(Damage::NoPart)?.0;
    let end = bytes.iter().take(MAX_HEADER + 1).position(|byte| *byte == b'\n').ok_or(Damage::NoHeader)?;
    let body = bytes.split_off(end + 1);
    bytes.truncate(end);
    let header: PartHeader = serde_json::from_slice(&bytes)?;
    if header.index != index || header.index >= header.count || header.count > MAX_PARTS {
        return Err(Damage::Misplaced { index: header.index, count: header.count });
    }
    if body.len() > MAX_PART {
        return Err(Damage::TooLong(MAX_PART));
    }
    let mut owners = map.metadata.owner_references.iter().flatten();
    if !owners.any(|owner| owner.controller == Some(true) && owner.uid == header.fleet) {
        return Err(Damage::Foreign);
    }
    Ok(Part { header, body })
}

/// A set whose parts are all there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Uid of the fleet.
    pub uid: String,
    /// Its revision.
    pub revision: u64,
    sha256: String,
    /// JSON, compressed.
    compressed: Vec<u8>,
}

impl Set {
    /// A set of these parts in their order.
    #[must_use]
    pub fn new(header: &PartHeader, bodies: &[Vec<u8>]) -> Self {
        Self {
            uid: header.fleet.clone(),
            revision: header.revision,
            sha256: header.sha256.clone(),
            compressed: bodies.concat(),
        }
    }

    /// The document as JSON.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn text(&self) -> Result<Vec<u8>, Damage> {
        if hex::sha256(&self.compressed) != self.sha256 {
            return Err(Damage::Digest);
        }
        let mut decoder = zstd::stream::read::Decoder::with_buffer(&*self.compressed)?;
        decoder.window_log_max(WINDOW_LOG)?;
        let mut text = Vec::new();
        decoder.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut text)?;
        if text.len() > MAX_DOCUMENT {
            return Err(Damage::TooLong(MAX_DOCUMENT));
        }
        Ok(text)
    }
}

#[cfg(test)]
pub(in crate::poll) mod tests;
