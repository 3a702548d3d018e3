//! The node's own port: metrics, probes and status. It shows what the other parts say of themselves
//! and changes nothing.

mod metrics;

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sluice_wire::status::NodeState;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::status::Node;

/// Connections served at once.
const CONNECTIONS: usize = 256;
/// A connection's whole life; probes and scrapes are short.
const LIFE: Duration = Duration::from_secs(120);
/// From a request's first byte to the end of its head.
const HEAD: Duration = Duration::from_secs(10);

/// Serves the admin port until `stop`.
pub async fn serve(socket: TcpListener, node: Node, stop: CancellationToken) {
    let router = router(node);
    let seats = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((connection, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(seat) = std::sync::Arc::clone(&seats).try_acquire_owned() else { continue };
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
