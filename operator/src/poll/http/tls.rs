//! The same answers over TLS. A connection has its seat from its first byte on, its handshake has ten seconds, and it
//! goes on with the certificate that it began with when that is renewed.
//! It verifies no client: who a request is from, its token says.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Callers, Limits, PAUSE, Routes, Seats, serve_connection};
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
    let (seats, connections) = (Seats::new(limits), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((connection, client)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let ip = client.ip().to_canonical();
        let Some(seat) = seats.take(ip) else {
            tracing::debug!(client = %ip, "one connection too many is closed");
            continue;
        };
        let Some(config) = configs.borrow().clone() else {
            tracing::debug!(client = %ip, "a connection is closed: there is no certificate yet");
            continue;
        };
        let (routes, callers, stop) = (Arc::clone(&routes), Arc::clone(&callers), stop.clone());
        let metrics = metrics.clone();
        connections.spawn(async move {
            let secured = tokio::select! {
                secured = handshake(connection, config) => secured,
                () = stop.cancelled() => return,
            };
            match secured {
                Some(secured) => serve_connection(secured, ip, &routes, &callers, &stop).await,
                None => metrics.handshake_failed(),
            }
            drop(seat);
        });
    }
    connections.close();
    connections.wait().await;
}

/// Why one fails concerns the client, which is told by an alert.
async fn handshake(connection: TcpStream, config: Arc<ServerConfig>) -> Option<Box<TlsStream<TcpStream>>> {
    // Without it answers wait for the client's delayed acknowledgements; failing to set it is no more.
    let _ = connection.set_nodelay(true);
    let shaken = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(connection)).await;
    shaken.ok()?.ok().map(Box::new)
}

#[cfg(test)]
mod tests;
