//! Puts the parts together, runs them, and takes them down in order.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use kube::Client;
use sluice_admin::open_files;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self as admin_port, Shown};
use crate::admission::Index;
use crate::apply::Sender;
use crate::args::Args;
use crate::build::objects::{Context, OLDEST_MINOR};
use crate::credentials::{self, Wanted};
use crate::lead::Candidate;
use crate::nodes::{self, Targets};
use crate::poll::{self, Tasks, Ties};
use crate::reconcile::Reconciler;
use crate::registry::{self, Ends};
use crate::secured::{self, Behind, Doors, Opened};
use crate::telemetry::Metrics;
use crate::tokens;
use crate::watch::cluster;

/// Why the operator could not run.
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
    /// There is no API server to speak to.
    #[error("can't reach the API server: {0}")]
    Client(#[from] kube::Error),
    /// A mistake in the product.
    #[error("can't count: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Runs the operator until it is told to stop, and then until it has stopped.
///
/// # Errors
/// [`AppError`], before anything is written.
pub async fn run(args: Args) -> Result<(), AppError> {
    open_files::raise();
    let mut terminated = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
    let admin = bind(args.admin).await?;
    let poll = bind(args.poll).await?;
    let tls = bind_if(args.tls).await?;
    let webhooks = bind_if(args.webhooks).await?;
    let client = Client::try_default().await?;
    let context = Context { kubernetes_minor: minor(&client).await, ..Context::new(&args) };
    let running =
        Running::start(&args, client, Sockets { admin, poll, doors: Doors { tls, webhooks } }, context)?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Bind { address, source })
}

async fn bind_if(address: Option<SocketAddr>) -> Result<Option<TcpListener>, AppError> {
    match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

/// Listeners.
struct Sockets {
    admin: TcpListener,
    /// Of discovery and long polling.
    poll: TcpListener,
    doors: Doors,
}

/// The API server's minor version; the oldest supported one where it does not say.
async fn minor(client: &Client) -> u32 {
    let digits = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    match client.apiserver_version().await {
        Ok(info) => digits(&info.minor).unwrap_or(OLDEST_MINOR),
        Err(error) => {
            tracing::warn!(%error, "the API server does not say its version");
            OLDEST_MINOR
        }
    }
}

/// How long requests are still answered once nothing more is written: a Service leads to a pod for a moment after it was
/// told to end, and a pod that asks for a proxy must not be refused by a rollout.
const LINGER: Duration = Duration::from_secs(5);

/// A running operator: what writes, what holds the lease, and all the rest, which end in this order.
struct Running {
    writes: TaskTracker,
    stop_writes: CancellationToken,
    lease: TaskTracker,
    stop_lease: CancellationToken,
    rest: TaskTracker,
    stop_rest: CancellationToken,
    written: CancellationToken,
    /// Whether somebody may come still who was sent here before.
    lingers: bool,
}

impl Running {
    fn start(
        args: &Args,
        client: Client,
        Sockets { admin, poll, doors }: Sockets,
        context: Context,
    ) -> Result<Self, AppError> {
        let running = Self {
            writes: TaskTracker::new(),
            stop_writes: CancellationToken::new(),
            lease: TaskTracker::new(),
            stop_lease: CancellationToken::new(),
            rest: TaskTracker::new(),
            stop_rest: CancellationToken::new(),
            written: CancellationToken::new(),
            lingers: doors.webhooks.is_some(),
        };
        let metrics = Metrics::new()?;
        let settings = (args.namespace.clone(), args.default_fleet_config.clone());
        let changes = cluster::start(&client, &settings, &args.watched(), &running.rest, &running.stop_rest);
        let candidate = Candidate::new(client.clone(), &args.namespace, &args.lease, &args.identity);
        let terms = candidate.terms();
        running.lease.spawn(candidate.run(running.stop_lease.clone(), running.written.clone()));
        let (targets, wanted) = watch::channel(Targets::new());
        let (answers, answered) = nodes::answers();
        let (news, told) = nodes::news();
        running.rest.spawn(nodes::run(wanted, told, answers, running.stop_rest.clone()));
        let (directory, directories) = watch::channel(None);
        let (warm, warmed) = watch::channel(false);
        let ends = Ends { directory: directories, news, warm, metrics: metrics.clone() };
        let (registry, keeper) = registry::start(ends, running.stop_rest.clone());
        running.rest.spawn(keeper);
        let complete = watch::Sender::new(false);
        let roll = registry.roll();
        let writes = Tasks { tracker: &running.writes, stop: &running.stop_writes };
        let rest = Tasks { tracker: &running.rest, stop: &running.stop_rest };
        let ties = Ties { terms: terms.clone(), metrics: metrics.clone(), registry };
        let polled = poll::start(args.polling(), &client, poll, ties.clone(), &writes, &rest);
        let (tokens, keeping) = tokens::start(client.clone(), running.stop_rest.clone());
        running.rest.spawn(keeping);
        let (secrets, wanted) = watch::channel(Wanted::new());
        let (credentials, reading) = credentials::start(client.clone(), wanted, running.stop_rest.clone());
        running.rest.spawn(reading);
        let published = (polled.published, polled.complete.clone());
        let mut completes = vec![complete.subscribe(), warmed, polled.complete];
        let (bundled, index) =
            (watch::Sender::new(None), watch::Sender::new(Index::new(context.default_fleet.clone())));
        let (index_now, out) = (index.subscribe(), bundled.subscribe());
        let behind = Behind {
            routes: polled.routes,
            index: index_now,
            ties,
            context: context.clone(),
            tokens: tokens.clone(),
            bundled: out,
        };
        let Opened { bundles, ready } = secured::start(args, &client, doors, behind, (&writes, &rest));
        completes.extend(ready);
        let shown = Shown { complete: completes, terms: terms.clone(), metrics: metrics.clone() };
        running.rest.spawn(admin_port::serve(admin, shown, running.stop_rest.clone()));
        let reconciler = Reconciler {
            changes,
            answers: answered,
            targets,
            terms,
            sender: Sender::new(client, &args.identity),
            context,
            metrics,
            complete,
            directory,
            roll,
            write_rate: args.write_rate,
            credentials,
            secrets,
            tokens,
            published,
            bundles,
            bundled,
            index,
        };
        running.writes.spawn(reconciler.run(running.stop_writes.clone()));
        Ok(running)
    }

    /// First nothing more is written, then the lease is given back, then all the rest ends.
    async fn stop(self) {
        self.stop_lease.cancel();
        ended(&self.writes, &self.stop_writes).await;
        self.written.cancel();
        ended(&self.lease, &self.stop_lease).await;
        if self.lingers {
            tokio::time::sleep(LINGER).await;
        }
        ended(&self.rest, &self.stop_rest).await;
    }
}

async fn ended(tasks: &TaskTracker, stop: &CancellationToken) {
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
