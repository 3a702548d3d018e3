//! One connection of the operator's listeners, from its first byte to its last: bounded in headers and in time.
//! What its requests are answered with, others say.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_admin::watched::{Activity, Watched, in_time};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Headers of a request, at most.
const MAX_HEADERS: usize = 64;
/// The longest head of a request, in bytes; hyper answers a longer one with 431. `ShenYu` sends all it asks in the head.
const MAX_HEAD: usize = 16 << 10;
/// How long the last answer may be on its way once the listener stops.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Serves one connection, of a socket or of TLS over one, until it ends or `stop` does: its requests are answered one
/// after another, and when the listener stops it ends with the answer on its way.
pub(crate) async fn serve<S, F, B>(
    socket: S,
    answer: impl Fn(Request<Incoming>) -> F,
    stop: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response<B>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let activity = Activity::new();
    let io = TokioIo::new(Watched { socket, activity: Arc::clone(&activity) });
    let answer = &answer;
    let service = service_fn(|request: Request<Incoming>| {
        activity.begins_work();
        let activity = Arc::clone(&activity);
        async move {
            // Made here, so that a connection that waits holds its work once.
            let answer = answer(request).await;
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
