//! Fleets among themselves: who has a port of a host they share, and what is told of those they turn away.
//! It decides nothing about a stream.

use std::collections::BTreeMap;

use sluice_crds::fleet::Refused;
use sluice_crds::{Kind, ProxyFleet};

use super::{FleetKey, Place, ResolvedFleet, ResolvedStream, Written};
use crate::names::name_of;
use crate::{ObjectRef, Problem, Reason};

/// How many counts of refused streams are told.
const REFUSED_MAX: usize = 64;

/// How many streams a fleet turns away, by namespace and reason.
pub(super) type Turned = BTreeMap<(String, &'static str), i32>;

pub(super) fn resolved(
    fleet: &ProxyFleet,
    (namespace, name): FleetKey,
    mut streams: Vec<ResolvedStream>,
    turned: Turned,
) -> ResolvedFleet {
    streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
    let uid = fleet.metadata.uid.clone().unwrap_or_default();
    ResolvedFleet {
        namespace,
        name,
        uid,
        spec: fleet.spec.clone(),
        token_keys: None,
        streams,
        refused: refused(turned),
    }
}

pub(super) fn refused(turned: Turned) -> Vec<Refused> {
    let counted = turned.into_iter().map(|((namespace, reason), count)| Refused {
        namespace,
        reason: reason.to_owned(),
        count,
    });
    counted.take(REFUSED_MAX).collect()
}

/// For each fleet: the problem of not having its port, if it does not.
pub(super) fn ports_taken(fleets: &[Written<'_, ProxyFleet>], place: Place<'_>) -> Vec<Option<Problem>> {
    let one_host = matches!(place, Place::Host(_));
    let mut owners: BTreeMap<u16, FleetKey> = BTreeMap::new();
    let mut problems = Vec::with_capacity(fleets.len());
    for fleet in fleets {
        let own = name_of(&fleet.resource.metadata);
        let ports = || fleet.resource.spec.listeners.ports();
        let taken = ports().find_map(|(name, port)| {
            let owner = owners.get(&port).filter(|owner| one_host && **owner != own)?;
            Some(taken_by(fleet, own.clone(), (name, port), owner))
        });
        // One that has not all of its ports has none of them.
        if taken.is_none() {
            owners.extend(ports().map(|(_, port)| (port, own.clone())));
        }
        problems.push(taken);
    }
    problems
}

fn taken_by(
    fleet: &Written<'_, ProxyFleet>,
    own: FleetKey,
    (name, port): (&str, u16),
    owner: &FleetKey,
) -> Problem {
    Problem {
        file: fleet.file.to_owned(),
        object: Some(ObjectRef { kind: Kind::ProxyFleet, namespace: own.0, name: own.1 }),
        field: format!("spec.listeners.{name}.port"),
        reason: Reason::PortTaken,
        message: format!("{port} is taken by ProxyFleet {}/{}; choose another port", owner.0, owner.1),
    }
}
