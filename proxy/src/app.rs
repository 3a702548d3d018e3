//! Puts the parts together, runs them, and takes them down in order.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sluice_admin::open_files;
use sluice_wire::status::Announcement;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admit::{Budget, Gate};
use crate::args::Args;
use crate::config::{Applier, Exchange, Keeper, Places, Poller, Watcher};
use crate::heartbeat::{Heartbeats, Sender};
use crate::https::Https;
use crate::intake::{Intake, Listener, NodeCounters, bind, bind_all};
use crate::lifecycle::{Drain, Lifecycle, Stop};
use crate::load::{Load, Sampler};
use crate::operators::{self, Operators};
use crate::sink::SinkSet;
use crate::status::{Identity, Node};
use crate::telemetry::{Tracing, TracingError, refusals};
use crate::{admin, catalog};

/// How long answers may take to leave after every record is settled.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long sinks may take to settle what they hold and end.
const SINKS_END: Duration = Duration::from_secs(8);
/// Beside the longest delivery timeout: how long requests on the way may take to end.
const MARGIN: Duration = Duration::from_secs(1);
/// Connections served before the first configuration says how many.
const FIRST_CONNECTIONS: u32 = 1_000;

/// Why the proxy could not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Signals can't be listened for.
    #[error("can't listen for signals: {0}")]
    Signals(io::Error),
    /// Traces can't be exported as configured.
    #[error(transparent)]
    Traces(#[from] TracingError),
    /// The bound addresses can't be printed.
    #[error("can't print the bound addresses: {0}")]
    Announce(io::Error),
}

/// A running proxy.
struct App {
    node: Node,
    connections: TaskTracker,
    listeners: Vec<JoinHandle<()>>,
    admin: JoinHandle<()>,
    watcher: JoinHandle<Applier>,
    refusals: JoinHandle<()>,
    sampler: JoinHandle<()>,
    heartbeats: Option<JoinHandle<()>>,
    /// Cancelled when operators are to be told a last time.
    hush: CancellationToken,
    /// What speaks with operators and keeps what they say.
    background: TaskTracker,
    stop: CancellationToken,
}

/// Runs a proxy until it is told to leave, and then until it has left.
///
/// # Errors
/// [`AppError`], before anything is served.
pub async fn run(args: Args) -> Result<(), AppError> {
    open_files::raise();
    let mut told = Stop::listen(args.supervised).map_err(AppError::Signals)?;
    let traces = Tracing::start(args.otlp_endpoint.as_deref())?;
    let sockets = Sockets::bind(&args)?;
    if args.supervised {
        sockets.announce().map_err(AppError::Announce)?;
    }
    let app = App::start(&args, sockets, traces.clone());
    let reason = told.next().await;
    tracing::info!(reason, "leaving");
    let hurry = CancellationToken::new();
    let impatience = tokio::spawn({
        let hurry = hurry.clone();
        async move {
            told.next().await;
            hurry.cancel();
        }
    });
    let leaving = async {
        app.leave(&args, &hurry).await;
        traces.end().await;
    };
    if in_time(args.drain_limit, leaving).await {
        tracing::info!("left");
    } else {
        tracing::warn!("left before all was settled; what was not acknowledged is unknown");
    }
    impatience.abort();
    Ok(())
}

/// Whether it ends within `limit`, where there is one.
async fn in_time(limit: Option<Duration>, leaving: impl Future<Output = ()>) -> bool {
    match limit {
        Some(limit) => tokio::time::timeout(limit, leaving).await.is_ok(),
        None => {
            leaving.await;
            true
        }
    }
}

/// What the node listens on.
struct Sockets {
    /// At least one.
    http: Vec<TcpListener>,
    https: Option<TcpListener>,
    admin: TcpListener,
}

impl Sockets {
    fn bind(args: &Args) -> Result<Self, AppError> {
        let failed = |(address, source)| AppError::Bind { address, source };
        let listen = |address| bind(address).map_err(|source| failed((address, source)));
        let https = args.https.map(listen).transpose()?;
        Ok(Self { http: bind_all(&args.http).map_err(failed)?, https, admin: listen(args.admin)? })
    }

    fn announce(&self) -> io::Result<()> {
        let address = |socket: &TcpListener| socket.local_addr().map(|address| address.to_string());
        let announcement = Announcement {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            http: self.http.first().map(address).transpose()?.unwrap_or_default(),
            https: self.https.as_ref().map(address).transpose()?,
            admin: address(&self.admin)?,
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&announcement)?)?;
        out.flush()
    }
}

