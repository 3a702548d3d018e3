//! The proxies of all fleets: which run, which leave, in which order.
//! It starts and ends them; what they serve stands in their documents.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use sluice_operator::resolve::{FleetKey, ResolvedFleet};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::child::{Operator, Spec};
use super::fleet::{Events, Phase, Runner};
use super::{holder, manager};

/// Where proxies come from and where they listen.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) program: PathBuf,
    pub(super) secrets: PathBuf,
    pub(super) host: IpAddr,
    /// Where local mode itself answers; absent: nowhere.
    pub(super) manager: Option<SocketAddr>,
}

/// The ports of a fleet's proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    http: u16,
    https: Option<u16>,
}

impl Ports {
    pub(super) fn of(fleet: &ResolvedFleet) -> Self {
        let listeners = &fleet.spec.listeners;
        Self { http: listeners.http.port, https: listeners.https.as_ref().map(|https| https.port) }
    }
}

/// Runs a proxy for each fleet.
#[derive(Debug)]
pub(super) struct Supervisor {
    place: Place,
    events: Events,
    running: BTreeMap<FleetKey, Running>,
    leaving: BTreeMap<FleetKey, Running>,
}

#[derive(Debug)]
struct Running {
    ports: Ports,
    grace: Duration,
    phase: watch::Sender<Phase>,
    task: JoinHandle<()>,
    /// The phases of proxies that this one waits for.
    before: Vec<watch::Sender<Phase>>,
}

impl Running {
    fn tell(&self, phase: Phase) {
        // One that has left needs no telling.
        let _ = self.phase.send(phase);
        if phase == Phase::Kill {
            for before in &self.before {
                let _ = before.send(phase);
            }
        }
    }
}

impl Supervisor {
    pub(super) fn new(place: Place, events: Events) -> Self {
        Self { place, events, running: BTreeMap::new(), leaving: BTreeMap::new() }
    }

    /// Why no proxy could listen on the ports now; nothing if one could.
    pub(super) fn trouble(&self, ports: Ports) -> Option<String> {
        let mut ports = [ports.http].into_iter().chain(ports.https);
        ports.find_map(|port| holder::trouble(SocketAddr::new(self.place.host, port)))
    }

    /// Has a proxy run for `fleet` on `ports`; one that runs on others leaves first. `grace` is how long it may take to
    /// finish when it is to leave.
    pub(super) fn keep(&mut self, fleet: &FleetKey, ports: Ports, config: PathBuf, grace: Duration) {
        self.leaving.retain(|_, leaving| !leaving.task.is_finished());
        if self.running.get(fleet).is_some_and(|running| running.ports != ports) {
            self.retire(fleet);
        }
        match self.running.get_mut(fleet) {
            Some(running) => running.grace = grace,
            None => self.start(fleet, ports, config, grace),
        }
    }

    /// Lets the fleet's proxy leave.
    pub(super) fn retire(&mut self, fleet: &FleetKey) {
        if let Some(running) = self.running.remove(fleet) {
            running.tell(Phase::Drain(running.grace));
            self.leaving.insert(fleet.clone(), running);
        }
    }

    /// Lets all proxies leave.
    pub(super) fn retire_all(&mut self) {
        let fleets: Vec<FleetKey> = self.running.keys().cloned().collect();
        fleets.iter().for_each(|fleet| self.retire(fleet));
    }

    /// Ends all proxies at once.
    pub(super) fn kill_all(&self) {
        self.running.values().chain(self.leaving.values()).for_each(|running| running.tell(Phase::Kill));
    }

    /// Whether every proxy has left.
    pub(super) fn is_empty(&mut self) -> bool {
        self.leaving.retain(|_, leaving| !leaving.task.is_finished());
        self.running.is_empty() && self.leaving.is_empty()
    }

    fn start(&mut self, fleet: &FleetKey, ports: Ports, config: PathBuf, grace: Duration) {
        let (previous, before) = match self.leaving.remove(fleet) {
            Some(mut leaving) => {
                leaving.before.push(leaving.phase);
                (Some(leaving.task), leaving.before)
            }
            None => (None, Vec::new()),
        };
        let (phase, told) = watch::channel(Phase::Run);
        let spec = Spec {
            program: self.place.program.clone(),
            config,
            secrets: self.place.secrets.clone(),
            http: SocketAddr::new(self.place.host, ports.http),
            https: ports.https.map(|port| SocketAddr::new(self.place.host, port)),
            operator: self.place.manager.map(|address| Operator {
                url: format!("http://{address}"),
                fleet: format!("{}/{}", fleet.0, fleet.1),
                uid: manager::uid(fleet),
            }),
        };
        let runner = Runner { fleet: fleet.clone(), spec, phase: told, events: self.events.clone() };
        let task = tokio::spawn(runner.run(previous));
        self.running.insert(fleet.clone(), Running { ports, grace, phase, task, before });
    }
}
