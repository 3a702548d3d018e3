//! A fleet's streams piece by piece: since which revision each is what it is, and which are no more.
//! What is remembered is bounded: so many former states, so many bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use sluice_wire::places::Ids;
use sluice_wire::polling::{KEPT_REVISIONS, MAX_KEPT};

use super::Unreadable;
use crate::poll::content::Served;

/// groupId and streamId.
pub type Key = (Box<str>, Box<str>);

/// What leads from former streams to those there are.
#[derive(Debug, PartialEq, Eq)]
pub struct Delta<'a> {
    /// Streams that are new or other, as JSON.
    pub put: Vec<&'a Bytes>,
    /// Streams that are no more.
    pub gone: Vec<&'a Key>,
}

#[derive(Debug, PartialEq, Eq)]
struct Piece {
    /// A piece of the group's bytes.
    json: Bytes,
    /// Since which revision.
    since: u64,
}

/// The streams at one revision.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Streams {
    served: Served,
    pieces: BTreeMap<Key, Piece>,
    /// Which are no more since which revision; only of those that some remembered state had.
    gone: BTreeMap<Key, u64>,
    /// The states that are remembered, this one's included, the oldest first: since which revision, and the MD5.
    states: VecDeque<(u64, Arc<str>)>,
}

impl Streams {
    /// Takes the group's content apart. `streams` are its elements, `former` is what was before.
    pub(super) fn read(
        served: Served,
        streams: &[&RawValue],
        former: Option<&Self>,
    ) -> Result<Self, Unreadable> {
        let now = served.last_modify_time;
        // A time that does not grow tells nothing of what changed after which.
        let former = former.filter(|former| former.served.last_modify_time < now);
        let mut pieces = BTreeMap::new();
        // The elements follow each other behind the bracket, with a comma between.
        let mut at = 1;
        for stream in streams {
            let json = served.content.bytes.slice(at..at + stream.get().len());
            at += json.len() + 1;
            let ids: Ids<'_> = serde_json::from_str(stream.get())?;
            let key = (ids.group_id.into(), ids.stream_id.into());
            if pieces.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Unreadable::Disorder);
            }
            let known = former.and_then(|former| former.pieces.get(&key)).filter(|known| known.json == json);
            let since = known.map_or(now, |known| known.since);
            pieces.insert(key, Piece { json, since });
        }
        let mut streams = Self { served, pieces, gone: BTreeMap::new(), states: VecDeque::new() };
        if let Some(former) = former {
            streams.remember(former, now);
        }
        streams.states.push_back((now, Arc::clone(&streams.served.content.md5)));
        streams.forget();
        Ok(streams)
    }

    fn remember(&mut self, former: &Self, now: u64) {
        self.states.clone_from(&former.states);
        let ended = former.pieces.keys().map(|key| (key, now));
        let ends = former.gone.iter().map(|(key, at)| (key, *at)).chain(ended);
        self.gone = ends
            .filter(|(key, _)| !self.pieces.contains_key(*key))
            .map(|(key, at)| (key.clone(), at))
            .collect();
    }

    /// Forgets the oldest states while there are too many, or too much is gone since them.
    fn forget(&mut self) {
        let mut kept: usize = self.gone.keys().map(length).sum();
        // The state that there is counts as one, and changes lead to it from the others.
        while self.states.len() > 1 && (self.states.len() > KEPT_REVISIONS + 1 || kept > MAX_KEPT) {
            self.states.pop_front();
            let oldest = self.states.front().map_or(0, |(since, _)| *since);
            self.gone.retain(|key, at| {
                let needed = *at > oldest;
                kept -= if needed { 0 } else { length(key) };
                needed
            });
        }
    }

    /// What names of streams that are gone take.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.gone.keys().map(length).sum()
    }

    pub(super) fn served(&self) -> &Served {
        &self.served
    }

    /// See [`super::Edition::streams_since`].
    pub(super) fn since(&self, md5: &str) -> Option<Delta<'_>> {
        // A state may have come back: the last time is the nearest.
        let (since, _) = self.states.iter().rev().find(|(_, of)| **of == *md5)?;
        let put: Vec<_> =
            self.pieces.values().filter(|piece| piece.since > *since).map(|piece| &piece.json).collect();
        let gone: Vec<_> = self.gone.iter().filter(|(_, at)| *at > since).map(|(key, _)| key).collect();
        let bytes = put.iter().map(|json| json.len() + 1).sum::<usize>()
            + gone.iter().map(|key| length(key)).sum::<usize>();
        (bytes <= MAX_KEPT).then_some(Delta { put, gone })
    }
}

/// What a stream that is gone takes in an answer, at least.
fn length((group, stream): &Key) -> usize {
    group.len() + stream.len() + 8
}
