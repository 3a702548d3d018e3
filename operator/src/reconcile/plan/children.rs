//! Objects of fleets and streams: those that are missing or differ, and those that are wanted no more.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Plan, Round, Subject, endpoints, missing, rollout};
use crate::apply::Write;
use crate::build::objects;
use crate::kind::ObjectKind;
use crate::marks::REVISION;
use crate::observe::{Fault, FaultKind};
use crate::reconcile::Memory;
use crate::reconcile::views::Pending;
use crate::resolve::{FleetKey, ResolvedFleet};
use crate::watch::cluster::{Child, ChildKey};

/// Where a fault of a pod template is kept: it is about no object that is there.
fn template(fleet: &ResolvedFleet) -> crate::apply::About {
    crate::apply::About::Fleet(fleet.key())
}

/// The objects of a fleet that may be written.
struct Made {
    fleet: FleetKey,
    objects: Vec<(ChildKey, Value)>,
}

/// Plans the writes; gives what of fleets is still to be written.
pub(super) fn plan(round: &Round<'_>, memory: &mut Memory, plan: &mut Plan) -> Pending {
    let mut spared: BTreeSet<&str> = BTreeSet::new();
    let made: Vec<Made> =
        round.resolution.fleets.iter().filter_map(|fleet| made(round, memory, fleet, &mut spared)).collect();
    let mut wanted: BTreeSet<ChildKey> = BTreeSet::new();
    let with_workload = made.iter().filter(|made| made.objects.iter().any(|(key, _)| key.kind.is_workload()));
    let held = rollout::held(round, &with_workload.map(|made| made.fleet.clone()).collect());
    let published = plan.writes.iter().filter_map(|write| match write {
        Write::Publish(publication) => Some(publication.fleet.clone()),
        _ => None,
    });
    let mut pending = Pending { held, unwritten: published.collect() };
    for Made { fleet, objects } in made {
        for (key, object) in objects {
            wanted.insert(key.clone());
            let write = if key.kind.is_workload() && pending.held.contains_key(&fleet) {
                rollout::scale(round.store, memory, &key, &object)
            } else {
                missing(round.store, memory, key, object)
            };
            if write.is_some() {
                pending.unwritten.insert(fleet.clone());
            }
            plan.writes.extend(write);
        }
    }
    endpoints::plan(round, memory, plan, &mut wanted);
    plan.writes.extend(unwanted(round, &wanted, &spared));
    pending
}

/// The objects of a fleet, if it is not paused. What is there of a fleet in `spared` stays.
fn made<'a>(
    round: &Round<'a>,
    memory: &mut Memory,
    resolved: &ResolvedFleet,
    spared: &mut BTreeSet<&'a str>,
) -> Option<Made> {
    let fleet = resolved.key();
    let uid = round.store.fleets.get(&fleet)?.metadata.uid.as_deref().unwrap_or_default();
    if round.is_paused(&fleet) {
        spared.insert(uid);
        return None;
    }
    let made = objects::fleet(resolved, round.context);
    let faults = memory.faults.entry(Subject::Fleet(fleet.clone())).or_default();
    if let Some(message) = made.message() {
        // What runs goes on as it is until the template is mended.
        spared.insert(uid);
        faults.insert(template(resolved), Fault { kind: FaultKind::InvalidPodTemplate, message });
    } else {
        faults.remove(&template(resolved));
    }
    let objects = made.objects.into_iter().filter_map(|object| Some((ChildKey::of(&object)?, object)));
    Some(Made { fleet, objects: objects.collect() })
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
