//! Puts together what is served over TLS: the certificate, the listener that proxies speak to, with their tokens and the
//! answers of long polling, and the one that the API server asks.
//! What it serves and whom it knows is decided elsewhere.

use std::sync::Arc;

use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admission::{self, Asks, Index, Parts};
use crate::args::Args;
use crate::build::objects::Context;
use crate::pki::{Bundle, Files, Keeper, Kept, Outs};
use crate::poll::http::{Bearers, Routes, serve_tls};
use crate::poll::{Tasks, Ties};
use crate::tls::Configs;
use crate::tokens::Tokens;

/// Listeners.
pub(crate) struct Doors {
    /// Of what proxies speak to, if there is one.
    pub(crate) tls: Option<TcpListener>,
    /// Of what the API server speaks to, if there is one.
    pub(crate) webhooks: Option<TcpListener>,
}

/// What is behind them.
pub(crate) struct Behind {
    /// What proxies are answered.
    pub(crate) routes: Arc<Routes>,
    /// What reviews are held against.
    pub(crate) index: watch::Receiver<Index>,
    pub(crate) ties: Ties,
    /// What sidecars are made with.
    pub(crate) context: Context,
    /// What pods' tokens are verified with.
    pub(crate) tokens: Tokens,
    /// The trust bundle that every namespace with a fleet has.
    pub(crate) bundled: watch::Receiver<Option<Bundle>>,
}

/// What the rest of the operator has of it.
pub(crate) struct Opened {
    /// The trust bundle that every namespace with a fleet is to have.
    pub(crate) bundles: watch::Receiver<Option<Bundle>>,
    /// Whether the API server trusts the certificate by now; absent: it asks nothing.
    pub(crate) ready: Option<watch::Receiver<bool>>,
}

/// Opens the doors that there are.
pub(crate) fn start(
    args: &Args,
    client: &Client,
    Doors { tls, webhooks }: Doors,
    Behind { routes, index, ties, context, tokens, bundled }: Behind,
    (writes, rest): (&Tasks<'_>, &Tasks<'_>),
) -> Opened {
    if tls.is_none() && webhooks.is_none() {
        return Opened { bundles: watch::channel(None).1, ready: None };
    }
    let called = watch::Sender::new(None);
    let outs = webhooks.iter().map(|_| called.subscribe()).chain([bundled]).collect();
    let kept = certificates(args, client, &ties, Outs::new(outs), (writes, rest));
    let ready = webhooks.map(|socket| {
        let ready = watch::Sender::new(false);
        let told = ready.subscribe();
        let asks = Asks {
            configuration: args.webhook_configuration.clone(),
            bundles: kept.bundles.clone(),
            terms: ties.terms.clone(),
            out: called,
            ready,
        };
        let (configs, metrics) = (kept.configs.clone(), ties.metrics.clone());
        let parts = Parts { configs, index, metrics, context };
        admission::start(client, socket, parts, asks, (writes, rest));
        told
    });
    if let Some(socket) = tls {
        proxies(args, (socket, routes), (kept.configs, tokens), ties, rest);
    }
    Opened { bundles: kept.bundles, ready }
}

/// Keeps the certificate: the operator's own, or the one that is given. `outs` say who has which trust bundle.
fn certificates(
    args: &Args,
    client: &Client,
    Ties { terms, metrics, .. }: &Ties,
    outs: Outs,
    (writes, rest): (&Tasks<'_>, &Tasks<'_>),
) -> Kept {
    if let Some(folder) = &args.tls_files {
        let (files, kept) = Files::new(folder.clone(), args.pki(), metrics.clone());
        rest.tracker.spawn(files.run(rest.stop.clone()));
        return kept;
    }
    let (keeper, kept) = Keeper::new(client.clone(), args.pki(), terms.clone(), outs, metrics.clone());
    writes.tracker.spawn(keeper.run(writes.stop.clone()));
    kept
}

fn proxies(
    args: &Args,
    (socket, routes): (TcpListener, Arc<Routes>),
    (configs, tokens): (Configs, Tokens),
    Ties { metrics, .. }: Ties,
    rest: &Tasks<'_>,
) {
    let by = (configs, Arc::new(Bearers::new(tokens, metrics.clone())));
    rest.tracker.spawn(serve_tls(socket, routes, by, args.proxies(), metrics, rest.stop.clone()));
}
