//! Who the fleet's operators are and how to speak to them: addresses by name, TLS, the pod's token, one request after
//! another on a connection. It knows nothing of what is asked, and nothing that serves a report waits for it.

mod answer;
mod connection;
mod error;
mod names;
mod token;
mod trust;
mod url;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use answer::read;
pub use connection::Connection;
pub use error::OperatorError;
pub use url::{OperatorUrl, UrlError};

use connection::prepare;
use names::Names;
use token::Token;
use trust::Trust;

/// From the first packet of a connection to the end of its handshakes.
const CONNECT: Duration = Duration::from_secs(5);

/// What is needed to speak to the operators.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where they are; each address of the host is one of them.
    pub url: OperatorUrl,
    /// The file with the pod's token.
    pub token: PathBuf,
    /// The file with the authorities that operators' certificates are checked against, in PEM.
    pub ca: PathBuf,
}

/// The operators, as many as there are.
#[derive(Clone, Debug)]
pub struct Operators(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: OperatorUrl,
    host: HeaderValue,
    trust: Trust,
    token: Arc<Token>,
    addresses: watch::Receiver<BTreeSet<SocketAddr>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Operators {
    /// Looks for them from now on until `stop`. What runs beside, connections included, is the tracker's.
    #[must_use]
    pub fn start(settings: Settings, stop: CancellationToken, tasks: &TaskTracker) -> Self {
        let Settings { url, token, ca } = settings;
        let (names, addresses) = Names::new(&url);
        tasks.spawn(names.run(stop.clone()));
        let (trust, token) = (Trust::new(ca), Arc::new(Token::new(token)));
        let host = url.host_header();
        Self(Arc::new(Inner { url, host, trust, token, addresses, stop, tasks: tasks.clone() }))
    }

    /// The addresses there are; none before the name was found for the first time. When it can't be found any more, those
    /// found last.
    #[must_use]
    pub fn addresses(&self) -> watch::Receiver<BTreeSet<SocketAddr>> {
        self.0.addresses.clone()
    }

    /// Connects to one of them.
    ///
    /// # Errors
    /// [`OperatorError`]; after 5 s at the latest.
    pub async fn connect(&self, address: SocketAddr) -> Result<Connection, OperatorError> {
        let connected = timeout(CONNECT, self.handshake(address)).await;
        connected.unwrap_or(Err(OperatorError::Slow("connect")))
    }

    async fn handshake(&self, address: SocketAddr) -> Result<Connection, OperatorError> {
        let Inner { url, host, trust, token, stop, tasks, .. } = &*self.0;
        let stop = stop.child_token();
        let token = if url.is_secure() { Some(Arc::clone(token)) } else { None };
        if let Some(token) = &token {
            token.renew().await?;
        }
        let stream = TcpStream::connect(address).await.map_err(OperatorError::Connect)?;
        prepare(&stream).map_err(OperatorError::Connect)?;
        let identity = connection::Identity { address, host: host.clone(), token };
        if url.is_secure() {
            let stream = trust.secure(stream, url.host()).await?;
            Connection::over(stream, identity, stop, tasks).await
        } else {
            Connection::over(stream, identity, stop, tasks).await
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
