//! One connection from its first byte to its last.
//! Its requests are answered one after another; when the listener stops it ends with the answer on its way.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_admin::watched::{Activity, Watched, in_time};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Callers, Routes};

/// Headers of a request, at most.
const MAX_HEADERS: usize = 64;
/// The longest head of a request, in bytes; hyper answers a longer one with 431. `ShenYu` sends all it asks in the head.
const MAX_HEAD: usize = 16 << 10;
/// How long the last answer may be on its way once the listener stops.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Serves one connection, of a socket or of TLS over one, from `ip`, until it ends or `stop` does.
pub async fn serve<S, C>(
    socket: S,
    ip: IpAddr,
    routes: &Arc<Routes>,
    callers: &Arc<C>,
    stop: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Callers,
{
    let activity = Activity::new();
    let io = TokioIo::new(Watched { socket, activity: Arc::clone(&activity) });
    let service = service_fn(|request: Request<Incoming>| {
        activity.begins_work();
        let (routes, callers) = (Arc::clone(routes), Arc::clone(callers));
        let (activity, stop) = (Arc::clone(&activity), stop.clone());
        async move {
            let answer = match callers.caller(ip, request.headers()) {
                Ok(caller) => routes.answer(request, &caller, stop.cancelled()).await,
                Err(stranger) => routes.refuse(stranger),
            };
            activity.ends_work();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let mut connection = pin!(builder.serve_connection(io, service));
    // How a connection ends concerns nobody: a client that wants more connects again.
    tokio::select! {
        _ = in_time(connection.as_mut(), &activity) => return,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_ANSWER, connection).await;
}
