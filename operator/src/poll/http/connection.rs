//! One connection from its first byte to its last.
//! Its requests are answered one after another; when the listener stops it ends with the answer on its way.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sluice_admin::watched::{Activity, Watched, in_time};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Routes;
use crate::caller::Caller;

/// Headers of a request, at most.
const MAX_HEADERS: usize = 64;
/// The longest head of a request, in bytes; hyper answers a longer one with 431. `ShenYu` sends all it asks in the head.
const MAX_HEAD: usize = 16 << 10;
/// How long the last answer may be on its way once the listener stops.
const LAST_ANSWER: Duration = Duration::from_secs(5);

pub(super) async fn serve(socket: TcpStream, caller: &Caller, routes: Arc<Routes>, stop: &CancellationToken) {
    // Without it answers wait for the client's delayed acknowledgements; failing to set it is no more.
    let _ = socket.set_nodelay(true);
    let activity = Activity::new();
    let io = TokioIo::new(Watched { socket, activity: Arc::clone(&activity) });
    let service = service_fn(|request: Request<Incoming>| {
        activity.begins_work();
        let (routes, activity, stop) = (Arc::clone(&routes), Arc::clone(&activity), stop.clone());
        async move {
            let answer = routes.answer(request, caller, stop.cancelled()).await;
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
