//! Knows every node: which there are, what they say of their load, which have fallen silent, and which of them a producer
//! is sent to. It writes nothing, knows nothing of Kubernetes, and never believes a node about who or where it is.
//!
//! | module | holds |
//! |---|---|
//! | [`directory`] | which fleets, nodes and groups there are: filled in by a cluster's watch or by local mode |
//! | [`map`] | where machines are, for zones |
//! | [`beats`] | what nodes said last |
//! | [`silence`] | who has fallen silent, whom to ask, who is lost: pure |
//! | [`scrape`] | asks a silent one for its metrics |
//! | [`register`] | all of it together |
//! | [`roll`] | who can be listed, with loads |
//! | [`placement`] | which of them a client is sent to: pure |
//! | [`keep`] | the task that keeps the register |
//! | [`http`] | InLong's discovery and heartbeats |

pub mod beats;
pub mod directory;
pub mod http;
mod keep;
pub mod map;
pub mod placement;
mod register;
pub mod roll;
mod scrape;
pub mod silence;

use std::net::IpAddr;
use std::sync::Arc;

use sluice_identity::PodIdentity;
use sluice_wire::discovery::IpList;
use sluice_wire::heartbeat::Heartbeat;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::build::discovery::{Listed, ip_list, no_list};
use crate::names;
use crate::resolve::FleetKey;
use beats::Said;
use directory::{Beside, Directory, Node};
use placement::Client;
use roll::Roll;

pub use keep::{Ends, start};
pub use register::Census;

/// Heartbeats that wait to be taken in.
const QUEUE: usize = 4_096;

/// Why a heartbeat is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unheard {
    /// Whose it is is not known.
    #[error("no fleet has this node: its pod is not of a fleet's workload, or was not seen yet")]
    Unknown,
    /// There are more than can be taken in.
    #[error("too many heartbeats wait; send the next one as usual")]
    Busy,
}

