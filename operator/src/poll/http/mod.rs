//! Long polling over HTTP, as clients of Soul and ShenYu speak it, and as Sluice's own proxies do.
//! It answers from the hub alone; of what it is sent, it logs nothing.
//!
//! | file | holds |
//! |---|---|
//! | `seats` | how many connections there may be, in all and from one address |
//! | `connection` | one connection, its timeouts, and how it ends |
//! | `callers` | who sends a listener's requests |
//! | `question` | what a request asks for, and what is wrong with it |
//! | `routes` | which answer a request gets |
//! | `spaces` | which space it is about, and whether its caller may read that |
//! | `answer` | answers and refusals as responses |
//! | `edition` | bodies of answers about a fleet's configuration |
//! | `prepared` | bodies of answers, made once for all who ask the same |
//! | `login` | ShenYu's login, and the tokens it gives |

mod answer;
mod callers;
mod connection;
mod edition;
mod login;
mod prepared;
mod question;
mod routes;
mod seats;
mod spaces;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use callers::{Callers, Plain, Stranger};
pub use connection::serve as serve_connection;
pub use login::{Login, Logins, keep as keep_login};
pub use routes::Routes;
pub use seats::{Limits, Seat, Seats};

use crate::caller::Trust;

/// After an error of accepting, most often "too many open files".
const PAUSE: Duration = Duration::from_millis(50);

/// Serves a plain listener, whose callers are all trusted alike, until `stop`; then polls that wait are answered, and
/// connections end with their answer.
pub async fn serve(
    socket: TcpListener,
    routes: Arc<Routes>,
    trust: Trust,
    limits: Limits,
    stop: CancellationToken,
) {
    let (callers, seats, connections) = (Arc::new(Plain(trust)), Seats::new(limits), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((connection, client)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(seat) = seats.take(client.ip().to_canonical()) else {
            tracing::debug!(client = %client.ip(), "one connection too many is closed");
            continue;
        };
        // Without it answers wait for the client's delayed acknowledgements; failing to set it is no more.
        let _ = connection.set_nodelay(true);
        let (routes, callers, stop) = (Arc::clone(&routes), Arc::clone(&callers), stop.clone());
        connections.spawn(async move {
            let ip = client.ip().to_canonical();
            serve_connection(connection, ip, &routes, &callers, &stop).await;
            drop(seat);
        });
    }
    connections.close();
    connections.wait().await;
}

#[cfg(test)]
mod tests;
