//! Fleets among themselves: who has a port of a host they share.
//! It looks at no stream.

use std::collections::BTreeMap;

use sluice_crds::{Kind, ProxyFleet};

use super::{FleetKey, ResolvedFleet, ResolvedStream, Written};
use crate::{ObjectRef, Problem, Reason};

pub(super) fn key(fleet: &ProxyFleet) -> FleetKey {
    let metadata = &fleet.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

pub(super) fn resolved(
    fleet: &ProxyFleet,
    (namespace, name): FleetKey,
    mut streams: Vec<ResolvedStream>,
) -> ResolvedFleet {
    streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
    let uid = fleet.metadata.uid.clone().unwrap_or_default();
    ResolvedFleet { namespace, name, uid, spec: fleet.spec.clone(), streams }
}

/// For each fleet: the problem of not having its port, if it does not.
pub(super) fn ports_taken(fleets: &[Written<'_, ProxyFleet>], one_host: bool) -> Vec<Option<Problem>> {
    let mut owners: BTreeMap<u16, FleetKey> = BTreeMap::new();
    let mut problems = Vec::with_capacity(fleets.len());
    for fleet in fleets {
        let port = fleet.resource.spec.listeners.http.port;
        let own = key(fleet.resource);
        let owner = owners.entry(port).or_insert_with(|| own.clone());
        let taken = one_host && *owner != own;
        problems.push(taken.then(|| taken_by(fleet, own, port, owner)));
    }
    problems
}

fn taken_by(fleet: &Written<'_, ProxyFleet>, own: FleetKey, port: u16, owner: &FleetKey) -> Problem {
    Problem {
        file: fleet.file.to_owned(),
        object: Some(ObjectRef { kind: Kind::ProxyFleet, namespace: own.0, name: own.1 }),
        field: "spec.listeners.http.port".to_owned(),
        reason: Reason::PortTaken,
        message: format!("{port} is taken by ProxyFleet {}/{}; choose another port", owner.0, owner.1),
    }
}
