//! Streams' endpoint ConfigMaps: written at once when other nodes are to be listed, and seldom when only loads changed.
//! What stands in them was listed when stands in their annotations, so an operator that starts writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Plan, Round, missing};
use crate::apply::{Write, compare, hash};
use crate::build::discovery::Listed;
use crate::build::objects;
use crate::marks::{LISTED, LISTED_AT, MEMBERS};
use crate::reconcile::Memory;
use crate::registry::placement::anybody;
use crate::registry::roll::{Listing, Roll};
use crate::resolve::{Decision, FleetKey};
use crate::watch::cluster::child::slim;
use crate::watch::cluster::{Child, ChildKey};

/// After a write for other nodes, for so long there is none, so that changes that come together are written together.
const TOGETHER: Duration = Duration::from_secs(1);
/// In fleets with more streams the write budget alone holds changes together.
const FEW: usize = 100;
/// Loads alone are written no more often than this.
const LOADS: Duration = Duration::from_secs(60);
/// And in large clusters so seldom that they take no more than this part of the write budget.
const LOADS_SHARE: u32 = 10;

/// Plans the writes of all streams that are served.
pub(super) fn plan(round: &Round<'_>, memory: &Memory, plan: &mut Plan, wanted: &mut BTreeSet<ChildKey>) {
    let mut streams: BTreeMap<&FleetKey, usize> = BTreeMap::new();
    for fleet in round.resolution.streams.iter().filter_map(|decision| decision.fleet.as_ref()) {
        *streams.entry(fleet).or_default() += 1;
    }
    let roll = &memory.roll;
    let lists: BTreeMap<&FleetKey, List<'_>> =
        streams.keys().map(|fleet| (*fleet, List::of(roll, fleet))).collect();
    let pace = Pace {
        now_ms: round.now_ms,
        warm: roll.warm,
        loads: loads_every(streams.values().sum(), round.write_rate),
        together: TOGETHER,
    };
    for decision in &round.resolution.streams {
        let Some(fleet) = decision.fleet.as_ref() else { continue };
        let Some(list) = lists.get(fleet) else { continue };
        let Some((key, object)) = made(round, decision, list) else { continue };
        wanted.insert(key.clone());
        // A fleet of which the registry does not know yet is about to be told.
        if !pace.warm && !list.is_known && !round.store.children.contains_key(&key) {
            continue;
        }
        let few = streams.get(fleet).is_some_and(|streams| *streams <= FEW);
        let pace = Pace { together: if few { TOGETHER } else { Duration::ZERO }, ..pace };
        one(round, memory, plan, key, object, &pace);
    }
}

/// How often loads alone are written.
fn loads_every(streams: usize, write_rate: u32) -> Duration {
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    let all = Duration::from_secs(1) * streams.saturating_mul(LOADS_SHARE) / write_rate.max(1);
    LOADS.max(all)
}

/// The nodes of a fleet that are listed, the best first.
struct List<'a> {
    nodes: Vec<Listed<'a>>,
    /// A digest of which nodes could be, whatever their load.
    members: Value,
    is_known: bool,
}

impl<'a> List<'a> {
    fn of(roll: &'a Roll, fleet: &FleetKey) -> Self {
        let nodes = roll.listing(fleet).map(|listing: &Listing| listing.nodes.as_slice()).unwrap_or_default();
        let listed = anybody(nodes).into_iter().map(|node| Listed {
            uid: &node.uid,
            ip: node.ip,
            load: node.load,
            zone: node.zone.as_deref(),
        });
        let mut members: Vec<(&str, String, Option<&str>)> =
            nodes.iter().map(|node| (&*node.uid, node.ip.to_string(), node.zone.as_deref())).collect();
        members.sort_unstable();
        Self {
            nodes: listed.collect(),
            members: hash(&json!(members)).into(),
            is_known: roll.listing(fleet).is_some(),
        }
    }
}