impl App {
    fn start(args: &Args, sockets: Sockets, traces: Tracing) -> Self {
        let Sockets { http, https, admin } = sockets;
        let node = Node {
            identity: Identity::new(args.node_uid.as_deref()),
            load: Load::default(),
            heartbeats: Arc::default(),
            catalog: catalog::Current::default(),
            budget: Budget::new(u64::MAX),
            gate: Gate::new(FIRST_CONNECTIONS),
            https: https.is_some().then(Arc::<Https>::default),
            config: Arc::default(),
            sinks: crate::status::SinkView::default(),
            counters: Arc::new(NodeCounters::default()),
            lifecycle: Lifecycle::default(),
            traces: traces.clone(),
        };
        let applier = Applier {
            catalog: Arc::clone(&node.catalog),
            budget: Arc::clone(&node.budget),
            gate: Arc::clone(&node.gate),
            https: node.https.clone(),
            state: Arc::clone(&node.config),
            view: node.sinks.clone(),
            sinks: SinkSet::default(),
        };
        let intake = Intake {
            catalog: Arc::clone(&node.catalog),
            budget: Arc::clone(&node.budget),
            lifecycle: node.lifecycle.clone(),
            node_ip: args.node_ip,
            counters: Arc::clone(&node.counters),
            traces,
        };
        let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
        let (hush, background) = (CancellationToken::new(), TaskTracker::new());
        let operators = operators(args, &stop, &background);
        let bound = http.first().and_then(|socket| socket.local_addr().ok());
        let heartbeats =
            operators.clone().zip(bound).and_then(|(operators, at)| heartbeats(args, operators, at, &node));
        let listener =
            |socket| Listener::new(socket, Arc::clone(&node.gate), intake.clone(), connections.clone());
        let secured = https.zip(node.https.clone()).map(|(socket, https)| listener(socket).over_tls(https));
        let listeners = http.into_iter().map(listener).chain(secured);
        let listeners = listeners.map(|listener| tokio::spawn(listener.run())).collect();
        let (watcher, exchange) = Watcher::new(Places {
            config: args.config.clone(),
            secrets: args.secrets.clone(),
            state: args.state.clone(),
            fleet: args.fleet.clone(),
        });
        configure(args, operators, exchange, &node, &stop, &background);
        let (answered, measured) = (node.clone(), node.clone());
        let sampler = Sampler::new(node.load.clone(), move || measured.filling());
        Self {
            connections,
            listeners,
            admin: tokio::spawn(admin::serve(admin, node.clone(), stop.clone())),
            watcher: tokio::spawn(watcher.run(applier, stop.child_token())),
            refusals: tokio::spawn(refusals::log(move || answered.answered(), stop.child_token())),
            sampler: tokio::spawn(sampler.run(stop.child_token())),
            heartbeats: heartbeats.map(|heartbeats| tokio::spawn(heartbeats.run(hush.child_token()))),
            hush,
            background,
            stop,
            node,
        }
    }

    /// Leaves in the phases of a drain, settles every record, and ends every task.
    async fn leave(self, args: &Args, hurry: &CancellationToken) {
        let configured =
            self.node.catalog.load().as_ref().map_or((0, 0), |c| (c.notify_ms, c.delivery_timeout_ms));
        let notify = args.drain_notify.unwrap_or(Duration::from_millis(configured.0));
        self.node.lifecycle.leave(Drain { settle: args.drain_settle, notify }, hurry).await;
        for listener in self.listeners {
            ended("listener", listener.await);
        }
        self.hush.cancel();
        self.connections.close();
        let patience = Duration::from_millis(configured.1) + MARGIN;
        if tokio::time::timeout(patience, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.node.gate.open(), "requests on the way are ended");
        }
        if let Some(heartbeats) = self.heartbeats {
            ended("heartbeats", heartbeats.await);
        }
        self.stop.cancel();
        if tokio::time::timeout(SINKS_END, end_sinks(self.watcher)).await.is_err() {
            tracing::error!("a sink did not end in time; what it held is unknown");
        }
        // Records taken back are answered as unknown now; whoever does not read the answer is left.
        let _ = tokio::time::timeout(LAST_ANSWERS, self.connections.wait()).await;
        ended("admin", self.admin.await);
        ended("summary of refusals", self.refusals.await);
        ended("sampler of the load", self.sampler.await);
        self.background.close();
        if tokio::time::timeout(LAST_ANSWERS, self.background.wait()).await.is_err() {
            tracing::warn!("what speaks with operators did not end in time");
        }
    }
}

/// The operators, where there are any.
fn operators(args: &Args, stop: &CancellationToken, tasks: &TaskTracker) -> Option<Operators> {
    let url = args.operator.clone()?;
    let (token, ca) = (args.operator_token.clone(), args.operator_ca.clone());
    Some(Operators::start(operators::Settings { url, token, ca }, stop.child_token(), tasks))
}

/// Takes the configuration from operators too, and keeps it for the next start.
fn configure(
    args: &Args,
    operators: Option<Operators>,
    exchange: Exchange,
    node: &Node,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    if let Some(directory) = &args.state {
        tasks.spawn(Keeper::new(directory.clone(), exchange.clone()).run(stop.child_token()));
    }
    if let (Some(operators), Some(fleet)) = (operators, &args.fleet) {
        let poller = Poller::new(operators, fleet.clone(), exchange, Arc::clone(&node.config));
        tasks.spawn(poller.run(stop.child_token()));
    }
}

/// The heartbeats to these operators of a node that takes reports there.
fn heartbeats(args: &Args, operators: Operators, bound: SocketAddr, node: &Node) -> Option<Heartbeats<Node>> {
    let fleet = args.fleet.as_ref()?;
    let identity = &node.identity;
    let cluster = format!("{}.{}", fleet.namespace, fleet.name);
    let sender = Sender::new(Arc::clone(&identity.uid), identity.started, args.node_ip, bound, cluster);
    Some(Heartbeats {
        subject: Arc::new(node.clone()),
        sender,
        operators,
        interval: args.heartbeat_interval,
        counts: Arc::clone(&node.heartbeats),
    })
}

async fn end_sinks(watcher: JoinHandle<Applier>) {
    if let Some(applier) = ended("configuration watcher", watcher.await) {
        applier.sinks.shutdown().await;
    }
}

fn ended<T>(task: &str, result: Result<T, tokio::task::JoinError>) -> Option<T> {
    result.map_err(|error| tracing::error!(task, %error, "a task failed")).ok()
}
