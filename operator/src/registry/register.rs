//! What is known of all nodes together, and the roll that follows from it.
//! It is told what happens and when; it opens no connection and has no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::beats::{Beats, Said};
use super::directory::Directory;
use super::roll::{Listing, Roll};
use super::scrape::Shown;
use super::silence::{LeftOut, Silence};
use crate::resolve::FleetKey;

/// So long after the start at the latest it is done with what is known by then.
pub(super) const WARM_UP: Duration = Duration::from_secs(15);

/// What is known of all nodes.
#[derive(Debug, Default)]
pub(super) struct Register {
    directory: Arc<Directory>,
    /// When it was first told which nodes there are.
    began: Option<Instant>,
    beats: Beats,
    silence: Silence,
    left_out: BTreeMap<FleetKey, LeftOut>,
    /// Fleets whose listing is to be made anew.
    dirty: BTreeSet<FleetKey>,
    roll: Roll,
}

impl Register {
    /// Takes in which nodes there are now.
    pub(super) fn take(&mut self, directory: Arc<Directory>, now: Instant) {
        self.began.get_or_insert(now);
        let before = std::mem::replace(&mut self.directory, directory);
        let known = |uid: &str| self.directory.node(uid).is_some();
        self.beats.retain(|uid| known(uid) || self.directory.sidecar(uid).is_some());
        self.silence.retain(known);
        let same_map = before.has_map_of(&self.directory);
        for (key, fleet) in self.directory.fleets() {
            for node in fleet.nodes.iter().filter(|node| node.ready) {
                self.silence.seen(&node.uid, now);
            }
            let same = before.fleets().get(key).is_some_and(|before| before == fleet);
            if !same || !same_map {
                self.dirty.insert(key.clone());
            }
        }
        let gone = before.fleets().keys().filter(|key| !self.directory.fleets().contains_key(*key));
        self.dirty.extend(gone.cloned());
    }

    /// A node's heartbeat came. Whether its whole status is to be asked for.
    pub(super) fn heard(&mut self, uid: &Arc<str>, said: Said, now: Instant) -> bool {
        let Some((fleet, _)) = self.directory.node(uid) else {
            // A sidecar is on no list, so it may be as silent as it likes.
            return self.directory.sidecar(uid).is_some() && self.beats.take(uid, said).status;
        };
        self.silence.seen(uid, now);
        let was_lost = self.silence.heard(uid, now);
        let changed = self.beats.take(uid, said);
        if changed.listing || was_lost {
            self.dirty.insert(fleet.clone());
        }
        changed.status
    }

    /// Nodes to be asked for their metrics now, at most `room`, and where; they are then being asked.
    pub(super) fn due(&mut self, room: usize, now: Instant) -> Vec<(Arc<str>, SocketAddr)> {
        let due = self.silence.due(!self.roll.warm, room, now);
        let (mut asked, mut nowhere) = (Vec::new(), Vec::new());
        for uid in due {
            match self.directory.node(&uid).and_then(|(_, node)| node.admin) {
                Some(admin) => asked.push((uid, admin)),
                None => nowhere.push(uid),
            }
        }
        for uid in nowhere {
            self.silence.asked(&uid, false, now);
        }
        asked
    }

    /// What came of asking; `None`: no answer.
    pub(super) fn shown(&mut self, uid: &Arc<str>, shown: Option<&Shown>, now: Instant) {
        // What another than the node itself shows at its former address is no sign of its life.
        let is_its = shown.is_some_and(|shown| shown.uid.as_deref() == Some(uid));
        let was_lost = self.silence.asked(uid, is_its, now);
        if shown.is_some() && !is_its {
            self.silence.note_odd(uid);
        }
        let load = shown.filter(|_| is_its).and_then(|shown| shown.band);
        let Some((fleet, _)) = self.directory.node(uid) else { return };
        let moved = load.is_some_and(|load| self.beats.shown(uid, load));
        if moved || was_lost {
            self.dirty.insert(fleet.clone());
        }
    }

    /// The roll, if it is another than when it was last asked for.
    pub(super) fn roll(&mut self, now: Instant) -> Option<&Roll> {
        for uid in self.silence.lose(now) {
            if let Some((fleet, node)) = self.directory.node(&uid) {
                tracing::warn!(namespace = fleet.0, fleet = fleet.1, node = %node.name, "a node is lost: neither is it heard nor does it answer");
                self.dirty.insert(fleet.clone());
            }
        }
        let warms = !self.roll.warm && self.is_warm(now);
        self.roll.warm |= warms;
        let dirty = std::mem::take(&mut self.dirty);
        let mut changed = warms;
        for key in dirty {
            changed |= self.list(key);
        }
        changed.then_some(&self.roll)
    }

    /// Makes the listing of a fleet anew. Whether it is another.
    fn list(&mut self, key: FleetKey) -> bool {
        let Some(fleet) = self.directory.fleets().get(&key) else {
            self.left_out.remove(&key);
            return self.roll.fleets.remove(&key).is_some();
        };
        let ready = fleet.nodes.iter().filter(|node| node.ready).map(|node| &node.uid);
        let before = self.left_out.entry(key.clone()).or_default();
        *before = before.next(ready, |uid| self.silence.is_lost(uid));
        let listing = Listing::of(fleet, &self.directory, &self.beats, before);
        if self.roll.fleets.get(&key).is_some_and(|known| **known == listing) {
            return false;
        }
        self.roll.fleets.insert(key, Arc::new(listing));
        true
    }

    /// Whether every ready node has told of itself, or it has been waited for long enough.
    fn is_warm(&self, now: Instant) -> bool {
        let Some(began) = self.began else { return false };
        let ready =
            || self.directory.fleets().values().flat_map(|fleet| &fleet.nodes).filter(|node| node.ready);
        now >= began + WARM_UP || ready().all(|node| self.silence.knows(&node.uid))
    }

    /// How many nodes are listed, are lost, and are ready in all.
    pub(super) fn census(&self) -> Census {
        let mut census = Census::default();
        for fleet in self.roll.fleets.values() {
            census.ready += fleet.ready;
            census.listed += fleet.nodes.len();
        }
        let nodes = self.directory.fleets().values().flat_map(|fleet| &fleet.nodes);
        census.lost = nodes.filter(|node| node.ready && self.silence.is_lost(&node.uid)).count();
        census
    }
}

/// How many nodes there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// That are ready.
    pub ready: usize,
    /// That are listed.
    pub listed: usize,
    /// That are ready and lost.
    pub lost: usize,
}

#[cfg(test)]
mod tests;