/// The endpoint ConfigMap of a stream that is served, with its digests.
fn made(round: &Round<'_>, decision: &Decision, list: &List<'_>) -> Option<(ChildKey, Value)> {
    let stream = round.stream(decision)?;
    let fleet = round.fleet(decision.fleet.as_ref()?)?;
    let mut object = objects::endpoints(stream, decision, fleet, &list.nodes);
    let data = object.get("data").cloned().unwrap_or_default();
    let fixed: Vec<&Value> = ["SLUICE_URL", "SLUICE_GROUP_ID", "SLUICE_STREAM_ID"]
        .into_iter()
        .filter_map(|key| data.get(key))
        .chain([&list.members])
        .collect();
    let longest = stream.spec.limits.max_body_bytes.bytes();
    note(&mut object, MEMBERS, hash(&json!([fixed, longest])));
    let listed = listed(&object);
    note(&mut object, LISTED, listed);
    Some((ChildKey::of(&object)?, object))
}

/// A digest of the data of an endpoint ConfigMap, as it is kept.
fn listed(object: &Value) -> String {
    let mut slimmed = json!({"kind": "ConfigMap", "data": object.get("data")});
    slim(&mut slimmed);
    hash(slimmed.get("data").unwrap_or(&Value::Null))
}

fn note(object: &mut Value, annotation: &str, text: String) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(annotation.to_owned(), text.into());
        }
    }
}

fn noted<'a>(object: &'a Value, annotation: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(annotation)?.as_str()
}

/// How soon changes are written.
#[derive(Clone, Copy, Debug)]
struct Pace {
    now_ms: u64,
    /// Whether it is known how nodes are. Before that, what is listed stays.
    warm: bool,
    loads: Duration,
    together: Duration,
}

/// When an endpoint ConfigMap is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// It lists what it should: written only if it is not as it was written.
    Listed,
    /// Now; because of loads alone or not.
    Now { late: bool },
    /// In so many milliseconds.
    In(u64),
    /// Not before more is known.
    Later,
}

impl Pace {
    /// `intact`: whether `live` is as it was written last.
    fn due(&self, live: &Child, wanted: &Value, intact: bool) -> Due {
        let same = |annotation| live.annotation(annotation) == noted(wanted, annotation);
        if same(MEMBERS) && same(LISTED) {
            return Due::Listed;
        }
        if !intact {
            return Due::Now { late: false };
        }
        if !self.warm {
            return Due::Later;
        }
        let late = same(MEMBERS);
        let pause = if late { self.loads } else { self.together };
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let at = live.annotation(LISTED_AT).and_then(|at| at.parse::<u64>().ok()).unwrap_or(0);
        // A time that is still to come was written by a clock that goes wrong.
        match at.checked_add(pause).filter(|_| at <= self.now_ms).and_then(|due| due.checked_sub(self.now_ms))
        {
            None | Some(0) => Due::Now { late },
            Some(left) => Due::In(left),
        }
    }
}

fn one(round: &Round<'_>, memory: &Memory, plan: &mut Plan, key: ChildKey, mut object: Value, pace: &Pace) {
    let now = pace.now_ms.to_string();
    let due = match round.store.children.get(&key) {
        Some(live) => pace.due(live, &object, is_intact(memory, &key, live, &object)),
        None => Due::Now { late: false },
    };
    let at = match (due, round.store.children.get(&key).and_then(|live| live.annotation(LISTED_AT))) {
        (Due::Listed, Some(at)) => at.to_owned(),
        _ => now,
    };
    let writes = match due {
        Due::In(millis) => {
            let at = round.now + Duration::from_millis(millis);
            plan.again = Some(plan.again.map_or(at, |again| again.min(at)));
            return;
        }
        Due::Later => return,
        Due::Now { late: true } => &mut plan.late,
        Due::Listed | Due::Now { .. } => &mut plan.writes,
    };
    note(&mut object, LISTED_AT, at);
    let write: Option<Write> = missing(round.store, memory, key, object);
    writes.extend(write);
}

/// Whether an endpoint ConfigMap is as it was written last, or as the API server keeps it otherwise.
fn is_intact(memory: &Memory, key: &ChildKey, live: &Child, wanted: &Value) -> bool {
    let data = live.value.get("data").unwrap_or(&Value::Null);
    let as_written = live.annotation(LISTED) == Some(hash(data).as_str());
    let kept = || memory.kept.get(key).is_some_and(|kept| kept.live == live.written());
    let metadata = || {
        let mut bare = json!({"metadata": wanted.get("metadata")});
        if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
        compare::contains_slim(&live.value, &bare)
    };
    (as_written && metadata()) || kept()
}

#[cfg(test)]
mod tests;
