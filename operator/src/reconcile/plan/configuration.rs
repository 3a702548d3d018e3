//! Each fleet's configuration: published when it has changed, no more often than its size allows, and never
//! larger than its parts hold.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Plan, Round};
use crate::apply::Write;
use crate::build::{self, objects};
use crate::publish::cluster::{Frame, Published, publication};
use crate::publish::parts::TooLarge;
use crate::reconcile::Memory;
use crate::resolve::{Decision, Refusal, ResolvedFleet, ResolvedStream};
use crate::watch::cluster::child::digest;
use crate::{ObjectRef, Reason};

pub(super) fn plan(round: &mut Round<'_>, memory: &mut Memory, plan: &mut Plan) {
    let mut full = BTreeSet::new();
    let fleets = std::mem::take(&mut round.resolution.fleets);
    for resolved in &fleets {
        if round.is_paused(&resolved.key()) {
            continue;
        }
        if let Some(due) = memory.publish.get(&resolved.key()).filter(|due| **due > round.now) {
            plan.again = Some(plan.again.map_or(*due, |again| again.min(*due)));
            continue;
        }
        full.extend(one(round, memory, plan, resolved));
    }
    round.resolution.fleets = fleets;
    for decision in &mut round.resolution.streams {
        if full.contains(&decision.stream) {
            refuse(decision);
        }
    }
}

/// Publishes one fleet's configuration if need be, and gives the streams that it does not hold.
fn one(round: &Round<'_>, memory: &mut Memory, plan: &mut Plan, resolved: &ResolvedFleet) -> Vec<ObjectRef> {
    let key = resolved.key();
    let Some(fleet) = round.fleet(&key) else { return Vec::new() };
    let uid = fleet.metadata.uid.as_deref().unwrap_or_default();
    let published = Published::read(|key| round.store.children.get(key), &key, uid);
    let labels = objects::labels::fleet(&key.1);
    let owner = json!(objects::Owner::fleet(&key.1, uid).reference());
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
    let count = fit(memory, resolved, &attempt);
    if let Ok(Some(publication)) = attempt(count) {
        plan.writes.push(Write::Publish(publication));
    }
    order.beyond(count)
}

/// How many streams the configuration holds: all, unless it proves too large.
fn fit<T>(
    memory: &mut Memory,
    resolved: &ResolvedFleet,
    attempt: &impl Fn(usize) -> Result<T, TooLarge>,
) -> usize {
    let all = resolved.streams.len();
    let key = resolved.key();
    let known = memory.fits.get(&key);
    if known.is_none() && attempt(all).is_ok() {
        return all;
    }
    let state = digest(format!("{resolved:?}").as_bytes());
    if let Some((of, count)) = known
        && *of == state
    {
        return *count;
    }
    if attempt(all).is_ok() {
        memory.fits.remove(&key);
        return all;
    }
    let (mut fits, mut too_many) = (0, all);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if attempt(middle).is_ok() { fits = middle } else { too_many = middle }
    }
    tracing::warn!(fleet = ?key, streams = all, fits, "the fleet's configuration holds no more streams");
    memory.fits.insert(key, (state, fits));
    fits
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
            let created = known.and_then(|known| known.metadata.creation_timestamp.as_ref().map(|time| time.0));
            (!accepted, created, stream.namespace.clone(), stream.name.clone())
        });
        Self(streams)
    }

    /// The first `count`, in the order in which a document has them.
    fn first(&self, count: usize) -> Vec<ResolvedStream> {
        let mut streams: Vec<ResolvedStream> = self.0.iter().take(count).map(|stream| (*stream).clone()).collect();
        streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
        streams
    }

    fn beyond(&self, count: usize) -> Vec<ObjectRef> {
        let reference = |stream: &&ResolvedStream| ObjectRef {
            kind: sluice_crds::Kind::DataStream,
            namespace: stream.namespace.clone(),
            name: stream.name.clone(),
        };
        self.0.iter().skip(count).map(reference).collect()
    }
}

fn refuse(decision: &mut Decision) {
    let fleet = decision.moving_to.take().or_else(|| decision.fleet.clone()).unwrap_or_default();
    decision.refusal = Some(Refusal {
        field: "spec.fleet",
        reason: Reason::FleetFull,
        message: format!(
            "the configuration of ProxyFleet {}/{} holds no further stream; attach to another fleet",
            fleet.0, fleet.1
        ),
    });
    decision.fleet = None;
}
