//! Takes reports over HTTP: listens, reads, decodes, hands records on and answers what they came to.
//! It must not know how a sink stores, and never calls stored what a sink did not.
//!
//! | file | holds |
//! |---|---|
//! | `listener`, `connection` | sockets, their timeouts, and how they end |
//! | `report`, `answer` | InLong's report path, check by check, and its codes as responses |
//! | `native` | the route for everyone else |
//! | `sender` | who a request is from |
//! | `deliver` | from records to what became of them, for both |
//! | `read`, `content`, `form`, `request_id`, `split`, `text` | what a request says (all but `read` pure) |

mod answer;
mod connection;
mod content;
mod deliver;
mod form;
mod listener;
mod native;
mod read;
mod report;
mod request_id;
mod sender;
mod split;
mod text;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get};
use http::Request;
use hyper::body::Incoming;
use sluice_wire::code::Code;

use tower_service::Service as _;

use crate::admit::Budget;
use crate::catalog::Current;
use crate::counters::Count;
use crate::lifecycle::Lifecycle;
use crate::telemetry::Tracing;

use connection::Peer;
pub use listener::{Listener, bind, bind_all};

/// What the report path works with.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The catalog in effect.
    pub catalog: Current,
    /// The budget of bytes in flight.
    pub budget: Arc<Budget>,
    /// Where the node is in its life.
    pub lifecycle: Lifecycle,
    /// The node's own address as records name it; that of the connection where absent.
    pub node_ip: Option<IpAddr>,
    /// Counts that belong to no stream.
    pub counters: Arc<NodeCounters>,
    /// Where spans go.
    pub traces: Tracing,
}

impl Intake {
    /// Why the node takes no request on this connection, if so: it is leaving, or has no room.
    fn no_room(&self, peer: &Peer) -> Option<Code> {
        if self.lifecycle.is_notifying() {
            Some(Code::Closed)
        } else if peer.over_limit || self.budget.is_full() {
            Some(Code::Busy)
        } else {
            None
        }
    }
}

/// Counts of the intake that belong to no stream.
#[derive(Debug, Default)]
pub struct NodeCounters {
    answers: [Count; Code::ALL.len()],
    /// Connections answered "busy" because of the limit on connections.
    pub connections_refused: Count,
    /// Connections closed without a word because of it.
    pub connections_closed: Count,
    /// Connections ended because nothing came in time.
    pub connections_timed_out: Count,
}

impl NodeCounters {
    /// Counts a request answered with `code` that belongs to no stream.
    pub fn answered(&self, code: Code) {
        if let Some(count) = self.answers.get(code.index()) {
            count.add(1);
        }
    }

    /// Requests answered by code that belong to no stream.
    pub fn answers(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        Code::ALL.into_iter().zip(&self.answers).map(|(code, count)| (code, count.get()))
    }
}

/// The HTTP routes of the intake.
#[derive(Clone, Debug)]
struct Routes {
    intake: Arc<Intake>,
    others: Router,
}

impl Routes {
    fn new(intake: Intake) -> Self {
        let intake = Arc::new(intake);
        let others = Router::new()
            .route(report::HEARTBEAT, any(report::heartbeat))
            .route(native::DESCRIPTION, get(native::describe))
            .fallback(report::elsewhere)
            .with_state(Arc::clone(&intake));
        Self { intake, others }
    }

    /// Answers a request. The report path goes past the router, which would cost it a tenth of what the
    /// intake spends on a report (see `docs/performance.md`).
    async fn answer(&self, mut request: Request<Incoming>, peer: Arc<Peer>) -> Response {
        let path = request.uri().path();
        if path == report::MESSAGE {
            return report::message(&self.intake, &peer, request).await;
        }
        if path.starts_with(native::PREFIX) {
            return native::records(&self.intake, &peer, request).await;
        }
        request.extensions_mut().insert(peer);
        match self.others.clone().call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}
