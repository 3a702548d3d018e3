//! The same answers over TLS.
//! It verifies no client: who a request is from, its token says.

use std::sync::Arc;

use sluice_admin::seats::Limits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Callers, Routes, serve_connection};
use crate::telemetry::Metrics;
use crate::tls::{self, Configs, Secured};

/// Serves until `stop`; then polls that wait are answered, and connections end with their answer.
pub async fn serve<C: Callers>(
    socket: TcpListener,
    routes: Arc<Routes>,
    (configs, callers): (Configs, Arc<C>),
    limits: Limits,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let stopped = stop.clone();
    let serve = move |secured: Secured, ip| {
        let (routes, callers, stop) = (Arc::clone(&routes), Arc::clone(&callers), stopped.clone());
        async move { serve_connection(secured, ip, &routes, &callers, &stop).await }
    };
    tls::accept(socket, configs, limits, &metrics, &stop, serve).await;
}

#[cfg(test)]
mod tests;
