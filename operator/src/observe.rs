//! What is seen of the fleets that run: published configuration, workload, nodes.
//! Plain values that others fill in and judge; it looks at nothing itself.

use std::net::IpAddr;
use std::sync::Arc;

use sluice_crds::fleet::Sidecars;
use sluice_wire::status::NodeStatus;

/// A fleet as it is seen now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetView {
    /// Revision of the configuration that is published; absent before the first.
    pub revision: Option<u64>,
    /// The workload; absent while there is none.
    pub workload: Option<WorkloadView>,
    /// Pods of the workload, by name.
    pub nodes: Vec<NodeView>,
    /// Whether a person has paused it: the operator leaves its objects as they are.
    pub paused: bool,
    /// What keeps the operator from making the fleet as written, in words a person can act on.
    pub faults: Vec<Fault>,
    /// For what its pods wait before they get a new proxy image; absent: they don't.
    pub held: Option<String>,
    /// Whether an object of it is still to be written.
    pub unwritten: bool,
    /// Why its workload can't make pods, in Kubernetes' words; absent: it can, or its kind does not say.
    pub unmade: Option<String>,
    /// Whether nodes were listened to for long enough to know which are silent.
    pub listened: bool,
    /// Pods that ask for a sidecar; absent: the fleet gives none.
    pub sidecars: Option<SidecarsView>,
    /// Of how many ready nodes how many are neither heard nor answer, if these are too many at once to be believed.
    pub silent: Option<Silent>,
}

/// Nodes of a fleet that are silent, most likely without being dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// How many are.
    pub silent: usize,
    /// Of how many that are ready.
    pub ready: usize,
}

/// What keeps a fleet from being made as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Which kind of fault.
    pub kind: FaultKind,
    /// What is wrong and what to do.
    pub message: String,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// `spec.podTemplate` is no PodTemplateSpec, or sets what it may not.
    InvalidPodTemplate,
    /// An object of the name exists and is not the fleet's own.
    NameTaken,
    /// The API server refused an object.
    ApplyRefused,
}

/// A Deployment, StatefulSet or DaemonSet as it is seen now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkloadView {
    /// Whether its controller has seen the newest spec.
    pub observed: bool,
    /// How many pods it is to have.
    pub desired: i32,
    /// How many it has.
    pub replicas: i32,
    /// How many of them have the newest template.
    pub updated: i32,
    /// How many of them are ready.
    pub ready: i32,
}

impl WorkloadView {
    /// Whether every pod that it is to have has the newest template and is ready, and no other is left. A pod that
    /// is made before a former one goes is counted as updated before it is ready.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.observed
            && self.updated >= self.desired
            && self.replicas <= self.desired
            && self.ready >= self.desired
    }
}

/// Pods that ask for a sidecar of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidecarsView {
    /// How many do how.
    pub counts: Sidecars,
    /// Names of those that have none, in order.
    pub without: Vec<String>,
}

/// A pod that asks for a sidecar and has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidecarView {
    /// The image that it was given its sidecar of; absent: it has none.
    pub image: Option<String>,
    /// The pod, as far as its sidecar goes: ready is whether that runs.
    pub node: NodeView,
}

/// A machine that pods run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineView {
    /// The zone it stands in.
    pub zone: Option<String>,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// The ranges that its pods' addresses are of, such as `10.244.1.0/24`.
    pub ranges: Vec<String>,
}

/// A pod of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// Name of the pod.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// Its address, once it has one.
    pub ip: Option<IpAddr>,
    /// Whether Kubernetes calls it ready and it is not being deleted.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The machine that it runs on, once it is placed.
    pub machine: Option<String>,
    /// Why its container does not run or the pod can't be placed, in Kubernetes' words.
    pub trouble: Option<String>,
    /// What the proxy said of itself last; absent before it was reached.
    pub status: Option<Arc<NodeStatus>>,
}
