//! One connection from its first byte to its last.
//!
//! It ends gently: after the last answer the node says that it will send no more and reads on for a
//! while what the client still sends. Closed at once, the kernel would answer those bytes with a
//! reset, and the client might never read the answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_admin::watched::{Activity, Watched, in_time};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Routes;
use crate::admit::ClientNames;

/// How long, and how much, a client may go on sending after its last answer.
const LINGER: (Duration, usize) = (Duration::from_secs(5), 32 << 20);
/// The same while the node shuts down.
const LINGER_CLOSING: Duration = Duration::from_millis(500);
/// Headers of a request, at most.
const MAX_HEADERS: usize = 64;
/// The longest head of a request, in bytes; hyper answers a longer one with 431. It is also how much a
/// connection reads ahead of its handler, which no budget counts.
const MAX_HEAD: usize = 16 << 10;

/// Who is at the other end.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its address; IPv4 in IPv6 is the IPv4 address.
    pub(super) address: IpAddr,
    /// The same, as records name it.
    pub(super) client: String,
    /// How its certificate, if it has one, calls it.
    pub(super) names: ClientNames,
    /// The node's own address, as records name it.
    pub(super) node: String,
    /// Whether the connection is over the node's limit and only to be told so.
    pub(super) over_limit: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By one side's wish, or an error on the way.
    Over,
    /// By its deadline.
    TimedOut,
}

/// Serves a connection to its end.
pub(super) async fn serve<S>(socket: S, peer: Peer, routes: Routes, closing: &CancellationToken) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let activity = Activity::new();
    let io = TokioIo::new(Watched { socket, activity: Arc::clone(&activity) });
    let peer = Arc::new(peer);
    let service = service_fn(|request: Request<Incoming>| {
        activity.begins_work();
        let (routes, peer, activity) = (routes.clone(), Arc::clone(&peer), Arc::clone(&activity));
        async move {
            let answer = routes.answer(request, peer).await;
            activity.ends_work();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.half_close(true).header_read_timeout(None).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let connection = builder.serve_connection(io, service).without_shutdown();
    let ended = tokio::select! {
        ended = in_time(connection, &activity) => ended,
        () = closed_while_idle(closing, &activity) => return End::Over,
    };
    match ended {
        Some(Ok(parts)) => {
            linger(parts.io.into_inner().socket, closing).await;
            End::Over
        }
        Some(Err(_)) => End::Over,
        None => End::TimedOut,
    }
}

/// Returns once the node closes and the connection has no request on the way.
async fn closed_while_idle(closing: &CancellationToken, activity: &Activity) {
    closing.cancelled().await;
    let mut looks_idle = false;
    // Twice in a row: the last answer may still be on its way out, and a request may just be arriving.
    while !(looks_idle && activity.is_idle()) {
        looks_idle = activity.is_idle();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, closing: &CancellationToken) {
    let drain = async {
        // Over TLS this waits for a client that does not read.
        if socket.shutdown().await.is_err() {
            return;
        }
        let mut buffer = vec![0; 8 << 10];
        let mut left = LINGER.1;
        while left > 0 {
            match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    let hurried = async {
        closing.cancelled().await;
        tokio::time::sleep(LINGER_CLOSING).await;
    };
    tokio::select! {
        // Time out or not, the socket is closed next.
        _ = timeout(LINGER.0, drain) => {}
        () = hurried => {}
    }
}
