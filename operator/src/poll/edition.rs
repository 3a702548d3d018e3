//! A fleet's configuration at one revision, as it is served, with what is remembered of those before it.
//! An edition never changes; the next one is made of it and of a document. It writes no answer.

mod streams;

use std::sync::Arc;

use serde::Deserialize;
use sluice_wire::document::{Group, MAJOR};
use sluice_wire::places::Places;
use sluice_wire::polling::{FLEET, GROUPS, SINK, STREAM};

use super::content::{Content, Served};
use crate::publish::groups;
use streams::Streams;
pub use streams::{Delta, Key};

/// Why a document is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no document.
    #[error("it is no configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another form.
    #[error("its form is {0}, and this operator knows {MAJOR}")]
    Major(u32),
    /// It has no digest of one of its groups.
    #[error("it does not say what group {0} is compared by")]
    NoGroup(&'static str),
    /// Its streams have no order that a reader could bring them back into.
    #[error("its streams are not each once and in the order of groupId and streamId")]
    Disorder,
}

/// What is read of a document's fleet.
#[derive(Deserialize)]
struct Fleet {
    namespace: String,
    name: String,
    #[serde(default)]
    uid: String,
}

/// A fleet's configuration at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The fleet's namespace and name.
    pub fleet: (String, String),
    /// The fleet's uid.
    pub uid: String,
    /// The form of the document.
    pub major: u32,
    /// The document's revision.
    pub revision: u64,
    whole: Served,
    sinks: Served,
    streams: Arc<Streams>,
}

impl Edition {
    /// Reads a document, as JSON, that comes after `former`. One of another fleet is not remembered.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(text: &[u8], former: Option<&Self>) -> Result<Self, Unreadable> {
        let document: Places<'_> = serde_json::from_slice(text)?;
        if document.major != MAJOR {
            return Err(Unreadable::Major(document.major));
        }
        let Fleet { namespace, name, uid } = serde_json::from_str(document.fleet.get())?;
        let former = former.filter(|former| former.uid == uid);
        let [(_, whole), (_, sinks), (_, all)] =
            groups::data(&document.fleet_group(), &document.sinks, &document.streams)?;
        let served = |group: &'static str, bytes: Vec<u8>| {
            let Group { md5, last_modify_time } =
                document.groups.get(group).cloned().ok_or(Unreadable::NoGroup(group))?;
            let content = Content { bytes: bytes.into(), md5: md5.into() };
            Ok::<_, Unreadable>(Served { content, last_modify_time })
        };
        let streams = served(STREAM, all)?;
        let known = former.map(|former| &former.streams);
        let same = known.filter(|known| known.served() == &streams).map(Arc::clone);
        let streams = match same {
            Some(same) => same,
            None => Arc::new(Streams::read(streams, &document.streams, known.map(Arc::as_ref))?),
        };
        Ok(Self {
            fleet: (namespace, name),
            uid,
            major: document.major,
            revision: document.revision,
            whole: served(FLEET, whole)?,
            sinks: served(SINK, sinks)?,
            streams,
        })
    }

    /// What a group is served as; `None`: a fleet has no such group.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Served> {
        match name {
            FLEET => Some(&self.whole),
            SINK => Some(&self.sinks),
            STREAM => Some(self.streams.served()),
            _ => None,
        }
    }

    /// All groups, in the contract's order.
    pub fn groups(&self) -> impl Iterator<Item = (&'static str, &Served)> {
        GROUPS.into_iter().filter_map(|name| self.group(name).map(|served| (name, served)))
    }

    /// The groups that `former` has otherwise, or all.
    #[must_use]
    pub fn changed(&self, former: Option<&Self>) -> Vec<&'static str> {
        let is_other = |name: &&str| former.is_none_or(|former| former.group(name) != self.group(name));
        GROUPS.into_iter().filter(is_other).collect()
    }

    /// What leads from the streams with this MD5 to those of this edition; `None`: what they were is not remembered, or
    /// too much changed.
    #[must_use]
    pub fn streams_since(&self, md5: &str) -> Option<Delta<'_>> {
        self.streams.since(md5)
    }
}

#[cfg(test)]
mod tests;
