//! One connection to one operator: a request at a time, each with the host's name and the pod's token.
//! It never sends a request twice: whether to ask again is the caller's to know.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::OperatorError;
use super::token::Token;

/// How long a connection may be silent before the other end is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Between two such questions.
const PROBES: Duration = Duration::from_secs(5);
/// How many are left unanswered before the connection is given up.
const LOST_PROBES: u32 = 3;

/// A connection to one operator, closed when it is dropped, an answer that is still being read included.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    identity: Identity,
    _driver: DropGuard,
}

/// Who is spoken to, and what it is told of who speaks.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) address: SocketAddr,
    pub(super) host: HeaderValue,
    pub(super) token: Option<Arc<Token>>,
}

/// Sets up a connected socket: nothing waits for company, and a peer that vanished is noticed.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(PROBES).with_retries(LOST_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl Connection {
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        identity: Identity,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<Self, OperatorError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let stopped = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                // Whoever waits for an answer is told the error too.
                _ = connection => {}
            }
        });
        Ok(Self { sender, identity, _driver: stop.drop_guard() })
    }

    /// Which operator it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.identity.address
    }

    /// Whether it can still take a request, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its answer, `patience` at most. `Host` and `Authorization` are added.
    ///
    /// # Errors
    /// [`OperatorError`]; an answer of whatever status is none.
    pub async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, OperatorError> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.identity.host.clone());
        if let Some(token) = &self.identity.token {
            headers.insert(AUTHORIZATION, token.bearer().await?);
        }
        let asked = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        match timeout(patience, asked).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(OperatorError::Slow("an answer")),
        }
    }
}
