//! Puts together the listener that proxies speak to: certificates, tokens, and the answers of long polling over both.
//! What it serves and whom it knows is decided elsewhere.

use std::sync::Arc;

use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::Args;
use crate::pki::{Bundle, Keeper};
use crate::poll::http::{Bearers, Routes, serve_tls};
use crate::poll::{Tasks, Ties};
use crate::tokens::Tokens;

/// Serves `routes` on `socket`; `bundled` says which trust bundle every namespace with a fleet has. Gives the one that
/// each of them is to have.
pub(crate) fn start(
    args: &Args,
    client: &Client,
    (socket, routes): (TcpListener, Arc<Routes>),
    (ties, tokens, bundled): (Ties, Tokens, watch::Receiver<Option<Bundle>>),
    writes: &Tasks<'_>,
    rest: &Tasks<'_>,
) -> watch::Receiver<Option<Bundle>> {
    let Ties { terms, metrics, .. } = ties;
    let (keeper, kept) = Keeper::new(client.clone(), args.pki(), terms, bundled, metrics.clone());
    writes.tracker.spawn(keeper.run(writes.stop.clone()));
    let by = (kept.configs, Arc::new(Bearers::new(tokens, metrics.clone())));
    rest.tracker.spawn(serve_tls(socket, routes, by, args.proxies(), metrics, rest.stop.clone()));
    kept.bundles
}
