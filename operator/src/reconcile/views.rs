//! Fleets as they are seen now: what is published, their workload, their pods and what these say.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_crds::ProxyFleet;
use sluice_wire::status::NodeStatus;

use super::Memory;
use crate::build::objects;
use crate::kind::ObjectKind;
use crate::marks::PAUSED;
use crate::observe::{FleetView, NodeView, WorkloadView};
use crate::publish::cluster::Published;
use crate::resolve::FleetKey;
use crate::watch::cluster::{Child, ChildKey, Store};

/// What is seen of every fleet.
#[derive(Debug, Default)]
pub(super) struct Views {
    fleets: BTreeMap<FleetKey, FleetView>,
    /// The generation of a stream that every ready node of a fleet runs, by fleet.
    running: BTreeMap<FleetKey, Running>,
}

/// By uid of a stream: the lowest generation that a ready node runs, and how many run it.
#[derive(Debug, Default)]
struct Running {
    ready: usize,
    streams: BTreeMap<String, (i64, usize)>,
}

impl Views {
    pub(super) fn of(store: &Store, memory: &Memory) -> Self {
        let mut nodes: BTreeMap<&FleetKey, Vec<NodeView>> = BTreeMap::new();
        for (key, node) in store.pods.values() {
            let fleet = store.fleets.get(key);
            let status =
                memory.answers.get(&node.uid).filter(|status| is_of(status, fleet.map(AsRef::as_ref)));
            nodes.entry(key).or_default().push(NodeView { status: status.cloned(), ..node.clone() });
        }
        let mut views = Self::default();
        for (key, fleet) in &store.fleets {
            let nodes = nodes.remove(key).unwrap_or_default();
            views.running.insert(key.clone(), Running::of(&nodes));
            views.fleets.insert(key.clone(), view(store, memory, key, fleet, nodes));
        }
        views
    }

    pub(super) fn get(&self, fleet: &FleetKey) -> Option<&FleetView> {
        self.fleets.get(fleet)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FleetKey, &FleetView)> {
        self.fleets.iter()
    }

    /// Whether every ready node of the fleet runs the stream at `generation`, and there is one.
    pub(super) fn run(&self, uid: &str, generation: i64, fleet: &FleetKey) -> bool {
        self.running.get(fleet).is_some_and(|running| {
            let (lowest, nodes) = running.streams.get(uid).copied().unwrap_or((0, 0));
            running.ready > 0 && nodes == running.ready && lowest >= generation
        })
    }
}

impl Running {
    fn of(nodes: &[NodeView]) -> Self {
        let mut running = Self::default();
        for node in nodes.iter().filter(|node| node.ready) {
            running.ready += 1;
            for stream in node.status.iter().flat_map(|status| &status.streams) {
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
        workload: workload(store, fleet, key),
        nodes,
        paused: paused.is_some_and(|value| value == "true"),
        faults: memory.faults_of(key),
    }
}

fn workload(store: &Store, fleet: &ProxyFleet, (namespace, name): &FleetKey) -> Option<WorkloadView> {
    let kind = objects::workload_kind(fleet.spec.mode);
    let name = objects::names::fleet(name);
    let key = ChildKey { kind, namespace: namespace.clone(), name };
    let child = store.children.get(&key)?;
    (child.owner.as_deref() == fleet.metadata.uid.as_deref()).then(|| numbers(kind, child))
}

fn numbers(kind: ObjectKind, child: &Child) -> WorkloadView {
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
