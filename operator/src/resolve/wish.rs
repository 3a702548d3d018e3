//! What each stream asks for: the fleet it names, the one that serves it now, and what both say.
//! It looks at one stream at a time; who gets what is decided afterwards.

use std::collections::HashMap;

use sluice_crds::{DataStream, ProxyFleet};

use super::stream::{self, Ids};
use super::{
    Cluster, DEFAULT_FLEET, DEFAULT_FLEET_NAMESPACE, FleetKey, Place, Refusal, ResolvedStream, Written,
};
use crate::Reason;

/// Fleets by namespace and name, each with its place in the list of all.
pub(super) struct Known<'a>(HashMap<(&'a str, &'a str), (usize, &'a ProxyFleet)>);

impl<'a> Known<'a> {
    pub(super) fn new(fleets: &[Written<'a, ProxyFleet>]) -> Self {
        let named = fleets.iter().enumerate().map(|(index, fleet)| {
            let metadata = &fleet.resource.metadata;
            let name = |part: &'a Option<String>| part.as_deref().unwrap_or_default();
            ((name(&metadata.namespace), name(&metadata.name)), (index, fleet.resource))
        });
        Self(named.collect())
    }

    fn find(&self, namespace: &str, name: &str) -> Option<(usize, &'a ProxyFleet)> {
        self.0.get(&(namespace, name)).copied()
    }
}

/// What a stream asks for. Fleets are named by their place in the list of all.
pub(super) struct Wish {
    pub(super) ids: Ids,
    /// The fleet it names, or the default one; absent if that is not there.
    pub(super) wanted: Option<usize>,
    /// What that says.
    pub(super) offer: Result<ResolvedStream, Refusal>,
    /// The fleet that served it last.
    pub(super) now: Option<usize>,
    /// How that would go on serving it; absent if it may or can no more, or is the one wanted.
    pub(super) stay: Option<ResolvedStream>,
}

impl Wish {
    pub(super) fn of(stream: &DataStream, known: &Known<'_>, place: Place<'_>) -> Self {
        let ids = stream::ids(stream);
        let found = find(stream, &ids, known, place);
        let wanted = found.as_ref().ok().map(|(index, _)| *index);
        let offer = found.and_then(|(_, fleet)| stream::offer(fleet, stream, &ids, place));
        let now = now(stream, known, place);
        let other = now.filter(|(index, _)| Some(*index) != wanted);
        let stay = other.and_then(|(_, fleet)| stream::offer(fleet, stream, &ids, place).ok());
        Self { ids, wanted, offer, now: now.map(|(index, _)| index), stay }
    }

    /// The fleet it would be on if it were alone; absent if on none.
    pub(super) fn fleet(&self) -> Option<usize> {
        match (&self.offer, &self.stay) {
            (Ok(_), _) => self.wanted,
            (Err(_), Some(_)) => self.now,
            (Err(_), None) => None,
        }
    }
}

fn find<'a>(
    stream: &DataStream,
    ids: &Ids,
    known: &Known<'a>,
    place: Place<'_>,
) -> Result<(usize, &'a ProxyFleet), Refusal> {
    let named = match (&stream.spec.fleet, place) {
        (Some(fleet), _) => {
            Some((fleet.namespace.as_deref().unwrap_or(&ids.stream.namespace), fleet.name.as_str()))
        }
        (None, Place::Host(_)) => Some((DEFAULT_FLEET_NAMESPACE, DEFAULT_FLEET)),
        (None, Place::Files(_)) => None,
        (None, Place::Cluster(cluster)) => {
            Some((cluster.default_fleet.0.as_str(), cluster.default_fleet.1.as_str()))
        }
    };
    let found = named.and_then(|(namespace, name)| known.find(namespace, name));
    found.ok_or_else(|| {
        let (namespace, name) = named.unwrap_or_default();
        let (reason, message) = match (&stream.spec.fleet, place) {
            (None, Place::Files(_)) => (
                Reason::NoDefaultFleet,
                "the default ProxyFleet is the operator's, which is not known here; name one".to_owned(),
            ),
            (None, Place::Cluster(cluster)) => (Reason::NoDefaultFleet, no_default(&cluster)),
            (None, Place::Host(_)) => (
                Reason::NoDefaultFleet,
                format!(
                    "there is no valid ProxyFleet {namespace}/{name}, the default; add it or name another"
                ),
            ),
            (Some(_), Place::Host(_) | Place::Files(_)) => (
                Reason::FleetNotFound,
                format!("there is no valid ProxyFleet {namespace}/{name}; add it or name another"),
            ),
            (Some(_), Place::Cluster(_)) => (
                Reason::FleetNotFound,
                format!("there is no ProxyFleet {namespace}/{name}; make it, or name another in spec.fleet"),
            ),
        };
        Refusal { field: "spec.fleet", reason, message }
    })
}

fn no_default(cluster: &Cluster<'_>) -> String {
    let (namespace, name) = cluster.default_fleet;
    match cluster.no_default_fleet {
        Some(words) => words.to_owned(),
        None => format!("ProxyFleet {namespace}/{name}, the default, is being made; nothing is to be done"),
    }
}

/// The fleet that served the stream last, if there still is one of the name.
fn now<'a>(stream: &DataStream, known: &Known<'a>, place: Place<'_>) -> Option<(usize, &'a ProxyFleet)> {
    if !matches!(place, Place::Cluster(_)) {
        return None;
    }
    let (namespace, name) = last(stream)?;
    known.find(namespace, name)
}

/// Namespace and name of the fleet that served the stream last.
fn last(stream: &DataStream) -> Option<(&str, &str)> {
    stream.status.as_ref()?.fleet.as_deref()?.split_once('/')
}

/// The fleets that decide about a stream: the one it names, or the default one, and the one that served it last.
pub(crate) fn fleets_of(stream: &DataStream, default_fleet: &FleetKey) -> (FleetKey, Option<FleetKey>) {
    let own = || stream.metadata.namespace.clone().unwrap_or_default();
    let wanted = stream.spec.fleet.as_ref().map_or_else(
        || default_fleet.clone(),
        |fleet| (fleet.namespace.clone().unwrap_or_else(own), fleet.name.clone()),
    );
    let last = last(stream).map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    (wanted, last)
}
