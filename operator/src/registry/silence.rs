//! Which nodes have fallen silent, whom to ask for a sign of life and when, and who is lost. Pure: it is told the time,
//! what was heard and what came of asking.
//!
//! A node gives proof of life by a heartbeat, or by showing its metrics when it is asked for them. Without any it is asked
//! after 10 s and after 12 s, is lost at 13 s, and is asked every 10 s from then on. So a node that can't reach the
//! operator stays, and one that is dead does not.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Without proof for so long a node is asked.
pub const FIRST: Duration = Duration::from_secs(10);
/// And once more.
pub const SECOND: Duration = Duration::from_secs(12);
/// And is lost.
pub const LOST: Duration = Duration::from_secs(13);
/// How often a lost one is asked.
pub const AGAIN: Duration = Duration::from_secs(10);
/// How often those are asked that are to be known at once, as at a start.
pub const SOON: Duration = Duration::from_secs(1);

/// What is known of a node's signs of life.
#[derive(Debug)]
struct Node {
    /// The last proof; at first, when the node was first seen.
    proof: Instant,
    /// Whether it ever answered or was heard.
    known: bool,
    /// When it was asked last, since the last proof.
    asked: Option<Instant>,
    /// Whether it is being asked.
    asking: bool,
    /// How often it did not answer, since the last proof.
    failed: u32,
    lost: bool,
}

impl Node {
    const fn new(now: Instant) -> Self {
        Self { proof: now, known: false, asked: None, asking: false, failed: 0, lost: false }
    }

    /// When it is to be asked next, if nothing is heard until then.
    fn due(&self, soon: bool) -> Instant {
        if soon && !self.known {
            return self.asked.map_or(self.proof, |asked| asked + SOON);
        }
        match self.asked {
            None => self.proof + FIRST,
            // Asked early, as at a start: the clock runs on.
            Some(asked) if asked < self.proof + FIRST => self.proof + FIRST,
            Some(asked) if asked < self.proof + SECOND => self.proof + SECOND,
            Some(asked) => asked + AGAIN,
        }
    }

    /// It gave proof. Whether it was lost before.
    fn proves(&mut self, now: Instant) -> bool {
        let before = std::mem::replace(self, Self::new(now));
        (self.known, self.asking) = (true, before.asking);
        before.lost
    }
}

/// Which nodes have fallen silent, by uid.
#[derive(Debug, Default)]
pub struct Silence(HashMap<Arc<str>, Node>);

impl Silence {
    /// A node is there; what is known of it stays.
    pub fn seen(&mut self, uid: &Arc<str>, now: Instant) {
        if !self.0.contains_key(uid) {
            self.0.insert(Arc::clone(uid), Node::new(now));
        }
    }

    /// A node's heartbeat came. Whether it was lost before.
    pub fn heard(&mut self, uid: &str, now: Instant) -> bool {
        self.0.get_mut(uid).is_some_and(|node| node.proves(now))
    }

    /// A node that was asked did answer, or did not. Whether it was lost before and is no more.
    pub fn asked(&mut self, uid: &str, answered: bool, now: Instant) -> bool {
        let Some(node) = self.0.get_mut(uid) else { return false };
        node.asking = false;
        if answered {
            return node.proves(now);
        }
        // One that was heard since is not silent any more.
        if node.asked.is_some() {
            node.failed += 1;
        }
        false
    }

    /// Up to `room` nodes that are to be asked now, those first that have given no proof for longest; they are then
    /// being asked. `soon`: also those of which nothing is known yet.
    pub fn due(&mut self, soon: bool, room: usize, now: Instant) -> Vec<Arc<str>> {
        let is_due = |node: &Node| !node.asking && node.due(soon) <= now;
        let mut due: Vec<(Instant, Arc<str>)> = self
            .0
            .iter()
            .filter(|(_, node)| is_due(node))
            .map(|(uid, node)| (node.due(soon), Arc::clone(uid)))
            .collect();
        due.sort();
        due.truncate(room);
        for (_, uid) in &due {
            if let Some(node) = self.0.get_mut(uid) {
                (node.asked, node.asking) = (Some(now), true);
            }
        }
        due.into_iter().map(|(_, uid)| uid).collect()
    }

    /// Those that are lost from now on. One that could not be asked yet is not.
    pub fn lose(&mut self, now: Instant) -> Vec<Arc<str>> {
        let mut lost = Vec::new();
        for (uid, node) in &mut self.0 {
            if !node.lost && node.failed > 0 && now >= node.proof + LOST {
                node.lost = true;
                lost.push(Arc::clone(uid));
            }
        }
        lost
    }

    /// Whether a node is lost.
    #[must_use]
    pub fn is_lost(&self, uid: &str) -> bool {
        self.0.get(uid).is_some_and(|node| node.lost)
    }

    /// Whether a node ever gave proof.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.0.get(uid).is_some_and(|node| node.known)
    }

    /// A node that does answer, but not with what is to be known of it, is waited for no longer.
    pub fn note_odd(&mut self, uid: &str) {
        if let Some(node) = self.0.get_mut(uid) {
            node.known = true;
        }
    }

    /// Forgets all but these.
    pub fn retain(&mut self, known: impl Fn(&str) -> bool) {
        self.0.retain(|uid, _| known(uid));
    }
}

/// Which of a fleet's lost nodes are left out of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    uids: BTreeSet<Arc<str>>,
    /// How many are lost, if they are too many at once to be believed.
    pub silent: Option<usize>,
}

impl LeftOut {
    /// Judges anew which of a fleet's nodes that should be there are left out. More than half of them lost at once is
    /// most likely no death of theirs: then nobody else is left out until they are heard or gone.
    #[must_use]
    pub fn next<'a>(
        &self,
        ready: impl Iterator<Item = &'a Arc<str>>,
        is_lost: impl Fn(&str) -> bool,
    ) -> Self {
        let (mut all, mut lost) = (0, BTreeSet::new());
        for uid in ready {
            all += 1;
            if is_lost(uid) {
                lost.insert(Arc::clone(uid));
            }
        }
        if lost.len() * 2 <= all {
            return Self { uids: lost, silent: None };
        }
        let silent = Some(lost.len());
        let mut uids = lost;
        uids.retain(|uid| self.uids.contains(uid));
        if uids.len() == all {
            uids.clear();
        }
        Self { uids, silent }
    }

    /// Whether a node is left out.
    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.uids.contains(uid)
    }
}

#[cfg(test)]
mod tests;
