//! A document taken apart into the elements of its groups, byte for byte, and put together again. Pure: it asks nobody
//! and judges no element.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest, Md5};
use serde_json::value::RawValue;
use sluice_wire::document::Group;
use sluice_wire::places::{Ids, Places};
use sluice_wire::polling::{FLEET, GROUPS, SINK, STREAM, Update};

/// What is wrong with an update.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    /// It leads on from something else.
    #[error("group {0}: the change is of another content than this node has")]
    Since(&'static str),
    /// It does not lead to what it says.
    #[error("group {0}: the content is not what its md5 says")]
    Digest(&'static str),
    /// Not an element of its group.
    #[error("group {0}: {1}")]
    Element(&'static str, String),
    /// Not a document.
    #[error("{0}")]
    Document(String),
}

/// The elements of a document's groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces<'a> {
    /// `fleet`, `overload`, `drain`, `listeners` where there are some, and what a newer operator has beside them.
    fleet: Vec<&'a RawValue>,
    sinks: Vec<&'a RawValue>,
    /// By groupId and streamId.
    streams: BTreeMap<(Cow<'a, str>, Cow<'a, str>), &'a RawValue>,
}

impl<'a> Pieces<'a> {
    /// The elements of a document, and what it says of its groups. `more` are those of [`FLEET`] that have no place in a
    /// document.
    pub(super) fn of(
        text: &'a [u8],
        more: &'a [Box<RawValue>],
    ) -> Result<(Self, BTreeMap<String, Group>), Mismatch> {
        let places: Places<'a> =
            serde_json::from_slice(text).map_err(|error| Mismatch::Document(error.to_string()))?;
        let fleet = places.fleet_group();
        let mut pieces = Self { fleet, sinks: places.sinks, ..Self::default() };
        pieces.fleet.extend(more.iter().map(|element| &**element));
        places.streams.into_iter().try_for_each(|stream| pieces.put(stream))?;
        Ok((pieces, places.groups))
    }

    /// The elements after an update, which are those that its md5s say.
    pub(super) fn updated(
        mut self,
        groups: &BTreeMap<String, Group>,
        update: &'a Update,
    ) -> Result<Self, Mismatch> {
        for name in GROUPS {
            let Some(change) = update.changes.get(name) else { continue };
            let has = groups.get(name).map(|group| group.md5.as_str());
            if change.since.is_some() && change.since.as_deref() != has {
                return Err(Mismatch::Since(name));
            }
            let put = || change.put.iter().map(|element| &**element);
            match name {
                FLEET => self.fleet = put().collect(),
                SINK => self.sinks = put().collect(),
                _ => {
                    if change.since.is_none() {
                        self.streams.clear();
                    }
                    for (group_id, stream_id) in &change.gone {
                        self.streams.remove(&(Cow::Borrowed(&**group_id), Cow::Borrowed(&**stream_id)));
                    }
                    put().try_for_each(|stream| self.put(stream))?;
                }
            }
        }
        self.are(&update.groups)?;
        Ok(self)
    }

    fn put(&mut self, stream: &'a RawValue) -> Result<(), Mismatch> {
        let ids: Ids<'a> = serde_json::from_str(stream.get())
            .map_err(|error| Mismatch::Element(STREAM, error.to_string()))?;
        self.streams.insert((ids.group_id, ids.stream_id), stream);
        Ok(())
    }

    /// Whether they are what these md5s say.
    pub(super) fn are(&self, groups: &BTreeMap<String, Group>) -> Result<(), Mismatch> {
        let digests = [
            (FLEET, digest(self.fleet.iter().copied())),
            (SINK, digest(self.sinks.iter().copied())),
            (STREAM, digest(self.streams.values().copied())),
        ];
        for (name, digest) in digests {
            if groups.get(name).is_none_or(|group| group.md5 != digest) {
                return Err(Mismatch::Digest(name));
            }
        }
        Ok(())
    }

    /// The first element of the fleet's group.
    pub(super) fn fleet(&self) -> Option<&'a RawValue> {
        self.fleet.first().copied()
    }

    /// What [`Self::of`] takes beside the document.
    pub(super) fn more(&self) -> Vec<Box<RawValue>> {
        self.fleet.iter().skip(4).map(|element| (*element).to_owned()).collect()
    }

    /// The document as JSON.
    pub(super) fn document(
        &self,
        major: u32,
        revision: u64,
        groups: &BTreeMap<String, Group>,
    ) -> Result<Vec<u8>, Mismatch> {
        let [fleet, overload, drain, more @ ..] = &*self.fleet else {
            return Err(Mismatch::Element(FLEET, "wants fleet, overload and drain".to_owned()));
        };
        let groups = serde_json::to_string(groups).map_err(|error| Mismatch::Document(error.to_string()))?;
        let mut text = format!(
            r#"{{"major":{major},"fleet":{fleet},"revision":{revision},"groups":{groups},"overload":{overload},"drain":{drain}"#
        );
        if let Some(listeners) = more.first() {
            // Writing to a string does not fail.
            let _ = write!(text, r#","listeners":{listeners}"#);
        }
        text.push_str(r#","sinks":"#);
        array(self.sinks.iter().copied(), &mut text);
        text.push_str(r#","streams":"#);
        array(self.streams.values().copied(), &mut text);
        text.push('}');
        Ok(text.into_bytes())
    }
}

/// Writes a JSON array as `serde_json` does, without spaces.
fn array<'a>(elements: impl Iterator<Item = &'a RawValue>, text: &mut String) {
    text.push('[');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(element.get());
    }
    text.push(']');
}

/// The md5 of such an array.
fn digest<'a>(elements: impl Iterator<Item = &'a RawValue>) -> String {
    let mut hash = Md5::new();
    hash.update("[");
    for (index, element) in elements.enumerate() {
        if index > 0 {
            hash.update(",");
        }
        hash.update(element.get());
    }
    hash.update("]");
    hash.finalize().iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
