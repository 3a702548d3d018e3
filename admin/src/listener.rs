//! Serves probes and scrapes. Whoever asks is bounded in number and in time, so that nobody who hangs on this
//! port costs much.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::accept::accept;
use crate::seats::{Limits, Seats};

/// A connection's whole life; probes and scrapes are short.
const LIFE: Duration = Duration::from_secs(120);
/// From a request's first byte to the end of its head.
const HEAD: Duration = Duration::from_secs(10);

/// Serves `router` on as many connections at once as `limits` allow, closing any further one unanswered, until `stop`;
/// then cuts off those that are open.
pub async fn serve(socket: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    accept(socket, Seats::new(limits), &stop, |connection, _| {
        let (router, stop) = (router.clone(), stop.clone());
        async move {
            tokio::select! {
                // How a scrape's connection ends concerns nobody.
                _ = timeout(LIFE, one(connection, router)) => {}
                () = stop.cancelled() => {}
            }
        }
    })
    .await;
}

async fn one(connection: TcpStream, router: Router) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router))
        .await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;
    use tokio::task::JoinHandle;

    use super::*;

    const LIMITS: Limits = Limits { connections: 2, per_address: 1 };
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Serves two connections at a time, one of an address: where, what stops it, and its end.
    async fn listener() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "ok\n" }));
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(socket, router, LIMITS, stop.clone()));
        (address, stop, served)
    }

    async fn answer(connection: &mut TcpStream) -> String {
        connection.write_all(REQUEST).await.unwrap();
        let mut answer = vec![0; 1_024];
        let length = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    async fn connected(address: SocketAddr, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(address).await.unwrap()
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_the_others_are_served() {
        let (address, _stop, _served) = listener().await;
        let mut first = connected(address, [127, 0, 0, 1]).await;
        let mut same = connected(address, [127, 0, 0, 1]).await;
        assert_eq!(same.read(&mut [0]).await.unwrap(), 0);
        let mut other = connected(address, [127, 0, 0, 2]).await;
        let mut third = connected(address, [127, 0, 0, 3]).await;
        assert_eq!(third.read(&mut [0]).await.unwrap(), 0);
        for served in [&mut first, &mut other] {
            let answer = answer(served).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }

    #[tokio::test]
    async fn told_to_stop_it_cuts_off_who_is_connected_and_ends() {
        let (address, stop, served) = listener().await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        assert!(!answer(&mut connection).await.is_empty());
        stop.cancel();
        served.await.unwrap();
        connection.read_to_end(&mut Vec::new()).await.unwrap();
    }
}
