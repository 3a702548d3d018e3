//! The node's own port: metrics, probes and status. It shows what the other parts say of themselves
//! and changes nothing.

mod metrics;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use sluice_admin::listener;
use sluice_admin::seats::Limits;
use sluice_wire::status::NodeState;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::status::Node;

/// Connections served at once: the kubelet's probes have a seat however many anybody else takes.
const LIMITS: Limits = Limits { connections: 256, per_address: 32 };

/// Serves the admin port until `stop`.
pub async fn serve(socket: TcpListener, node: Node, stop: CancellationToken) {
    listener::serve(socket, router(node), LIMITS, stop).await;
}

fn router(node: Node) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .route("/books", get(books))
        .route("/metrics", get(metrics))
        .with_state(node)
}

async fn ready(State(node): State<Node>) -> Response {
    match node.state() {
        NodeState::Ready => "ready\n".into_response(),
        NodeState::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        NodeState::Starting => {
            let why = node.config.error().unwrap_or_else(|| "no configuration yet".to_owned());
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
        }
    }
}

async fn status(State(node): State<Node>) -> Response {
    Json(node.status()).into_response()
}

async fn books(State(node): State<Node>) -> Response {
    Json(node.books()).into_response()
}

async fn metrics(State(node): State<Node>) -> Response {
    match metrics::text(&node) {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
