//! The task: watches both Secrets, says what to serve and whom to trust, and writes while this operator leads.
//! What it writes carries the version that it saw; whose change came between is looked at first.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::decide::{Action, Decision};
use super::state::{Settings, State, Which};
use super::{Bundle, Kept, MakeError, Outs};
use crate::clock;
use crate::lead::Term;
use crate::marks::MANAGER;
use crate::telemetry::Metrics;

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first and the longest pause after a write that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Between two looks when nothing happens, at least and at most.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60 * 60));
/// Between two looks while there is something that another has to do.
const OTHERS: Duration = Duration::from_secs(60);

/// Why a write did not come about.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error("the API server did not answer in time")]
    Silent,
    #[error("this operator leads no more")]
    NotLeading,
}

/// The task.
pub struct Keeper {
    api: Api<Secret>,
    state: State,
    /// The leaf that is served, by its digest.
    served: Option<String>,
    /// What was complained of last.
    complaint: Option<Action>,
    terms: watch::Receiver<Option<Term>>,
    /// The bundle that everybody has.
    outs: Outs,
    configs: watch::Sender<Option<Arc<ServerConfig>>>,
    bundles: watch::Sender<Option<Bundle>>,
    metrics: Metrics,
}

impl Keeper {
    /// Keeps both with `client` while `terms` say that this operator leads; `outs` say which bundle is everywhere.
    #[must_use]
    pub fn new(
        client: kube::Client,
        settings: Settings,
        terms: watch::Receiver<Option<Term>>,
        outs: Outs,
        metrics: Metrics,
    ) -> (Self, Kept) {
        let ((configs, served), (bundles, bundled)) = (watch::channel(None), watch::channel(None));
        let api = Api::namespaced(client, &settings.namespace);
        let state = State::new(settings);
        let keeper =
            Self { api, state, served: None, complaint: None, terms, outs, configs, bundles, metrics };
        (keeper, Kept { configs: served, bundles: bundled })
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut authorities = self.watched(Which::Authority);
        let mut leaves = self.watched(Which::Leaf);
        let (mut pause, mut not_before) = (PAUSES.0, Instant::now());
        loop {
            let term = self.terms.borrow_and_update().clone();
            let (action, mut again) = self.look();
            if let Some((action, term)) = action.zip(term) {
                if Instant::now() >= not_before {
                    let done = tokio::select! {
                        () = stop.cancelled() => return,
                        done = self.act(action, &term) => done,
                    };
                    match done {
                        Ok(()) => pause = PAUSES.0,
                        Err(error) => {
                            tracing::warn!(%error, ?action, "the operator's certificates can't be written yet");
                            not_before = Instant::now() + pause;
                            pause = (pause * 2).min(PAUSES.1);
                        }
                    }
                }
                again = not_before;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Some(event) = authorities.next() => self.take(Which::Authority, event),
                Some(event) = leaves.next() => self.take(Which::Leaf, event),
                changed = self.terms.changed() => if changed.is_err() { return },
                () = self.outs.changed() => {}
                () = sleep_until(again) => {}
            }
        }
    }

    /// A watch of one Secret; one that breaks is begun again with growing pauses.
    fn watched(&self, which: Which) -> BoxStream<'static, watcher::Result<Option<Secret>>> {
        watch_object(self.api.clone(), &self.state.name(which)).default_backoff().boxed()
    }

    fn take(&mut self, which: Which, event: watcher::Result<Option<Secret>>) {
        match event {
            Ok(secret) => self.state.put(which, secret),
            Err(error) => tracing::warn!(?which, %error, "a watch of a Secret broke and is begun again"),
        }
    }

    /// Says what to serve and whom to trust; gives what is to be done and when to look again.
    fn look(&mut self) -> (Option<Action>, Instant) {
        self.serve();
        let (now, out) = (clock::seconds(), self.outs.everywhere());
        let Some(look) = self.state.look(out.as_ref(), now) else { return (None, Instant::now() + LOOKS.1) };
        self.bundles.send_if_modified(|told| {
            let differs = *told != look.trusted;
            *told = look.trusted;
            differs
        });
        let Decision { action, again } = look.decision;
        let wait = match action {
            Some(_) => OTHERS,
            None => Duration::from_secs(again.saturating_sub(now)).clamp(LOOKS.0, LOOKS.1),
        };
        let complaint = action.filter(|action| action.is_complaint());
        self.complain(complaint);
        (action.filter(|_| complaint.is_none()), Instant::now() + wait)
    }

    /// What can't be mended here is said once.
    fn complain(&mut self, complaint: Option<Action>) {
        if let Some(action) = complaint.filter(|_| complaint != self.complaint) {
            let which = if action == Action::ComplainOfLeaf { Which::Leaf } else { Which::Authority };
            let secret = self.state.name(which);
            tracing::error!(secret, "the Secret is somebody else's and of no use; mend it or remove it");
        }
        self.complaint = complaint;
    }

    /// Serves with the leaf that there is. While there is none the last one is served on.
    fn serve(&mut self) {
        let Some(leaf) = self.state.leaf() else { return };
        if self.served.as_ref() == Some(&leaf.certificate.id) {
            return;
        }
        match leaf.config() {
            Ok(config) => {
                tracing::info!(until = leaf.certificate.span.until, "a certificate is served");
                self.metrics.certificate_expires(leaf.certificate.span.until);
                self.configs.send_replace(Some(Arc::new(config)));
                self.served = Some(leaf.certificate.id.clone());
            }
            Err(error) => tracing::error!(%error, "a certificate can't be served"),
        }
    }

    async fn act(&mut self, action: Action, term: &Term) -> Result<(), WriteError> {
        let Some((which, secret)) = self.state.wanted(action, clock::seconds())? else { return Ok(()) };
        if !term.may_write() {
            return Err(WriteError::NotLeading);
        }
        let written = tokio::select! {
            biased;
            () = term.end() => return Err(WriteError::NotLeading),
            written = timeout(PATIENCE, write(&self.api, &secret)) => written.map_err(|_| WriteError::Silent)??,
        };
        tracing::info!(?action, "the operator's certificates are written");
        self.state.put(which, Some(written));
        Ok(())
    }
}

async fn write(api: &Api<Secret>, secret: &Secret) -> kube::Result<Secret> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    match secret.metadata.resource_version {
        Some(_) => api.replace(name, &params, secret).await,
        None => api.create(&params, secret).await,
    }
}
