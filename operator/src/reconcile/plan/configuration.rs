//! Each fleet's configuration: published when it has changed, no more often than its size allows, and never
//! larger than its parts hold.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Plan, Round};
use crate::ObjectRef;
use crate::apply::Write;
use crate::build;
use crate::build::objects::{Owner, labels};
use crate::hex::sha256;
use crate::publish::cluster::{Frame, Publication, Published, publication};
use crate::publish::parts::EncodeError;
use crate::reconcile::{Fit, Memory};
use crate::resolve::{FleetKey, ResolvedFleet, ResolvedStream};

/// A paused fleet is looked at too, but not written: who has no place in it is known without publishing.
pub(super) fn plan(round: &mut Round<'_>, memory: &mut Memory, plan: &mut Plan) {
    let mut full = Vec::new();
    for resolved in &round.resolution.fleets {
        let key = resolved.key();
        if round.proofs.waiting.contains(&key) {
            continue;
        }
        let paused = round.is_paused(&key);
        if let Some(due) = memory.publish.get(&key).filter(|due| !paused && **due > round.now) {
            plan.again = Some(plan.again.map_or(*due, |again| again.min(*due)));
        } else {
            let publication = one(round, memory, resolved).filter(|_| !paused);
            plan.writes.extend(publication.map(Write::Publish));
        }
        full.extend(memory.fits.get(&key).map(|fit| (key, fit.beyond.clone())));
    }
    for (fleet, beyond) in full {
        round.resolution.turn_away(&fleet, &beyond);
    }
}

/// What of one fleet's configuration has to be published, if any.
fn one(round: &Round<'_>, memory: &mut Memory, resolved: &ResolvedFleet) -> Option<Publication> {
    let key = resolved.key();
    let fleet = round.fleet(&key)?;
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
    let attempt = |fleet: &ResolvedFleet| publication(build::document(fleet, 0), &published, &frame);
    match fit(round, memory, resolved, attempt) {
        Ok(publication) => publication,
        Err(error) => {
            tracing::error!(fleet = ?key, %error, "the fleet's configuration can't be written");
            None
        }
    }
}

/// What of the configuration can be published: all, unless that proves too large.
fn fit<T>(
    round: &Round<'_>,
    memory: &mut Memory,
    resolved: &ResolvedFleet,
    attempt: impl Fn(&ResolvedFleet) -> Result<T, EncodeError>,
) -> Result<T, EncodeError> {
    let key = resolved.key();
    let state = || sha256(format!("{resolved:?}").as_bytes());
    if let Some(fit) = memory.fits.get(&key)
        && fit.of == state()
    {
        return attempt(&without(resolved, &fit.beyond));
    }
    let whole = attempt(resolved);
    if !whole.as_ref().is_err_and(EncodeError::is_too_large) {
        memory.fits.remove(&key);
        return whole;
    }
    let order = order(round, resolved);
    let beyond = |count: usize| -> BTreeSet<ObjectRef> { order.iter().skip(count).cloned().collect() };
    let (mut fits, mut too_many) = (0, order.len());
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if attempt(&without(resolved, &beyond(middle))).is_ok() { fits = middle } else { too_many = middle }
    }
    tracing::warn!(fleet = ?key, streams = order.len(), fits, "the fleet's configuration holds no more streams");
    let fit = Fit { of: state(), beyond: beyond(fits) };
    let publication = attempt(&without(resolved, &fit.beyond));
    memory.fits.insert(key, fit);
    publication
}

fn without(resolved: &ResolvedFleet, beyond: &BTreeSet<ObjectRef>) -> ResolvedFleet {
    let mut fleet = resolved.clone();
    fleet.streams.retain(|stream| !beyond.contains(&stream.reference()));
    fleet
}

/// A fleet's streams in the order in which they have a place: those that it serves already, then the older.
fn order(round: &Round<'_>, resolved: &ResolvedFleet) -> Vec<ObjectRef> {
    let fleet = resolved.key();
    let mut streams: Vec<ObjectRef> = resolved.streams.iter().map(ResolvedStream::reference).collect();
    streams.sort_by_cached_key(|stream| {
        let known = round.store.streams.get(&stream.key());
        let served = known.and_then(|known| known.status.as_ref()?.fleet.as_deref());
        let created = known.and_then(|known| known.metadata.creation_timestamp.as_ref().map(|time| time.0));
        (!is(served, &fleet), created, stream.clone())
    });
    streams
}

/// Whether a status names this fleet.
fn is(told: Option<&str>, (namespace, name): &FleetKey) -> bool {
    told.and_then(|told| told.split_once('/')) == Some((namespace, name))
}
