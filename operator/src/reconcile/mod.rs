//! The loop: whatever changed, work out what is wanted of everything, and write what differs.
//! It holds what was seen and what is on its way; nothing that it remembers decides what is wanted.

mod directory;
mod plan;
mod queue;
mod sidecars;
mod state;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_wire::status::NodeStatus;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::ObjectRef;
use crate::admission::{Index, Touched};
use crate::apply::{About, SendError, Sender};
use crate::build::objects::Context;
use crate::credentials::{Credentials, Wanted};
use crate::lead::Term;
use crate::nodes::{Answer, Targets};
use crate::observe::Fault;
use crate::pki::Bundle;
use crate::registry::directory::Directory;
use crate::registry::http::Configurations;
use crate::registry::roll::Roll;
use crate::resolve::FleetKey;
use crate::scale::Scaler;
use crate::status::Event;
use crate::telemetry::Metrics;
use crate::tokens::Tokens;
use crate::watch::cluster::{Change, Child, ChildKey, Source};
use plan::Subject;
use state::{Ended, State};

pub use plan::Census;
pub use queue::WRITE_RATE;

/// Times as long as planning took, nothing is planned after it.
const SHARE: u32 = 3;
/// So long a node is taken to be as full as it said last; it is asked three times meanwhile.
const LOAD_HOLDS: Duration = Duration::from_secs(30);
/// How long writes on their way may take when the operator stops.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// What the loop remembers besides the store. None of it has to be true: it spares work, or says how things
/// went.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What nodes said last, by uid of the pod.
    answers: BTreeMap<String, Arc<NodeStatus>>,
    /// How full nodes were, 0 to 200, and when they said so, by uid of the pod.
    loads: BTreeMap<String, (u8, Instant)>,
    /// What is remembered of fleets that autoscale.
    scales: BTreeMap<FleetKey, Scale>,
    /// What went wrong with the objects of a fleet or of a stream.
    faults: BTreeMap<Subject, BTreeMap<About, Fault>>,
    /// When a fleet's configuration may be published again.
    publish: BTreeMap<FleetKey, Instant>,
    /// Objects that the API server keeps otherwise than wanted, as when it drops a field.
    kept: BTreeMap<ChildKey, Kept>,
    /// The default fleet, if it is kept otherwise: the digest of what was wanted and the generation that came of it.
    kept_default: Option<(String, i64)>,
    /// Fleets whose configuration did not fit.
    fits: BTreeMap<FleetKey, Fit>,
    /// Streams on fleets that they leave or have left not long ago.
    leaving: plan::Leaving,
    /// Which nodes can be listed.
    roll: Arc<Roll>,
    /// What producers can show.
    given: plan::Given,
    /// Uids of pods that were told why they have no sidecar.
    told: BTreeSet<String>,
}

/// What is remembered of a fleet that autoscales.
#[derive(Debug)]
struct Scale {
    scaler: Scaler,
    /// What is to be told of it.
    untold: Vec<Event>,
}

/// An object that the API server keeps otherwise than wanted: the digests of what was wanted and of what it keeps.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    wanted: String,
    live: String,
}

impl Kept {
    /// `wanted` is a digest, or stands for what was wanted as well as one.
    fn of(live: &Child, wanted: impl Into<String>) -> Self {
        Self { wanted: wanted.into(), live: live.written() }
    }
}

/// What of a fleet's configuration had no room.
#[derive(Debug)]
struct Fit {
    /// The digest of the fleet with all streams.
    of: String,
    /// The streams beyond those that it holds.
    beyond: BTreeSet<ObjectRef>,
}

impl Memory {
    fn faults_of(&self, subject: &Subject) -> impl Iterator<Item = &Fault> {
        self.faults.get(subject).into_iter().flat_map(BTreeMap::values)
    }

    /// How full a node is; `None` where it has not said so for a while. One that is too busy to answer once has not
    /// become empty by that.
    fn load(&self, uid: &str, now: Instant) -> Option<u8> {
        let (load, at) = self.loads.get(uid)?;
        (now.saturating_duration_since(*at) <= LOAD_HOLDS).then_some(*load)
    }

    /// Forgets what was seen while this operator led: it may be long ago when it leads again.
    fn forget_all(&mut self) {
        *self =
            Self { roll: Arc::clone(&self.roll), given: std::mem::take(&mut self.given), ..Self::default() };
    }
}

/// What the loop is made of.
pub struct Reconciler {
    /// Changes in the cluster.
    pub changes: mpsc::Receiver<Change>,
    /// What nodes answer.
    pub answers: mpsc::Receiver<Answer>,
    /// Which nodes are to be asked.
    pub targets: watch::Sender<Targets>,
    /// Whether this operator may write.
    pub terms: watch::Receiver<Option<Term>>,
    /// Through which it writes.
    pub sender: Sender,
    /// What objects are made with.
    pub context: Context,
    /// What it counts.
    pub metrics: Metrics,
    /// Set once everything was listed.
    pub complete: watch::Sender<bool>,
    /// Which nodes and groups there are, for the registry.
    pub directory: watch::Sender<Option<Arc<Directory>>>,
    /// Which nodes can be listed, as the registry knows.
    pub roll: watch::Receiver<Arc<Roll>>,
    /// Writes of endpoint ConfigMaps and statuses in a second.
    pub write_rate: u32,
    /// The trust bundle that every namespace with a fleet is to have.
    pub bundles: watch::Receiver<Option<Bundle>>,
    /// What was read of the Secrets with producers' tokens.
    pub credentials: watch::Receiver<Credentials>,
    /// Which of them are to be read.
    pub secrets: watch::Sender<Wanted>,
    /// The keys of service accounts' tokens.
    pub tokens: Tokens,
    /// What fleets have published, and whether all of it is known by now.
    pub published: (Arc<dyn Configurations>, watch::Receiver<bool>),
    /// The one that every such namespace has.
    pub bundled: watch::Sender<Option<Bundle>>,
    /// What reviews are held against, whether this operator leads or not.
    pub index: watch::Sender<Index>,
}

