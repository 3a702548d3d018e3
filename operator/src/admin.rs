//! The operator's own port: metrics and probes. It shows what the other parts say and changes nothing.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lead::Term;
use crate::telemetry::Metrics;

/// Connections served at once.
const CONNECTIONS: usize = 64;
/// A connection's whole life; probes and scrapes are short.
const LIFE: Duration = Duration::from_secs(120);
/// From a request's first byte to the end of its head.
const HEAD: Duration = Duration::from_secs(10);

/// What the port shows.
#[derive(Clone)]
pub struct Shown {
    /// Whether everything was listed once.
    pub complete: watch::Receiver<bool>,
    /// Whether this operator leads.
    pub terms: watch::Receiver<Option<Term>>,
    /// What is counted.
    pub metrics: Metrics,
}

/// Serves until `stop`.
pub async fn serve(socket: TcpListener, shown: Shown, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shown);
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
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
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let service = TowerToHyperService::new(router.clone());
        let stop = stop.clone();
        connections.spawn(async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(connection), service);
            tokio::select! {
                // How a scrape's connection ends concerns nobody.
                _ = timeout(LIFE, served) => {}
                () = stop.cancelled() => {}
            }
            drop(seat);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn ready(State(shown): State<Shown>) -> Response {
    if *shown.complete.borrow() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not everything is listed yet\n").into_response()
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    shown.metrics.leads(shown.terms.borrow().is_some());
    match shown.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
