//! One connection: who sends its requests, and what they are answered with.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{Callers, Routes};
use crate::connection;

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
    let answer = |request: http::Request<hyper::body::Incoming>| {
        let (routes, callers, stop) = (Arc::clone(routes), Arc::clone(callers), stop.clone());
        async move {
            match callers.caller(ip, request.headers()) {
                Ok(caller) => routes.answer(request, &caller, stop.cancelled()).await,
                Err(stranger) => routes.refuse(stranger),
            }
        }
    };
    connection::serve(socket, answer, stop).await;
}
