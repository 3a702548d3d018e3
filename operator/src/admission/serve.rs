//! The listener that the API server speaks to. Anybody in the cluster may connect, because the API server has no name that
//! could be asked for: so it is bounded, shows nothing, and changes nothing.

use std::sync::Arc;

use sluice_admin::seats::Limits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Routes;
use crate::connection;
use crate::telemetry::Metrics;
use crate::tls::{self, Configs, Secured};

/// Connections: an API server opens one for each review that waits, and there may be several of them behind one address.
const LIMITS: Limits = Limits { connections: 1_024, per_address: 256 };

/// Serves until `stop`; then connections end with their answer.
pub async fn serve(
    socket: TcpListener,
    routes: Routes,
    configs: Configs,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let (routes, stopped) = (Arc::new(routes), stop.clone());
    let serve = move |secured: Secured, _| {
        let (routes, stop) = (Arc::clone(&routes), stopped.clone());
        async move {
            let answer = |request| {
                let routes = Arc::clone(&routes);
                async move { routes.answer(request).await }
            };
            connection::serve(secured, answer, &stop).await;
        }
    };
    tls::accept(socket, configs, LIMITS, &metrics, &stop, serve).await;
}

#[cfg(test)]
mod tests;
