//! Tells clients over HTTP long polling which configuration changed, and hands it to them (`docs/long-polling.md`).
//! It must not change content, hold a thread or a buffer for a client that waits, or name a group nobody asked for.
//!
//! | module | step | takes | gives |
//! |---|---|---|---|
//! | [`maps`] | a source: labelled ConfigMaps of opted-in namespaces | lists, events | changes, Events on what is wrong |
//! | [`fleets`] | a source: the published configuration of all fleets | events | changes |
//! | [`content`], [`edition`] | what a group has; what a fleet has, and what it had before | bytes, documents | contents, deltas |
//! | [`feed`] | gathers what changes in one moment | changes | changes at once |
//! | [`board`] | what is served | changes | contents, and which differ from a client's |
//! | [`state`], [`hub`] | who waits: as a value, and behind a lock | changes | wakes |
//! | [`wait`] | one long poll | what a client has | names of groups |
//! | [`whole`] | a fleet's configuration in one piece | an edition | a document |
//! | [`http`] | the contract | requests | answers |

pub mod board;
pub mod content;
pub mod edition;
pub mod feed;
pub mod fleets;
pub mod http;
pub mod hub;
pub mod maps;
pub mod state;
pub mod wait;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::Trust;
use crate::lead::Term;
use crate::registry::Registry;
use crate::registry::http::{Configurations, Manager};
use crate::telemetry::Metrics;
use board::Space;
use http::{Limits, Logins, Routes};
use hub::Hub;
use maps::tell::Teller;
use maps::watch::Watch;
use whole::Wholes;

/// Changes that wait to be taken in. A watch stops reading when there are as many.
const QUEUE: usize = 256;

/// What is polled, and by whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What clients send as `namespaceId`, and the namespace whose labelled ConfigMaps it stands for.
    pub namespaces: BTreeMap<String, String>,
    /// Namespaces that fleets may be in; empty: all.
    pub watched: Vec<String>,
    /// The Secret with name and password of the login, and its namespace; without it there is no login.
    pub login: Option<(String, String)>,
    /// How many connections there may be.
    pub limits: Limits,
    /// What this operator calls itself in Events.
    pub identity: String,
}

/// Where it is told who leads, and where it counts.
#[derive(Clone, Debug)]
pub struct Ties {
    /// Whether this operator may write.
    pub terms: watch::Receiver<Option<Term>>,
    /// What it counts.
    pub metrics: Metrics,
    /// Which nodes there are, for clients of InLong that ask on the same port.
    pub registry: Registry,
}

/// Tasks of one end, and what ends them.
#[derive(Clone, Debug)]
pub struct Tasks<'a> {
    /// Whose owner waits for them.
    pub tracker: &'a TaskTracker,
    /// Ends them.
    pub stop: &'a CancellationToken,
}

impl Tasks<'_> {
    fn spawn<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task(self.stop.clone()));
    }
}

/// What serves.
#[derive(Debug)]
pub struct Served {
    /// Says when all that is served was looked at once.
    pub complete: watch::Receiver<bool>,
    /// What answers; another listener may answer from the same.
    pub routes: Arc<Routes>,
    /// What fleets have published.
    pub published: Arc<dyn Configurations>,
}

/// Serves on `socket`, a plain listener; `writes` are tasks that write to the cluster, `rest` all others.
#[must_use]
pub fn start(
    settings: Settings,
    client: &Client,
    socket: TcpListener,
    ties: Ties,
    writes: &Tasks<'_>,
    rest: &Tasks<'_>,
) -> Served {
    let hub = Hub::default();
    let (changes, received) = mpsc::channel(QUEUE);
    let fleets = fleets::watch::Watch::new(changes.clone());
    let watched = settings.watched.clone();
    rest.spawn(|stop| fleets.run(client.clone(), watched, stop));
    let namespaces: BTreeSet<&String> = settings.namespaces.values().collect();
    let mut faults = Vec::new();
    for namespace in &namespaces {
        let (told, fault) = watch::channel(maps::book::Faults::new());
        faults.push(fault);
        let api = Api::namespaced(client.clone(), namespace);
        let watch = Watch::new(api, Space::namespace(namespace), changes.clone(), told);
        rest.spawn(|stop| watch.run(stop));
    }
    let teller = Teller::new(client.clone(), &settings.identity, ties.terms, faults);
    writes.spawn(|stop| teller.run(stop));

    let (completes, complete) = watch::channel(false);
    let opted_in = namespaces.iter().map(|namespace| Space::namespace(namespace));
    let wanted = opted_in.chain([Space::fleets()]).collect();
    rest.spawn(|stop| feed::run(hub.clone(), received, wanted, completes, stop));

    let logins = settings.login.map(|(namespace, name)| {
        let (sender, logins) = watch::channel(None);
        let api = Api::namespaced(client.clone(), &namespace);
        rest.spawn(|stop| http::keep_login(api, name, sender, stop));
        Logins::new(logins)
    });
    let space = |(id, namespace): (String, String)| (id, Space::namespace(&namespace));
    let spaces = settings.namespaces.into_iter().map(space).collect();
    let published: Arc<dyn Configurations> = Arc::new(Wholes::new(hub.clone()));
    let manager =
        Manager::new(ties.registry, ties.metrics.clone()).with_configurations(Arc::clone(&published));
    let routes = Arc::new(Routes::new(hub, spaces, logins, ties.metrics).with_manager(manager));
    let serving = http::serve(socket, Arc::clone(&routes), Trust::Anyone, settings.limits, rest.stop.clone());
    rest.tracker.spawn(serving);
    Served { complete, routes, published }
}
