//! The same answers over TLS. A connection has its seat from its first byte on, its handshake has ten seconds, and it
//! goes on with the certificate that it began with when that is renewed.
//! It verifies no client: who a request is from, its token says.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use sluice_admin::accept::accept;
use sluice_admin::seats::{Limits, Seats};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Callers, Routes, serve_connection};
use crate::telemetry::Metrics;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The certificate to serve with, and what else is to be said in a handshake; none while there is none.
pub(super) type Configs = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Serves until `stop`; then polls that wait are answered, and connections end with their answer.
pub async fn serve<C: Callers>(
    socket: TcpListener,
    routes: Arc<Routes>,
    (configs, callers): (Configs, Arc<C>),
    limits: Limits,
    metrics: Metrics,
    stop: CancellationToken,
) {
    accept(socket, Seats::new(limits), &stop, |connection, ip| {
        let config = configs.borrow().clone();
        let (routes, callers, stop) = (Arc::clone(&routes), Arc::clone(&callers), stop.clone());
        let metrics = metrics.clone();
        async move {
            let Some(config) = config else {
                tracing::debug!(client = %ip, "a connection is closed: there is no certificate yet");
                return;
            };
            let secured = tokio::select! {
                secured = handshake(connection, config) => secured,
                () = stop.cancelled() => return,
            };
            match secured {
                Some(secured) => serve_connection(secured, ip, &routes, &callers, &stop).await,
                None => metrics.handshake_failed(),
            }
        }
    })
    .await;
}

/// Why one fails concerns the client, which is told by an alert.
async fn handshake(connection: TcpStream, config: Arc<ServerConfig>) -> Option<Box<TlsStream<TcpStream>>> {
    let shaken = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(connection)).await;
    shaken.ok()?.ok().map(Box::new)
}

#[cfg(test)]
mod tests;