/// Who says that it is a node.
#[derive(Clone, Copy, Debug)]
pub enum Claim<'a> {
    /// A pod, by its token.
    Pod(&'a PodIdentity),
    /// A process of the same machine, by the uid that it was given.
    Process(&'a str),
}

/// What is known of nodes, for those who ask; clones are the same one.
#[derive(Clone, Debug)]
pub struct Registry {
    directory: watch::Receiver<Option<Arc<Directory>>>,
    roll: watch::Receiver<Arc<Roll>>,
    beats: mpsc::Sender<(Arc<str>, Said)>,
}

impl Registry {
    /// Takes a heartbeat of `who`. Of what it says, only what a node may say of itself counts.
    ///
    /// # Errors
    /// [`Unheard`]; then nothing of it is kept.
    pub fn hear(&self, who: Claim<'_>, heartbeat: Heartbeat) -> Result<(), Unheard> {
        let directory = self.directory();
        let known = directory.as_deref().and_then(|directory| {
            let beside = beside(directory, who).map(|(uid, _)| uid);
            beside.or_else(|| node(directory, who).map(|node| &node.uid))
        });
        let uid = known.ok_or(Unheard::Unknown)?;
        self.beats.try_send((Arc::clone(uid), Said::of(heartbeat))).map_err(|_| Unheard::Busy)
    }

    /// The fleet of a node or of a sidecar.
    #[must_use]
    pub fn fleet_of(&self, who: Claim<'_>) -> Option<FleetKey> {
        let directory = self.directory()?;
        if let Some((_, beside)) = beside(&directory, who) {
            return Some(beside.fleet.clone());
        }
        let node = node(&directory, who)?;
        directory.node(&node.uid).map(|(fleet, _)| fleet.clone())
    }

    /// The fleet that the pod has a sidecar of, if it has one.
    #[must_use]
    pub fn sidecar_of(&self, pod: &PodIdentity) -> Option<FleetKey> {
        let directory = self.directory()?;
        beside(&directory, Claim::Pod(pod)).map(|(_, beside)| beside.fleet.clone())
    }

    /// The fleet that InLong's clients call so.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<FleetKey> {
        self.directory()?.cluster(name).cloned()
    }

    /// The fleet of a group, if each of its streams asks producers for something.
    #[must_use]
    pub fn guarded_group(&self, group: &str) -> Option<FleetKey> {
        let directory = self.directory()?;
        directory.group(group).filter(|group| group.guarded).map(|group| group.fleet.clone())
    }

    /// The fleet that InLong's clients call so, if each of its streams asks producers for something.
    #[must_use]
    pub fn guarded_cluster(&self, name: &str) -> Option<FleetKey> {
        let directory = self.directory()?;
        let key = directory.cluster(name)?;
        directory.fleets().get(key).filter(|fleet| fleet.guarded).map(|_| key.clone())
    }

    /// The nodes that a client of a group is sent to; `None` while nothing is known yet.
    #[must_use]
    pub fn of_group(&self, group: &str, client: IpAddr) -> Option<IpList> {
        let directory = self.directory()?;
        Some(match directory.group(group) {
            Some(found) => self.list(&directory, &found.fleet, found.longest, client),
            None => no_list(format!("no stream with groupId {:?} is accepted", shown(group))),
        })
    }

    /// The nodes that a client of a fleet, named as InLong's clients do, is sent to; `None` while nothing is known yet.
    #[must_use]
    pub fn of_cluster(&self, name: &str, client: IpAddr) -> Option<IpList> {
        let directory = self.directory()?;
        let fleet = directory.cluster(name).and_then(|key| Some((key, directory.fleets().get(key)?)));
        Some(match fleet {
            Some((key, fleet)) => self.list(&directory, key, fleet.longest, client),
            None => no_list(format!(
                "there is no cluster {:?}: they are called <namespace>.<ProxyFleet>",
                shown(name)
            )),
        })
    }

    fn list(&self, directory: &Directory, key: &FleetKey, longest: u64, ip: IpAddr) -> IpList {
        let Some(fleet) = directory.fleets().get(key) else { return no_list(no_node(key)) };
        let roll = Arc::clone(&self.roll.borrow());
        let nodes = roll.listing(key).map(|listing| listing.nodes.as_slice()).unwrap_or_default();
        let spot = directory.map().spot(ip);
        let client = Client { ip, machine: spot.machine.filter(|_| fleet.same_machine), zone: spot.zone };
        let listed: Vec<Listed<'_>> = placement::place(nodes, &client)
            .into_iter()
            .map(|node| Listed { uid: &node.uid, ip: node.ip, load: node.load, zone: None })
            .collect();
        ip_list(key, &listed, fleet.port, longest)
    }

    /// Who can be listed, and when that changes.
    #[must_use]
    pub fn roll(&self) -> watch::Receiver<Arc<Roll>> {
        self.roll.clone()
    }

    fn directory(&self) -> Option<Arc<Directory>> {
        self.directory.borrow().clone()
    }
}

/// The node that `who` is, if it is one: a token's pod has to be of a fleet's workload and run under the fleet's service
/// account, which no other pod is in the directory for.
fn node<'a>(directory: &'a Directory, who: Claim<'_>) -> Option<&'a Node> {
    let uid = match who {
        Claim::Pod(pod) => pod.uid.as_str(),
        Claim::Process(uid) => uid,
    };
    let (fleet, node) = directory.node(uid)?;
    let is_it = match who {
        Claim::Pod(pod) => {
            (&pod.namespace, &*pod.pod) == (&fleet.0, &*node.name)
                && pod.service_account == names::fleet(&fleet.1)
        }
        Claim::Process(_) => true,
    };
    is_it.then_some(node)
}

/// The pod that `who` is, if it has a sidecar: under whichever service account, which is its application's.
fn beside<'a>(directory: &'a Directory, who: Claim<'_>) -> Option<(&'a Arc<str>, &'a Beside)> {
    let Claim::Pod(pod) = who else { return None };
    let (uid, beside) = directory.sidecar(&pod.uid)?;
    ((&pod.namespace, &*pod.pod) == (&beside.fleet.0, &*beside.name)).then_some((uid, beside))
}

fn no_node((namespace, name): &FleetKey) -> String {
    format!("no node of ProxyFleet {namespace}/{name} is ready")
}

/// The beginning of what a client sent, as far as it is told back.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
