//! Accepts connections: each in its seat, which nobody else has meanwhile, and all of them ended before it ends.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::seats::Seats;

/// After an error of accepting, most often "too many open files".
const PAUSE: Duration = Duration::from_millis(50);

/// Has each connection served by what `serve` makes of it and of its client's address. One for which there is no seat is
/// closed unanswered. After `stop` it waits for those that are served; to end them is for `serve`.
pub async fn accept<F>(
    socket: TcpListener,
    seats: Seats,
    stop: &CancellationToken,
    mut serve: impl FnMut(TcpStream, IpAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((connection, client)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let client = client.ip().to_canonical();
        let Some(seat) = seats.take(client) else {
            tracing::debug!(%client, "one connection too many is closed");
            continue;
        };
        // Without it answers wait for the client's delayed acknowledgements; failing to set it is no more.
        let _ = connection.set_nodelay(true);
        let served = serve(connection, client);
        connections.spawn(async move {
            served.await;
            drop(seat);
        });
    }
    connections.close();
    connections.wait().await;
}
