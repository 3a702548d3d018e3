//! Long polling over HTTP, as clients of Soul and ShenYu speak it.
//! It answers from the hub alone; of what it is sent, it logs nothing.
//!
//! | file | holds |
//! |---|---|
//! | `seats` | how many connections there may be, in all and from one address |
//! | `connection` | one connection, its timeouts, and how it ends |
//! | `question` | what a request asks for, and what is wrong with it |
//! | `routes` | which answer a request gets |
//! | `answer` | answers and refusals as responses |
//! | `prepared` | answers of fetch, made once for all who ask the same |
//! | `login` | ShenYu's login, and the tokens it gives |

mod answer;
mod connection;
mod login;
mod prepared;
mod question;
mod routes;
mod seats;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use login::{Login, Logins, keep as keep_login};
pub use routes::Routes;
pub use seats::Limits;

use crate::caller::{Caller, Trust};
use seats::Seats;

/// After an error of accepting, most often "too many open files".
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`; then polls that wait are answered, and connections end with their answer.
/// All who reach it are trusted alike.
pub async fn serve(
    socket: TcpListener,
    trust: Trust,
    routes: Routes,
    limits: Limits,
    stop: CancellationToken,
) {
    let (routes, seats, connections) = (Arc::new(routes), Seats::new(limits), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((connection, client)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let caller = Caller { ip: client.ip().to_canonical(), trust: trust.clone() };
        let Some(seat) = seats.take(caller.ip) else {
            tracing::debug!(client = %client.ip(), "one connection too many is closed");
            continue;
        };
        let (routes, stop) = (Arc::clone(&routes), stop.clone());
        connections.spawn(async move {
            connection::serve(connection, &caller, routes, &stop).await;
            drop(seat);
        });
    }
    connections.close();
    connections.wait().await;
}

#[cfg(test)]
mod tests;
