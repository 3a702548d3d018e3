//! The registry's directory out of the store: made at every replica, whether it leads or not, so that all replicas answer
//! alike. Where a group is served, it takes from what streams were told: that is the leader's decision.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use sluice_crds::DataStream;
use sluice_crds::auth::AuthType;
use sluice_crds::pods::Mode;

use super::sidecars;
use crate::nodes;
use crate::observe::NodeView;
use crate::registry::directory::{Beside, Directory, Fleet, Group, Groups, Node};
use crate::registry::map::Map;
use crate::resolve::FleetKey;
use crate::watch::cluster::{Source, Store};

/// The longest body of a fleet without streams, in bytes: what a stream takes that says nothing of it.
const USUAL_LENGTH: u64 = 64 << 10;

/// Makes directories, and keeps of the last what has not changed.
#[derive(Debug, Default)]
pub(super) struct Maker {
    groups: Arc<Groups>,
    map: Arc<Map>,
    /// The store's number of moves that the map is of.
    moves: u64,
    streams_changed: bool,
    changed: bool,
}

impl Maker {
    /// Something of this kind changed.
    pub(super) const fn note(&mut self, source: Source) {
        match source {
            // Which fleets are of sidecars says which groups are told.
            Source::Streams | Source::Fleets => (self.streams_changed, self.changed) = (true, true),
            Source::Pods | Source::Sidecars => self.changed = true,
            // Machines are looked at by the store's own count of moves.
            Source::Nodes | Source::Namespaces | Source::Settings | Source::Children(_) => {}
        }
    }

    /// Whether what the last directory was made of has changed.
    pub(super) const fn is_stale(&self, store: &Store) -> bool {
        self.changed || self.moves != store.moves
    }

    /// The directory of what the store shows now.
    pub(super) fn make(&mut self, store: &Store) -> Arc<Directory> {
        if std::mem::take(&mut self.streams_changed) {
            self.groups = Arc::new(groups(store));
        }
        if self.moves != store.moves {
            (self.map, self.moves) = (Arc::new(Map::new(&store.machines)), store.moves);
        }
        self.changed = false;
        let fleets = fleets(store, &self.groups);
        let directory = Directory::new(Arc::clone(&self.groups), fleets, Arc::clone(&self.map));
        Arc::new(directory.with_sidecars(beside(store)))
    }
}

/// Of the streams that are told a fleet, by their groupId. While a group moves they may be told two for a moment; the
/// oldest counts.
fn groups(store: &Store) -> Groups {
    let mut oldest: HashMap<String, _> = HashMap::new();
    let mut groups = Groups::new();
    for (name, stream) in &store.streams {
        let Some((group, fleet)) = served(stream).filter(|(_, fleet)| !sidecars::gives(store, fleet)) else {
            continue;
        };
        let longest = stream.spec.limits.max_body_bytes.bytes();
        let age = (stream.metadata.creation_timestamp.as_ref().map(|time| time.0), name);
        let known = groups.entry(group.to_owned()).or_insert_with(|| Group {
            fleet: fleet.clone(),
            longest: 0,
            guarded: true,
        });
        known.longest = known.longest.max(longest);
        known.guarded &= stream.spec.auth.as_ref().is_some_and(|auth| auth.kind != AuthType::None);
        match oldest.get(group) {
            Some(before) if *before <= age => {}
            _ => {
                known.fleet = fleet;
                oldest.insert(group.to_owned(), age);
            }
        }
    }
    groups
}

/// The groupId of a stream that a fleet serves, and the fleet.
fn served(stream: &DataStream) -> Option<(&str, FleetKey)> {
    let status = stream.status.as_ref()?;
    let (namespace, name) = status.fleet.as_deref()?.split_once('/')?;
    Some((status.group_id.as_deref()?, (namespace.to_owned(), name.to_owned())))
}

fn fleets(store: &Store, groups: &Groups) -> BTreeMap<FleetKey, Arc<Fleet>> {
    let mut of: HashMap<&FleetKey, (u64, bool)> = HashMap::new();
    for group in groups.values() {
        let (longest, guarded) = of.entry(&group.fleet).or_insert((0, true));
        (*longest, *guarded) = (group.longest.max(*longest), *guarded && group.guarded);
    }
    let mut fleets: BTreeMap<FleetKey, Fleet> = BTreeMap::new();
    for (key, fleet) in store.fleets.iter().filter(|(_, fleet)| fleet.spec.mode != Mode::Sidecar) {
        let (longest, guarded) = of.get(key).copied().unwrap_or((USUAL_LENGTH, false));
        let made = Fleet {
            port: fleet.spec.listeners.http.port,
            same_machine: fleet.spec.mode == Mode::DaemonSet,
            longest,
            guarded,
            nodes: Vec::new(),
        };
        fleets.insert(key.clone(), made);
    }
    // Who has a sidecar is never listed, whatever else the pod is.
    let listed = store
        .pods
        .iter()
        .filter(|(name, _)| store.sidecars.get(*name).is_none_or(|(_, view)| view.image.is_none()));
    for (_, (key, view)) in listed {
        if let Some(fleet) = fleets.get_mut(key) {
            fleet.nodes.push(node(view));
        }
    }
    fleets.into_iter().map(|(key, fleet)| (key, Arc::new(fleet))).collect()
}

/// Pods that have a sidecar, by uid.
fn beside(store: &Store) -> HashMap<Arc<str>, Beside> {
    let one = |(fleet, node): (&FleetKey, &NodeView)| {
        (node.uid.as_str().into(), Beside { fleet: fleet.clone(), name: node.pod.as_str().into() })
    };
    sidecars::nodes(store).map(one).collect()
}

fn node(view: &NodeView) -> Node {
    Node {
        uid: view.uid.as_str().into(),
        name: view.pod.as_str().into(),
        ip: view.ip,
        admin: view.ip.map(|ip| SocketAddr::new(ip, nodes::PORT)),
        ready: view.ready && !view.terminating,
        machine: view.machine.as_deref().map(Into::into),
    }
}

#[cfg(test)]
mod tests;
