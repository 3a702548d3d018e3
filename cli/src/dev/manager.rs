//! What is asked of local mode on this machine: producers ask for nodes, proxies say how they are.
//! The operator's own code answers; which fleets and nodes there are, it is told.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_operator::caller::Trust;
use sluice_operator::poll::http::{Limits, Routes, serve};
use sluice_operator::poll::hub::Hub;
use sluice_operator::registry::directory::{Directory, Fleet, Group, Groups, Node};
use sluice_operator::registry::http::{Configuration, Configurations, Manager as Answers};
use sluice_operator::registry::{self, Ends};
use sluice_operator::resolve::{FleetKey, ResolvedFleet};
use sluice_operator::telemetry::Metrics;
use sluice_wire::document::Document;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections, all of this machine.
const LIMITS: Limits = Limits { connections: 1_024, per_address: 1_024 };

/// Configurations as they were published last.
#[derive(Debug, Default)]
struct Published(Mutex<BTreeMap<FleetKey, Configuration>>);

impl Configurations for Published {
    fn of(&self, fleet: &FleetKey) -> Option<Configuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(fleet).cloned()
    }
}

/// A node as local mode sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Where it takes reports.
    pub(super) http: SocketAddr,
    /// Where it shows its metrics.
    pub(super) admin: SocketAddr,
    /// Whether it takes reports.
    pub(super) ready: bool,
}

/// Answers until it is dropped or told to leave.
#[derive(Debug)]
pub(super) struct Manager {
    directory: watch::Sender<Option<Arc<Directory>>>,
    published: Arc<Published>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Manager {
    /// Answers on `address`, which is one of this machine alone: who asks there is believed.
    pub(super) async fn start(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let metrics = Metrics::new().map_err(io::Error::other)?;
        let (directory, directories) = watch::channel(None);
        // Every proxy is asked for its status each second anyway.
        let (news, _) = mpsc::channel(1);
        let ends =
            Ends { directory: directories, news, warm: watch::Sender::new(false), metrics: metrics.clone() };
        let (published, stop) = (Arc::new(Published::default()), CancellationToken::new());
        let (registry, keeper) = registry::start(ends, stop.clone());
        let configurations: Arc<dyn Configurations> = Arc::<Published>::clone(&published);
        let answers = Answers::new(registry, metrics.clone()).with_configurations(configurations);
        let routes = Routes::new(Hub::default(), BTreeMap::new(), None, metrics).with_manager(answers);
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper);
        tasks.spawn(serve(socket, Trust::Local, routes, LIMITS, stop.clone()));
        Ok(Self { directory, published, tasks, stop })
    }

    /// Tells which fleets there are and how their nodes do.
    pub(super) fn tell(&self, fleets: &[ResolvedFleet], seen: impl Fn(&FleetKey) -> Option<Seen>) {
        let made = directory(fleets, seen);
        let gone = |key: &FleetKey| !made.fleets().contains_key(key);
        self.published.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| !gone(key));
        self.directory.send_replace(Some(Arc::new(made)));
    }

    /// Tells what a fleet's proxy is to run from.
    pub(super) fn publish(&self, fleet: &FleetKey, document: &Document) {
        if let Ok(json) = serde_json::to_vec(document) {
            let mut published = self.published.0.lock().unwrap_or_else(PoisonError::into_inner);
            published.insert(fleet.clone(), Configuration::new(json));
        }
    }

    /// Answers what is on its way, and ends.
    pub(super) async fn leave(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// How a fleet's proxy is called: there is one of each fleet.
pub(super) fn uid((namespace, name): &FleetKey) -> String {
    format!("{namespace}/{name}")
}

fn directory(fleets: &[ResolvedFleet], seen: impl Fn(&FleetKey) -> Option<Seen>) -> Directory {
    let mut groups = Groups::new();
    let mut made = BTreeMap::new();
    for fleet in fleets {
        let key = fleet.key();
        let mut longest = 0;
        for stream in &fleet.streams {
            let group = Group { fleet: key.clone(), longest: 0 };
            let known = groups.entry(stream.group_id.clone()).or_insert(group);
            known.longest = known.longest.max(stream.max_body_bytes);
            longest = known.longest.max(longest);
        }
        let node = seen(&key).map(|seen| node(&key, seen));
        let port = fleet.spec.listeners.http.port;
        let fleet = Fleet { port, longest, nodes: node.into_iter().collect(), ..Fleet::default() };
        made.insert(key, Arc::new(fleet));
    }
    Directory::new(Arc::new(groups), made, Arc::default())
}

fn node(fleet: &FleetKey, seen: Seen) -> Node {
    let uid: Arc<str> = uid(fleet).into();
    Node {
        name: Arc::clone(&uid),
        uid,
        ip: Some(reachable(seen.http.ip())),
        admin: Some(SocketAddr::new(reachable(seen.admin.ip()), seen.admin.port())),
        ready: seen.ready,
        machine: None,
    }
}

/// One that listens on every address is reached at this machine's own.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests;
