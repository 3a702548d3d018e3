//! What the loop holds: what was seen, what it remembers, what is to be written, and when to look again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_wire::heartbeat::MAX_LOAD;
use tokio::task::JoinSet;

use super::queue::Queue;
use super::{Memory, directory, plan, version};
use crate::apply::{Outcome, SendError, Write};
use crate::nodes::Answer;
use crate::observe::{Fault, FaultKind};
use crate::registry::roll::Roll;
use crate::watch::cluster::{Change, Source, Store};

/// Changes are gathered for this long before they are acted on.
const GATHER: Duration = Duration::from_millis(50);
/// When only nodes' loads changed, it is planned again after this.
const LOADS: Duration = Duration::from_secs(15);

/// A write that has ended.
pub(super) type Ended = (Write, Result<Outcome, SendError>);

pub(super) struct State {
    pub(super) store: Store,
    pub(super) memory: Memory,
    pub(super) queue: Queue,
    pub(super) writes: JoinSet<Ended>,
    /// When to plan again; `None`: when something changes.
    pub(super) due: Option<Instant>,
    /// Not earlier than this, so that planning leaves time for everything else however large the cluster is.
    pub(super) not_before: Instant,
    pub(super) directory: directory::Maker,
    /// The same of the directory.
    pub(super) directory_due: Option<Instant>,
    pub(super) directory_not_before: Instant,
}

impl State {
    pub(super) fn new(write_rate: u32) -> Self {
        let now = Instant::now();
        Self {
            store: Store::default(),
            memory: Memory::default(),
            queue: Queue::new(write_rate),
            writes: JoinSet::new(),
            due: None,
            not_before: now,
            directory: directory::Maker::default(),
            directory_due: None,
            directory_not_before: now,
        }
    }

    pub(super) fn take(&mut self, change: Change) {
        let source = change.source;
        self.store.take(change);
        self.noted(source);
        // What follows from where machines are, the registry tells.
        if source != Source::Nodes {
            self.soon();
        }
    }

    /// Something of this kind changed, which the directory may be made of.
    fn noted(&mut self, source: Source) {
        self.directory.note(source);
        if self.directory_due.is_none() && self.directory.is_stale(&self.store) {
            self.directory_due = Some((Instant::now() + GATHER).max(self.directory_not_before));
        }
    }

    /// Other nodes are listed now, which is to be told at once, or others of them are full, which is not.
    pub(super) fn rolled(&mut self, roll: Arc<Roll>) {
        if self.memory.roll.has_members_of(&roll) {
            let at = Instant::now() + LOADS;
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        } else {
            self.soon();
        }
        self.memory.roll = roll;
    }

    /// When to look again if nothing happens.
    pub(super) fn wake(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(60);
        [self.due, self.queue.due(), self.directory_due].into_iter().flatten().min().unwrap_or(far)
    }

    /// Plans again soon.
    pub(super) fn soon(&mut self) {
        let at = (Instant::now() + GATHER).max(self.not_before);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    pub(super) fn term_changed(&mut self) {
        // Writes of a former term end by themselves; a new one begins with what is there.
        self.queue.clear();
        self.soon();
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        let Answer { uid, mut status } = answer;
        let load = status.as_mut().and_then(|status| status.load.take());
        // Nothing is planned for a load alone: fleets that autoscale are looked at often enough.
        if let Some(load) = load {
            self.memory.loads.insert(uid.clone(), (load.min(MAX_LOAD), Instant::now()));
        }
        let known = self.memory.answers.get(&uid);
        // A node that does not answer is judged by its pod; what it said last stays until the pod is gone.
        if let Some(status) = status
            && known.is_none_or(|known| **known != status)
        {
            self.memory.answers.insert(uid, Arc::new(status));
            self.soon();
        }
    }

    pub(super) fn wrote(&mut self, write: &Write, outcome: Outcome) {
        if let Write::Publish(publication) = write {
            let next = Instant::now() + publication.interval;
            self.memory.publish.insert(publication.fleet.clone(), next);
        }
        self.clear_fault(write);
        plan::note_told(&mut self.memory, write);
        // Of the last object: a write whose answer is to be looked at has one.
        let answered = outcome.objects.last().map_or(0, |(_, object)| version(object));
        for (source, object) in outcome.objects {
            self.store.answered(source, object);
            self.noted(source);
        }
        plan::note_kept(&self.store, &mut self.memory, write, answered);
    }

    fn clear_fault(&mut self, write: &Write) {
        let subject = plan::subject(&self.store, write);
        if let Some(faults) = subject.and_then(|subject| self.memory.faults.get_mut(&subject)) {
            faults.remove(&write.about());
        }
    }

    /// Faults that a person has to mend are told in the conditions of whom they are about. What can't be told is not
    /// noted.
    pub(super) fn note_fault(&mut self, write: &Write, error: &SendError) {
        if write.is_status() {
            return;
        }
        let kind = match (error, error.kind()) {
            (SendError::NameTaken(_), _) => FaultKind::NameTaken,
            (_, "forbidden" | "invalid" | "refused") => FaultKind::ApplyRefused,
            _ => return,
        };
        if let Some(subject) = plan::subject(&self.store, write) {
            let fault = Fault { kind, message: error.to_string() };
            self.memory.faults.entry(subject).or_default().insert(write.about(), fault);
        }
    }
}
