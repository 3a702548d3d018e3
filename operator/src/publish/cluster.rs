//! A fleet's configuration in ConfigMaps: whether what is published is current, and what to publish next.
//! The ConfigMaps are the memory: revision, digests of groups and of parts stand in their annotations.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_wire::document::{Document, Group};
use sluice_wire::parts::{self, MAX_PARTS};

use super::groups;
use super::parts::{EncodeError, encode};
use crate::hex;
use crate::kind::ObjectKind;
use crate::marks::{GROUPS, PART, PARTS, REVISION};
use crate::resolve::FleetKey;
use crate::watch::cluster::{Child, ChildKey};

/// Between two publications of a fleet, at least.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// What a fleet may write in a second at most, so that the API server's history stays bounded.
const BYTES_PER_SECOND: u64 = 256 << 10;

/// A document to be published, as ConfigMaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Whose.
    pub fleet: FleetKey,
    /// Under which revision.
    pub revision: u64,
    /// How long to wait before the next.
    pub interval: Duration,
    /// The ConfigMaps: whole, with the resourceVersion that each has now, if it is there.
    pub maps: Vec<(ChildKey, Value)>,
    /// ConfigMaps of parts that are no more: key and uid.
    pub gone: Vec<(ChildKey, String)>,
}

/// What is published of a fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Published<'a> {
    /// The ConfigMaps there are, by index.
    maps: BTreeMap<usize, &'a Child>,
    /// Revision, if the set is whole and unspoilt.
    pub whole: Option<u64>,
    /// The highest revision that any of them has.
    highest: u64,
    groups: BTreeMap<String, Group>,
}

impl<'a> Published<'a> {
    /// Reads what is published out of the fleet's ConfigMaps.
    pub fn read(find: impl Fn(&ChildKey) -> Option<&'a Child>, fleet: &FleetKey, uid: &str) -> Self {
        let maps: BTreeMap<usize, &Child> = (0..MAX_PARTS)
            .filter_map(|index| find(&key(fleet, index)).map(|child| (index, child)))
            .filter(|(_, child)| child.owner.as_deref().is_none_or(|of| of == uid) && !child.deleting)
            .collect();
        let highest = maps.values().map(|child| revision(child)).max().unwrap_or(0);
        let groups = maps.get(&0).and_then(|first| serde_json::from_str(first.annotation(GROUPS)?).ok());
        let mut published = Self { maps, whole: None, highest, groups: groups.unwrap_or_default() };
        published.whole = published.is_whole().then_some(highest);
        published
    }

    fn is_whole(&self) -> bool {
        let count = self.maps.get(&0).and_then(|first| first.annotation(PARTS)?.parse().ok());
        count == Some(self.maps.len())
            && self.maps.values().all(|part| revision(part) == self.highest && unspoilt(part))
    }
}

fn revision(part: &Child) -> u64 {
    part.annotation(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Whether a part holds what was written into it.
fn unspoilt(part: &Child) -> bool {
    let held = part.value.get("binaryData").and_then(|data| data.get(parts::KEY)).and_then(Value::as_str);
    part.owner.is_some() && held.is_some() && held == part.annotation(PART)
}

/// What the ConfigMaps of a fleet are made with.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Labels of every object of the fleet.
    pub labels: &'a BTreeMap<String, String>,
    /// The owner reference to the fleet.
    pub owner: &'a Value,
    /// The revision that the fleet's status tells of.
    pub told: u64,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// What to publish so that `document` is, or `None` if it is already. Its revision and groups are ignored.
///
/// # Errors
/// The document does not fit into its parts.
pub fn publication(
    mut document: Document,
    published: &Published<'_>,
    frame: &Frame<'_>,
) -> Result<Option<Publication>, EncodeError> {
    let md5s = groups::digests(&document)?;
    let same =
        |(name, md5): (&String, &String)| published.groups.get(name).is_some_and(|group| group.md5 == *md5);
    if published.whole.is_some() && md5s.iter().all(same) {
        return Ok(None);
    }
    let revision = (published.highest.max(frame.told) + 1).max(frame.now_ms);
    document.groups = groups::numbered(md5s, &published.groups, revision);
    document.revision = revision;
    let encoded = encode(&document)?;
    let fleet = (document.fleet.namespace.clone(), document.fleet.name.clone());
    let bytes: usize = encoded.iter().map(Vec::len).sum();
    let groups = serde_json::to_string(&document.groups).unwrap_or_default();
    let count = encoded.len();
    let map = |(index, part): (usize, Vec<u8>)| {
        let key = key(&fleet, index);
        let there = published.maps.get(&index).copied();
        let annotations = json!({REVISION: revision.to_string(), GROUPS: groups, PARTS: count.to_string()});
        let map = config_map(&key, there, &annotations, &part, frame);
        (key, map)
    };
    let maps = encoded.into_iter().enumerate().map(map).collect();
    let beyond = published.maps.iter().filter(|(index, _)| **index >= count);
    let gone = beyond.map(|(index, child)| (key(&fleet, *index), child.uid.clone())).collect();
    Ok(Some(Publication { fleet, revision, interval: interval(bytes), maps, gone }))
}

fn key((namespace, name): &FleetKey, index: usize) -> ChildKey {
    let name = parts::config_map_name(name, index);
    ChildKey { kind: ObjectKind::ConfigMap, namespace: namespace.clone(), name }
}

fn config_map(
    key: &ChildKey,
    there: Option<&Child>,
    annotations: &Value,
    part: &[u8],
    frame: &Frame<'_>,
) -> Value {
    let content = base64(part);
    let mut map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "namespace": key.namespace,
            "name": key.name,
            "labels": frame.labels,
            "annotations": annotations,
            "ownerReferences": [frame.owner],
        },
        "binaryData": {parts::KEY: content},
    });
    map["metadata"]["annotations"][PART] = hex::sha256(content.as_bytes()).into();
    if let Some(there) = there {
        map["metadata"]["resourceVersion"] = there.version.to_string().into();
        map["metadata"]["uid"] = there.uid.clone().into();
    }
    map
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// How long a fleet waits after a publication of `bytes`.
#[must_use]
pub fn interval(bytes: usize) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    LEAST_INTERVAL.max(Duration::from_millis(bytes.saturating_mul(1_000) / BYTES_PER_SECOND))
}

#[cfg(test)]
mod tests;
