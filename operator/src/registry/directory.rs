//! Which fleets there are, with the nodes that are theirs, and which groups they serve: a snapshot that never changes.
//! It is filled in by whoever knows, a cluster's watch or local mode; nothing that a node says of itself is in it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::map::Map;
use crate::resolve::FleetKey;

/// What there is.
#[derive(Debug, Default)]
pub struct Directory {
    groups: Arc<Groups>,
    fleets: BTreeMap<FleetKey, Arc<Fleet>>,
    map: Arc<Map>,
    /// By uid: the fleet, and the place in its nodes.
    uids: HashMap<Arc<str>, (FleetKey, usize)>,
    /// By uid.
    sidecars: HashMap<Arc<str>, Beside>,
}

/// A pod that has a sidecar. It is heard, and told of its fleet's configuration; nobody is ever sent there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The fleet that its sidecar is of, which is of the pod's namespace.
    pub fleet: FleetKey,
    /// The pod's name.
    pub name: Arc<str>,
}

/// Where groups are served, by groupId.
pub type Groups = HashMap<String, Group>;

/// A group that a fleet serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The fleet.
    pub fleet: FleetKey,
    /// The longest body that a stream of the group takes, in bytes.
    pub longest: u64,
    /// Whether each of its streams asks producers for something.
    pub guarded: bool,
}

/// A fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Where its nodes take reports over HTTP.
    pub port: u16,
    /// Whether a client is sent to the node of its own machine first: there is one on each.
    pub same_machine: bool,
    /// The longest body that any of its streams takes, in bytes.
    pub longest: u64,
    /// Whether it has streams and each of them asks producers for something.
    pub guarded: bool,
    /// Its nodes.
    pub nodes: Vec<Node>,
}

/// A node of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Uid of its pod, or of its process in local mode.
    pub uid: Arc<str>,
    /// Name of its pod.
    pub name: Arc<str>,
    /// Its address, once it has one.
    pub ip: Option<IpAddr>,
    /// Where it shows its metrics.
    pub admin: Option<SocketAddr>,
    /// Whether it is called ready and is not leaving.
    pub ready: bool,
    /// The machine that it runs on.
    pub machine: Option<Arc<str>>,
}

impl Directory {
    /// A snapshot.
    #[must_use]
    pub fn new(groups: Arc<Groups>, fleets: BTreeMap<FleetKey, Arc<Fleet>>, map: Arc<Map>) -> Self {
        let mut uids = HashMap::new();
        for (key, fleet) in &fleets {
            for (at, node) in fleet.nodes.iter().enumerate() {
                uids.insert(Arc::clone(&node.uid), (key.clone(), at));
            }
        }
        Self { groups, fleets, map, uids, sidecars: HashMap::new() }
    }

    /// The same, with these pods that have a sidecar.
    #[must_use]
    pub fn with_sidecars(self, sidecars: HashMap<Arc<str>, Beside>) -> Self {
        Self { sidecars, ..self }
    }

    /// The pod of a uid, if it has a sidecar.
    #[must_use]
    pub fn sidecar(&self, uid: &str) -> Option<(&Arc<str>, &Beside)> {
        self.sidecars.get_key_value(uid)
    }

    /// The group of a groupId, if a fleet serves it.
    #[must_use]
    pub fn group(&self, group: &str) -> Option<&Group> {
        self.groups.get(group)
    }

    /// The fleet that InLong's clients call so: `<namespace>.<fleet>`. A namespace has no dot in its name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&FleetKey> {
        let (namespace, fleet) = name.split_once('.')?;
        self.fleets.get_key_value(&(namespace.to_owned(), fleet.to_owned())).map(|(key, _)| key)
    }

    /// Every fleet.
    #[must_use]
    pub const fn fleets(&self) -> &BTreeMap<FleetKey, Arc<Fleet>> {
        &self.fleets
    }

    /// The node of a uid, and its fleet.
    #[must_use]
    pub fn node(&self, uid: &str) -> Option<(&FleetKey, &Node)> {
        let (key, at) = self.uids.get(uid)?;
        Some((key, self.fleets.get(key)?.nodes.get(*at)?))
    }

    /// Whether machines are where they are in another.
    #[must_use]
    pub fn has_map_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.map, &other.map) || self.map == other.map
    }

    /// Where machines are.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_found_by_its_cluster_name_and_a_node_by_its_uid() {
        let key = ("data".to_owned(), "big.one".to_owned());
        let node =
            Node { uid: "u".into(), name: "p".into(), ip: None, admin: None, ready: true, machine: None };
        let fleet = Fleet { nodes: vec![node.clone()], ..Fleet::default() };
        let directory =
            Directory::new(Arc::default(), [(key.clone(), Arc::new(fleet))].into(), Arc::default());
        assert_eq!(directory.cluster("data.big.one"), Some(&key));
        assert_eq!(directory.cluster("data"), None);
        assert_eq!(directory.node("u"), Some((&key, &node)));
        assert_eq!(directory.node("v"), None);
    }
}
