//! Long polling over HTTP, as clients of Soul and ShenYu speak it, and as Sluice's own proxies do.
//! It answers from the hub alone; of what it is sent, it logs nothing.
//!
//! | file | holds |
//! |---|---|
//! | `connection` | one connection, its timeouts, and how it ends |
//! | `callers` | who sends a listener's requests |
//! | `bearer` | callers by their tokens, each verified once |
//! | `tls` | the same over TLS |
//! | `question` | what a request asks for, and what is wrong with it |
//! | `routes` | which answer a request gets |
//! | `spaces` | which space it is about, and whether its caller may read that |
//! | `answer` | answers and refusals as responses |
//! | `edition` | bodies of answers about a fleet's configuration |
//! | `prepared` | bodies of answers, made once for all who ask the same |
//! | `login` | ShenYu's login, and the tokens it gives |

mod answer;
mod bearer;
mod callers;
mod connection;
mod edition;
mod login;
mod prepared;
mod question;
mod routes;
mod spaces;
mod tls;

use std::sync::Arc;

use sluice_admin::accept::accept;
use sluice_admin::seats::Seats;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use bearer::Bearers;
pub use callers::{Callers, Plain, Stranger};
pub use connection::serve as serve_connection;
pub use login::{Login, Logins, keep as keep_login};
pub use routes::Routes;
pub use sluice_admin::seats::Limits;
pub use tls::serve as serve_tls;

use crate::caller::Trust;

/// Serves a plain listener, whose callers are all trusted alike, until `stop`; then polls that wait are answered, and
/// connections end with their answer.
pub async fn serve(
    socket: TcpListener,
    routes: Arc<Routes>,
    trust: Trust,
    limits: Limits,
    stop: CancellationToken,
) {
    let callers = Arc::new(Plain(trust));
    accept(socket, Seats::new(limits), &stop, |connection, ip| {
        let (routes, callers, stop) = (Arc::clone(&routes), Arc::clone(&callers), stop.clone());
        async move { serve_connection(connection, ip, &routes, &callers, &stop).await }
    })
    .await;
}

#[cfg(test)]
mod tests;
