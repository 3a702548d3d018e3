//! Fleets as they are seen now: what is published, their workload, their pods and what these say.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use sluice_crds::ProxyFleet;
use sluice_crds::pods::Mode;
use sluice_wire::status::{NodeStatus, NotReady, StreamStatus};

use super::plan::Subject;
use super::{Memory, sidecars};
use crate::build::objects::{self, Context};
use crate::kind::ObjectKind;
use crate::marks::PAUSED;
use crate::observe::{Fault, FleetView, NodeView, Silent, WorkloadView};
use crate::publish::cluster::Published;
use crate::resolve::FleetKey;
use crate::watch::cluster::{Child, ChildKey, Store};

/// What is seen of every fleet.
#[derive(Debug, Default)]
pub(super) struct Views(BTreeMap<FleetKey, Seen>);

#[derive(Debug)]
struct Seen {
    view: FleetView,
    /// What every ready node of the fleet runs: only streams that move are looked up.
    running: OnceCell<Running>,
}

/// By uid of a stream: the lowest generation that a ready node runs, and how many run it.
#[derive(Debug, Default)]
struct Running {
    ready: usize,
    streams: BTreeMap<String, (i64, usize)>,
}

impl Views {
    pub(super) fn of(store: &Store, memory: &Memory, context: &Context) -> Self {
        let mut nodes: BTreeMap<&FleetKey, Vec<NodeView>> = BTreeMap::new();
        let mut beside = sidecars::by_fleet(store, context);
        for (key, node) in store.pods.values().map(|(key, node)| (key, node)).chain(sidecars::nodes(store)) {
            let fleet = store.fleets.get(key);
            let status =
                memory.answers.get(&node.uid).filter(|status| is_of(status, fleet.map(AsRef::as_ref)));
            nodes.entry(key).or_default().push(NodeView { status: status.cloned(), ..node.clone() });
        }
        let seen = |(key, fleet): (&FleetKey, &Arc<ProxyFleet>)| {
            let nodes = nodes.remove(key).unwrap_or_default();
            let mut view = view(store, memory, key, fleet, nodes);
            view.sidecars = beside.remove(key);
            (key.clone(), Seen { view, running: OnceCell::new() })
        };
        Self(store.fleets.iter().map(seen).collect())
    }

    /// Takes in what came out while objects were planned: faults, and which writes are still to be made.
    pub(super) fn update(&mut self, memory: &Memory, changes: &mut Pending) {
        for (key, seen) in &mut self.0 {
            seen.view.faults = faults(memory, key);
            seen.view.held = changes.held.remove(key);
            seen.view.unwritten = changes.unwritten.contains(key);
        }
    }

    pub(super) fn get(&self, fleet: &FleetKey) -> Option<&FleetView> {
        self.0.get(fleet).map(|seen| &seen.view)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FleetKey, &FleetView)> {
        self.0.iter().map(|(key, seen)| (key, &seen.view))
    }

    /// Whether every ready node of the fleet runs the stream at `generation`, and there is one.
    pub(super) fn run(&self, uid: &str, generation: i64, fleet: &FleetKey) -> bool {
        self.0.get(fleet).is_some_and(|seen| {
            let running = seen.running.get_or_init(|| Running::of(&seen.view.nodes));
            let (lowest, nodes) = running.streams.get(uid).copied().unwrap_or((0, 0));
            running.ready > 0 && nodes == running.ready && lowest >= generation
        })
    }
}

/// What of fleets' objects is still to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Fleets whose workload waits for other fleets, and what they are told.
    pub(super) held: BTreeMap<FleetKey, String>,
    /// Fleets of which an object is not as wanted.
    pub(super) unwritten: BTreeSet<FleetKey>,
}