fn version(object: &kube::api::DynamicObject) -> u64 {
    crate::watch::cluster::version(object.metadata.resource_version.as_deref())
}

impl Reconciler {
    /// Runs until `stop`, then until writes on their way have ended.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut state = State::new(self.write_rate);
        loop {
            let wake = state.wake();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(change) = self.changes.recv() => self.take(&mut state, change),
                Some(answer) = self.answers.recv() => state.answer(answer),
                Ok(()) = self.bundles.changed() => state.soon(),
                Ok(()) = self.credentials.changed() => state.soon(),
                Ok(()) = self.tokens.changed() => state.soon(),
                Ok(()) = self.published.1.changed() => state.soon(),
                Some(ended) = state.writes.join_next() => if let Ok(ended) = ended { self.ended(&mut state, ended) },
                changed = self.terms.changed() => match changed {
                    Ok(()) => state.term_changed(),
                    Err(_) => break,
                },
                changed = self.roll.changed() => match changed {
                    Ok(()) => state.rolled(self.roll.borrow_and_update().clone()),
                    Err(_) => break,
                },
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            if state.directory_due.is_some_and(|due| due <= Instant::now()) {
                self.tell_directory(&mut state);
            }
            if state.due.is_some_and(|due| due <= Instant::now()) {
                self.plan(&mut state);
            }
            self.send(&mut state);
        }
        let _ =
            tokio::time::timeout(LAST_WRITES, async { while state.writes.join_next().await.is_some() {} })
                .await;
        state.writes.shutdown().await;
    }

    fn take(&mut self, state: &mut State, change: Change) {
        self.take_one(state, change);
        while let Ok(change) = self.changes.try_recv() {
            self.take_one(state, change);
        }
        let complete = state.store.is_complete();
        if self.complete.send_if_modified(|known| std::mem::replace(known, complete) != complete) {
            state.soon();
            state.directory_due = Some(Instant::now());
        }
    }

    fn take_one(&self, state: &mut State, change: Change) {
        let touched = Touched::by(&change);
        let decides = change.source == Source::Settings || matches!(touched, Touched::All(_));
        state.take(change);
        if touched != Touched::Nothing {
            self.index.send_modify(|index| index.follow(&state.store, &touched));
        }
        if decides {
            let missing = plan::no_default_fleet(&state.store, &state.memory, &self.context);
            self.index.send_modify(|index| index.default_fleet_is(missing.as_deref()));
        }
    }

    /// Tells which nodes and groups there are.
    fn tell_directory(&mut self, state: &mut State) {
        state.directory_due = None;
        if state.store.is_complete() {
            let began = Instant::now();
            self.directory.send_replace(Some(state.directory.make(&state.store)));
            state.directory_not_before = Instant::now() + began.elapsed() * SHARE;
        }
    }

    /// Works out what is wanted, and puts what differs into the queue.
    fn plan(&mut self, state: &mut State) {
        state.due = None;
        let leads = self.terms.borrow().is_some();
        if !leads {
            state.memory.forget_all();
        }
        if !leads || !state.store.is_complete() {
            self.targets.send_replace(Targets::new());
            self.bundled.send_replace(None);
            self.secrets.send_replace(Wanted::new());
            self.metrics.idle();
            return;
        }
        self.context.trust = self.bundles.borrow_and_update().clone();
        state.memory.given = plan::Given {
            credentials: self.credentials.borrow_and_update().clone(),
            keys: self.tokens.keys(),
            published: self.published.1.borrow_and_update().then(|| Arc::clone(&self.published.0)),
        };
        let began = Instant::now();
        let plan = plan::plan(&state.store, &mut state.memory, &state.queue, &self.context);
        let took = began.elapsed();
        self.metrics.planned(took, &plan.census);
        self.index.send_modify(|index| index.default_fleet_is(plan.no_default_fleet.as_deref()));
        plan.scaled.into_iter().for_each(|kind| self.metrics.scaled(kind));
        self.targets.send_if_modified(|known| std::mem::replace(known, plan.targets.clone()) != plan.targets);
        self.secrets.send_if_modified(|known| std::mem::replace(known, plan.secrets.clone()) != plan.secrets);
        self.bundled.send_if_modified(|known| std::mem::replace(known, plan.trusted.clone()) != plan.trusted);
        state.queue.plan(plan.writes);
        state.not_before = Instant::now() + took * SHARE;
        state.due = plan.again.map(|at| at.max(state.not_before));
    }

    fn send(&mut self, state: &mut State) {
        let Some(term) = self.terms.borrow().clone() else { return };
        while let Some(write) = state.queue.next(Instant::now()) {
            let (sender, term) = (self.sender.clone(), term.clone());
            state.writes.spawn(async move {
                let sent = sender.send(write.clone(), &term).await;
                (write, sent)
            });
        }
        self.metrics.queued(state.queue.depth());
    }

    fn ended(&mut self, state: &mut State, (write, sent): Ended) {
        let about = write.about();
        match sent {
            Ok(outcome) => {
                self.metrics.wrote(&write);
                state.wrote(&write, outcome);
                state.queue.done(&about);
            }
            Err(error) => {
                self.metrics.failed(error.kind());
                if !matches!(error, SendError::NotLeading | SendError::Leaving(_)) {
                    tracing::warn!(?about, %error, "a write failed and is tried again");
                }
                state.note_fault(&write, &error);
                state.queue.failed(about, Instant::now());
            }
        }
        state.soon();
    }
}

#[cfg(test)]
mod tests;
