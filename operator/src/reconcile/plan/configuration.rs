//! Each fleet's configuration: published when it has changed, no more often than its size allows, and never
//! larger than its parts hold.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Plan, Round};
use crate::ObjectRef;
use crate::apply::Write;
use crate::build;
use crate::build::objects::{Owner, labels};
use crate::publish::cluster::{Frame, Published, publication};
use crate::publish::parts::EncodeError;
use crate::reconcile::Memory;
use crate::resolve::{FleetKey, ResolvedFleet, ResolvedStream};
use crate::watch::cluster::child::digest;

pub(super) fn plan(round: &mut Round<'_>, memory: &mut Memory, plan: &mut Plan) {
    let mut full = Vec::new();
    for resolved in &round.resolution.fleets {
        let key = resolved.key();
        if round.is_paused(&key) {
            continue;
        }
        if let Some(due) = memory.publish.get(&key).filter(|due| **due > round.now) {
            plan.again = Some(plan.again.map_or(*due, |again| again.min(*due)));
            full.push((key.clone(), memory.turned_away(&key)));
            continue;
        }
        let streams = one(round, memory, plan, resolved);
        full.push((key, streams));
    }
    for (fleet, streams) in full.into_iter().filter(|(_, streams)| !streams.is_empty()) {
        round.resolution.turn_away(&fleet, &streams);
    }
}

impl Memory {
    /// The streams that had no place when the fleet's configuration was looked at last.
    fn turned_away(&self, fleet: &FleetKey) -> BTreeSet<ObjectRef> {
        self.full.get(fleet).cloned().unwrap_or_default()
    }

    fn note_fit(&mut self, fleet: &FleetKey, beyond: &BTreeSet<ObjectRef>) {
        if beyond.is_empty() {
            self.full.remove(fleet);
        } else {
            self.full.insert(fleet.clone(), beyond.clone());
        }
    }
}

/// Publishes one fleet's configuration if need be, and gives the streams that it does not hold.
fn one(
    round: &Round<'_>,
    memory: &mut Memory,
    plan: &mut Plan,
    resolved: &ResolvedFleet,
) -> BTreeSet<ObjectRef> {
    let key = resolved.key();
    let Some(fleet) = round.fleet(&key) else { return BTreeSet::new() };
    let uid = fleet.metadata.uid.as_deref().unwrap_or_default();
    let published = Published::read(|key| round.store.children.get(key), &key, uid);
    let labels = labels::fleet(&key.1);
    let owner = json!(Owner::fleet(&key.1, uid).reference());
    let told = fleet.status.as_ref().and_then(|status| status.revision);
    let frame = Frame {
        labels: &labels,
        owner: &owner,
        told: told.and_then(|revision| u64::try_from(revision).ok()).unwrap_or(0),
        now_ms: round.now_ms,
    };
    let order = Order::of(round, resolved);
    let attempt = |count: usize| {
        let part = ResolvedFleet { streams: order.first(count), ..resolved.clone() };
        publication(build::document(&part, 0), &published, &frame)
    };
    let (publication, count) = fit(memory, resolved, &attempt);
    match publication {
        Ok(publication) => plan.writes.extend(publication.map(Write::Publish)),
        Err(error) => tracing::error!(fleet = ?key, %error, "the fleet's configuration can't be written"),
    }
    let beyond = order.beyond(count);
    memory.note_fit(&key, &beyond);
    beyond
}

/// What of the configuration can be published, and how many streams it then holds: all, unless that proves too
/// large.
fn fit<T>(
    memory: &mut Memory,
    resolved: &ResolvedFleet,
    attempt: &impl Fn(usize) -> Result<T, EncodeError>,
) -> (Result<T, EncodeError>, usize) {
    let (key, all) = (resolved.key(), resolved.streams.len());
    let state = || digest(format!("{resolved:?}").as_bytes());
    if let Some((of, count)) = memory.fits.get(&key)
        && *of == state()
    {
        return (attempt(*count), *count);
    }
    let whole = attempt(all);
    if !whole.as_ref().is_err_and(EncodeError::is_too_large) {
        memory.fits.remove(&key);
        return (whole, all);
    }
    let (mut fits, mut too_many) = (0, all);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if attempt(middle).is_ok() { fits = middle } else { too_many = middle }
    }
    tracing::warn!(fleet = ?key, streams = all, fits, "the fleet's configuration holds no more streams");
    memory.fits.insert(key, (state(), fits));
    (attempt(fits), fits)
}

/// A fleet's streams in the order in which they have a place: those that had one, then the older.
struct Order<'a>(Vec<&'a ResolvedStream>);

impl<'a> Order<'a> {
    fn of(round: &Round<'_>, resolved: &'a ResolvedFleet) -> Self {
        let mut streams: Vec<&ResolvedStream> = resolved.streams.iter().collect();
        streams.sort_by_cached_key(|stream| {
            let known = round.store.streams.get(&(stream.namespace.clone(), stream.name.clone()));
            let accepted = known.and_then(|known| known.status.as_ref()).is_some_and(|status| {
                status.conditions.iter().any(|c| c.type_ == "Accepted" && c.status == "True")
            });
            let created =
                known.and_then(|known| known.metadata.creation_timestamp.as_ref().map(|time| time.0));
            (!accepted, created, stream.namespace.clone(), stream.name.clone())
        });
        Self(streams)
    }

    /// The first `count`, in the order in which a document has them.
    fn first(&self, count: usize) -> Vec<ResolvedStream> {
        let mut streams: Vec<ResolvedStream> =
            self.0.iter().take(count).map(|stream| (*stream).clone()).collect();
        streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
        streams
    }

    fn beyond(&self, count: usize) -> BTreeSet<ObjectRef> {
        let reference = |stream: &&ResolvedStream| ObjectRef {
            kind: sluice_crds::Kind::DataStream,
            namespace: stream.namespace.clone(),
            name: stream.name.clone(),
        };
        self.0.iter().skip(count).map(reference).collect()
    }
}
