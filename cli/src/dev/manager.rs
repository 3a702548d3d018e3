//! What is asked of local mode on this machine: producers ask for nodes, proxies for their configuration, and they say
//! how they are.
//! The operator's own code answers; which fleets and nodes there are, it is told.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use sluice_operator::caller::Trust;
use sluice_operator::poll::board::{Change, Space};
use sluice_operator::poll::edition::{Edition, Unreadable};
use sluice_operator::poll::http::{Limits, Routes, serve};
use sluice_operator::poll::hub::Hub;
use sluice_operator::poll::whole::Wholes;
use sluice_operator::publish::groups;
use sluice_operator::registry::directory::{Directory, Fleet, Group as Served, Groups, Node};
use sluice_operator::registry::http::Manager as Answers;
use sluice_operator::registry::{self, Ends};
use sluice_operator::resolve::{FleetKey, ResolvedFleet};
use sluice_operator::telemetry::Metrics;
use sluice_wire::document::{Document, Group};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections, all of this machine.
const LIMITS: Limits = Limits { connections: 1_024, per_address: 1_024 };

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
    /// What proxies poll.
    hub: Hub,
    /// What it has of each fleet.
    editions: BTreeMap<FleetKey, Edition>,
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
        let (hub, stop) = (Hub::default(), CancellationToken::new());
        let (registry, keeper) = registry::start(ends, stop.clone());
        let answers =
            Answers::new(registry, metrics.clone()).with_configurations(Arc::new(Wholes::new(hub.clone())));
        let routes = Routes::new(hub.clone(), BTreeMap::new(), None, metrics).with_manager(answers);
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper);
        tasks.spawn(serve(socket, Arc::new(routes), Trust::Local, LIMITS, stop.clone()));
        Ok(Self { directory, hub, editions: BTreeMap::new(), tasks, stop })
    }

    /// Tells which fleets there are and how their nodes do.
    pub(super) fn tell(&mut self, fleets: &[ResolvedFleet], seen: impl Fn(&FleetKey) -> Option<Seen>) {
        let made = directory(fleets, seen);
        let is_gone = |key: &&FleetKey| !made.fleets().contains_key(*key);
        let gone: Vec<FleetKey> = self.editions.keys().filter(is_gone).cloned().collect();
        let mut changes = Vec::new();
        for key in gone {
            self.editions.remove(&key);
            changes.push(Change::FleetGone { space: Space::fleet(&key.0, &key.1) });
        }
        changes.push(Change::FleetsListed);
        self.hub.take(changes);
        self.directory.send_replace(Some(Arc::new(made)));
    }

    /// Tells what a fleet's proxy is to run from, which is another configuration than before.
    pub(super) fn publish(&mut self, fleet: &FleetKey, document: Document) -> Result<(), Unreadable> {
        let former = self.editions.get(fleet);
        let before = former.iter().flat_map(|former| former.groups());
        let before = before.map(|(name, served)| {
            let (md5, last_modify_time) = (served.content.md5.to_string(), served.last_modify_time);
            (name.to_owned(), Group { md5, last_modify_time })
        });
        let groups = groups::numbered(groups::digests(&document)?, &before.collect(), document.revision);
        let text = serde_json::to_vec(&Document { groups, ..document })?;
        let edition = Edition::read(&text, former)?;
        let space = Space::fleet(&fleet.0, &fleet.1);
        self.hub.take(vec![Change::Fleet { space, edition: Some(Arc::new(edition.clone())) }]);
        self.editions.insert(fleet.clone(), edition);
        Ok(())
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
        let mut guarded = !fleet.streams.is_empty();
        for stream in &fleet.streams {
            let group = Served { fleet: key.clone(), longest: 0, guarded: true };
            let known = groups.entry(stream.group_id.clone()).or_insert(group);
            known.longest = known.longest.max(stream.max_body_bytes);
            longest = known.longest.max(longest);
            known.guarded &= !stream.auth.is_none();
            guarded &= known.guarded;
        }
        let node = seen(&key).map(|seen| node(&key, seen));
        let port = fleet.spec.listeners.http.port;
        let nodes = node.into_iter().collect();
        let fleet = Fleet { port, longest, guarded, nodes, ..Fleet::default() };
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