impl Running {
    fn of(nodes: &[NodeView]) -> Self {
        let mut running = Self::default();
        for node in nodes.iter().filter(|node| node.ready) {
            running.ready += 1;
            // One whose topic was not looked at yet takes no report; one that never will may move all the same.
            let looked_at = |stream: &&StreamStatus| stream.reason != Some(NotReady::Checking);
            for stream in node.status.iter().flat_map(|status| &status.streams).filter(looked_at) {
                let (lowest, count) = running.streams.entry(stream.uid.clone()).or_insert((i64::MAX, 0));
                *lowest = (*lowest).min(stream.generation);
                *count += 1;
            }
        }
        running
    }
}

/// An address may have gone to a pod of another fleet since it was asked for.
fn is_of(status: &NodeStatus, fleet: Option<&ProxyFleet>) -> bool {
    match (&status.fleet, fleet.and_then(|fleet| fleet.metadata.uid.as_ref())) {
        (Some(of), Some(uid)) => of.uid == *uid,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

fn view(
    store: &Store,
    memory: &Memory,
    key: &FleetKey,
    fleet: &ProxyFleet,
    nodes: Vec<NodeView>,
) -> FleetView {
    let uid = fleet.metadata.uid.as_deref().unwrap_or_default();
    let published = Published::read(|key| store.children.get(key), key, uid);
    let paused = fleet.metadata.annotations.as_ref().and_then(|all| all.get(PAUSED));
    FleetView {
        revision: published.whole,
        workload: numbers(store, fleet, key),
        nodes,
        paused: paused.is_some_and(|value| value == "true"),
        faults: faults(memory, key),
        held: None,
        unwritten: false,
        unmade: workload(key, fleet.spec.mode).and_then(|key| store.children.get(&key)).and_then(unmade),
        sidecars: None,
        listened: memory.roll.warm,
        silent: memory
            .roll
            .listing(key)
            .and_then(|listing| listing.silent.map(|silent| Silent { silent, ready: listing.ready })),
    }
}

fn faults(memory: &Memory, fleet: &FleetKey) -> Vec<Fault> {
    memory.faults_of(&Subject::Fleet(fleet.clone())).cloned().collect()
}

/// Which object runs the pods of a fleet, if it has one.
pub(super) fn workload((namespace, name): &FleetKey, mode: Mode) -> Option<ChildKey> {
    let (kind, name) = (objects::workload_kind(mode)?, objects::names::fleet(name));
    Some(ChildKey { kind, namespace: namespace.clone(), name })
}

fn numbers(store: &Store, fleet: &ProxyFleet, key: &FleetKey) -> Option<WorkloadView> {
    let key = workload(key, fleet.spec.mode)?;
    let child = store.children.get(&key)?;
    (child.owner.as_deref() == fleet.metadata.uid.as_deref()).then(|| counts(key.kind, child))
}

/// What a Deployment says of pods that a quota or a policy refuses; other kinds say it in Events alone.
fn unmade(child: &Child) -> Option<String> {
    let conditions = child.value.pointer("/status/conditions")?.as_array()?;
    let failed = |condition: &&Value| condition["type"] == "ReplicaFailure" && condition["status"] == "True";
    conditions.iter().find(failed)?.get("message")?.as_str().map(str::to_owned)
}

fn counts(kind: ObjectKind, child: &Child) -> WorkloadView {
    let number = |place: &str| child.value.pointer(place).and_then(Value::as_i64).unwrap_or(0);
    let count = |place: &str| i32::try_from(number(place)).unwrap_or(i32::MAX);
    let observed = number("/status/observedGeneration") >= number("/metadata/generation");
    if kind == ObjectKind::DaemonSet {
        return WorkloadView {
            observed,
            desired: count("/status/desiredNumberScheduled"),
            replicas: count("/status/currentNumberScheduled"),
            updated: count("/status/updatedNumberScheduled"),
            ready: count("/status/numberReady"),
        };
    }
    WorkloadView {
        observed,
        desired: count("/spec/replicas"),
        replicas: count("/status/replicas"),
        updated: count("/status/updatedReplicas"),
        ready: count("/status/readyReplicas"),
    }
}
