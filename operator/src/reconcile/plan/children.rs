//! Objects of fleets and streams: those that are missing or differ, and those that are wanted no more.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Plan, Round, missing};
use crate::apply::{Write, compare};
use crate::build::objects;
use crate::kind::ObjectKind;
use crate::marks::REVISION;
use crate::observe::{Fault, FaultKind};
use crate::reconcile::Memory;
use crate::resolve::{Decision, ResolvedFleet};
use crate::watch::cluster::{Child, ChildKey, Store};

/// Where a fault of a pod template is kept: it is about no object that is there.
fn template(fleet: &ResolvedFleet) -> crate::apply::About {
    crate::apply::About::Fleet(fleet.key())
}

pub(super) fn plan(round: &Round<'_>, memory: &mut Memory, plan: &mut Plan) {
    let mut wanted: BTreeSet<ChildKey> = BTreeSet::new();
    let mut spared: BTreeSet<&str> = BTreeSet::new();
    let rolling = super::rollout::Gate::of(round);
    for resolved in &round.resolution.fleets {
        let Some(fleet) = round.fleet(&resolved.key()) else { continue };
        let uid = fleet.metadata.uid.as_deref().unwrap_or_default();
        if round.is_paused(&resolved.key()) {
            spared.insert(uid);
            continue;
        }
        let made = objects::fleet(resolved, round.context);
        let faults = memory.faults.entry(resolved.key()).or_default();
        if let Some(message) = made.message() {
            // What runs goes on as it is until the template is mended.
            spared.insert(uid);
            faults.insert(template(resolved), Fault { kind: FaultKind::InvalidPodTemplate, message });
        } else {
            faults.remove(&template(resolved));
        }
        for object in made.objects {
            let Some(key) = ChildKey::of(&object) else { continue };
            wanted.insert(key.clone());
            if rolling.holds_back(&key) {
                continue;
            }
            plan.writes.extend(missing(round.store, memory, key, object));
        }
    }
    for decision in &round.resolution.streams {
        if let Some((key, object)) = endpoints(round, decision) {
            wanted.insert(key.clone());
            plan.writes.extend(missing(round.store, memory, key, object));
        }
    }
    plan.writes.extend(unwanted(round, &wanted, &spared));
}

/// The endpoint ConfigMap of a stream that is served.
fn endpoints(round: &Round<'_>, decision: &Decision) -> Option<(ChildKey, Value)> {
    let stream = round.stream(decision)?;
    let fleet_key = decision.fleet.as_ref()?;
    let fleet = round.fleet(fleet_key)?;
    let nodes = round.views.get(fleet_key).map_or(&[][..], |view| &view.nodes);
    let object = objects::endpoints(stream, decision, fleet, nodes);
    Some((ChildKey::of(&object)?, object))
}

/// Objects of fleets and streams that are there, which nobody wants. Of what has no owner any more Kubernetes
/// itself takes care; a fleet's configuration is the publisher's.
fn unwanted(round: &Round<'_>, wanted: &BTreeSet<ChildKey>, spared: &BTreeSet<&str>) -> Vec<Write> {
    let fleets = round.store.fleets.values().filter(|fleet| super::stays(round.store, &fleet.metadata));
    let streams = round.store.streams.values().filter(|stream| super::stays(round.store, &stream.metadata));
    let uids = fleets.filter_map(|fleet| fleet.metadata.uid.as_deref());
    let owners: BTreeSet<&str> = uids.chain(streams.filter_map(|s| s.metadata.uid.as_deref())).collect();
    let is_unwanted = |(key, child): &(&ChildKey, &Child)| {
        let owner = child.owner.as_deref().unwrap_or_default();
        let is_configuration = key.kind == ObjectKind::ConfigMap && child.annotation(REVISION).is_some();
        !wanted.contains(key)
            && !child.deleting
            && !is_configuration
            && owners.contains(owner)
            && !spared.contains(owner)
    };
    let delete =
        |(key, child): (&ChildKey, &Child)| Write::Delete { key: key.clone(), uid: child.uid.clone() };
    round.store.children.iter().filter(is_unwanted).map(delete).collect()
}

/// Notes an object that the API server keeps otherwise than it was asked to, so that it is not asked again and
/// again.
pub(in crate::reconcile) fn note_kept(store: &Store, memory: &mut Memory, key: &ChildKey, wanted: &Value) {
    let Some(live) = store.children.get(key) else { return };
    if compare::stand(live, wanted) == compare::Stand::Differs {
        tracing::warn!(object = %key, "the API server keeps this object otherwise than it was wanted");
        memory.kept.insert(key.clone(), (compare::digest_of(wanted).to_owned(), live.version));
    }
}
