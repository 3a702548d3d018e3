//! Serves probes and scrapes. Whoever asks is bounded in number and in time, so that nobody who hangs on this
//! port costs much.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A connection's whole life; probes and scrapes are short.
const LIFE: Duration = Duration::from_secs(120);
/// From a request's first byte to the end of its head.
const HEAD: Duration = Duration::from_secs(10);
/// Until the next try where a connection can't be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` on at most `most` connections at once, closing any further one unanswered, until `stop`; then
/// cuts off those that are open.
pub async fn serve(socket: TcpListener, router: Router, most: usize, stop: CancellationToken) {
    let seats = Arc::new(Semaphore::new(most));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((connection, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            tokio::select! {
                // How a scrape's connection ends concerns nobody.
                _ = timeout(LIFE, one(connection, router)) => {}
                () = stop.cancelled() => {}
            }
            drop(seat);
        });
    }
    connections.close();
    connections.wait().await;
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
    use tokio::task::JoinHandle;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Serves one connection at a time: where, what stops it, and its end.
    async fn listener() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "ok\n" }));
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(socket, router, 1, stop.clone()));
        (address, stop, served)
    }

    async fn answer(connection: &mut TcpStream) -> String {
        connection.write_all(REQUEST).await.unwrap();
        let mut answer = vec![0; 1_024];
        let length = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_the_others_are_served() {
        let (address, _stop, _served) = listener().await;
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
        let answer = answer(&mut first).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
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
