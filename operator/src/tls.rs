//! Connections over TLS. Each has its seat from its first byte on, its handshake has ten seconds, and it goes on with the
//! certificate that it began with when that is renewed. No client is verified: who a request is from, others say.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use sluice_admin::accept;
use sluice_admin::seats::{Limits, Seats};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The certificate to serve with, and what else is to be said in a handshake; none while there is none.
pub(crate) type Configs = watch::Receiver<Option<Arc<ServerConfig>>>;

/// A connection after its handshake.
pub(crate) type Secured = Box<TlsStream<TcpStream>>;

/// Has each connection whose handshake comes about served by what `serve` makes of it and of its client's address, until
/// `stop`; then it waits for those that are served, which are for `serve` to end.
pub(crate) async fn accept<F>(
    socket: TcpListener,
    configs: Configs,
    limits: Limits,
    metrics: &Metrics,
    stop: &CancellationToken,
    serve: impl Fn(Secured, IpAddr) -> F + Clone + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    accept::accept(socket, Seats::new(limits), stop, |connection, ip| {
        let config = configs.borrow().clone();
        let (metrics, stop, serve) = (metrics.clone(), stop.clone(), serve.clone());
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
                Some(secured) => serve(secured, ip).await,
                None => metrics.handshake_failed(),
            }
        }
    })
    .await;
}

/// Why one fails concerns the client, which is told by an alert.
async fn handshake(connection: TcpStream, config: Arc<ServerConfig>) -> Option<Secured> {
    let shaken = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(connection)).await;
    shaken.ok()?.ok().map(Box::new)
}
