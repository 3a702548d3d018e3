//! Which nodes of each fleet can be listed now, with their load: a snapshot for whoever makes lists of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::beats::Beats;
use super::directory::{Directory, Fleet, Node};
use super::placement::Candidate;
use super::silence::LeftOut;
use crate::resolve::FleetKey;

/// Who can be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// Whether nodes had the time to tell of themselves since the start.
    pub warm: bool,
    /// By fleet.
    pub fleets: BTreeMap<FleetKey, Arc<Listing>>,
}

/// Nodes of a fleet that can be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their names.
    pub nodes: Vec<Candidate>,
    /// How many are ready.
    pub ready: usize,
    /// How many of these are lost, if they are too many at once to be believed and the list stays as it was.
    pub silent: Option<usize>,
}

impl Roll {
    /// The listing of a fleet.
    #[must_use]
    pub fn listing(&self, fleet: &FleetKey) -> Option<&Listing> {
        self.fleets.get(fleet).map(AsRef::as_ref)
    }

    /// Whether the same nodes are listed, whatever their load, and as much is known of them.
    #[must_use]
    pub fn has_members_of(&self, other: &Self) -> bool {
        self.warm == other.warm
            && self.fleets.len() == other.fleets.len()
            && self.fleets.iter().zip(&other.fleets).all(|((a, ours), (b, theirs))| {
                a == b && (Arc::ptr_eq(ours, theirs) || ours.has_members_of(theirs))
            })
    }
}

impl Listing {
    /// The nodes of `fleet` that are ready and neither leave nor are left out; while one is ready, there is one.
    pub(super) fn of(fleet: &Fleet, directory: &Directory, beats: &Beats, left_out: &LeftOut) -> Self {
        let ready = || fleet.nodes.iter().filter(|node| node.ready && node.ip.is_some());
        let stays = |node: &&Node| !beats.leaves(&node.uid);
        let list = |nodes: &mut dyn Iterator<Item = &Node>| -> Vec<Candidate> {
            nodes.filter_map(|node| candidate(node, directory, beats)).collect()
        };
        let mut nodes = list(&mut ready().filter(stays).filter(|node| !left_out.has(&node.uid)));
        if nodes.is_empty() {
            nodes = list(&mut ready().filter(stays));
        }
        if nodes.is_empty() {
            nodes = list(&mut ready());
        }
        nodes.sort_by(|a, b| (&a.name, &a.uid).cmp(&(&b.name, &b.uid)));
        Self { nodes, ready: ready().count(), silent: left_out.silent }
    }

    fn has_members_of(&self, other: &Self) -> bool {
        let member = |node: &Candidate| (Arc::clone(&node.uid), node.ip, node.zone.clone());
        (self.ready, self.silent) == (other.ready, other.silent)
            && self.nodes.iter().map(member).eq(other.nodes.iter().map(member))
    }
}

fn candidate(node: &Node, directory: &Directory, beats: &Beats) -> Option<Candidate> {
    let zone = node.machine.as_deref().and_then(|machine| directory.map().zone(machine));
    let candidate = Candidate::new(Arc::clone(&node.uid), Arc::clone(&node.name), node.ip?);
    Some(Candidate { load: beats.load(&node.uid), machine: node.machine.clone(), zone, ..candidate })
}
