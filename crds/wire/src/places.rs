//! A document taken apart without being read: the places that groups are made of, as the JSON that they are, byte for byte.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::document::Group;

/// The places of a [`Document`](crate::document::Document).
#[derive(Clone, Debug, Deserialize)]
pub struct Places<'a> {
    /// Its form.
    pub major: u32,
    /// Its revision.
    pub revision: u64,
    /// What it says of its groups, by their names.
    #[serde(default)]
    pub groups: BTreeMap<String, Group>,
    /// Which fleet it is for.
    #[serde(borrow)]
    pub fleet: &'a RawValue,
    /// What nodes do under too much load.
    #[serde(borrow)]
    pub overload: &'a RawValue,
    /// How nodes end.
    #[serde(borrow)]
    pub drain: &'a RawValue,
    /// How nodes are reached beside plain HTTP; absent: not at all.
    #[serde(default, borrow)]
    pub listeners: Option<&'a RawValue>,
    /// Its sinks.
    #[serde(borrow)]
    pub sinks: Vec<&'a RawValue>,
    /// Its streams.
    #[serde(borrow)]
    pub streams: Vec<&'a RawValue>,
}

impl<'a> Places<'a> {
    /// The elements of the group of what concerns the fleet as a whole.
    #[must_use]
    pub fn fleet_group(&self) -> Vec<&'a RawValue> {
        [self.fleet, self.overload, self.drain].into_iter().chain(self.listeners).collect()
    }
}

/// What a stream of a document is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ids<'a> {
    /// Its groupId.
    #[serde(borrow)]
    pub group_id: Cow<'a, str>,
    /// Its streamId.
    #[serde(borrow)]
    pub stream_id: Cow<'a, str>,
}
