//! The operator's own port: metrics and probes. It shows what the other parts say and changes nothing.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sluice_admin::listener;
use sluice_admin::seats::Limits;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lead::Term;
use crate::telemetry::Metrics;

/// Connections served at once: the kubelet's probes have a seat however many anybody else takes.
const LIMITS: Limits = Limits { connections: 64, per_address: 16 };

/// What the port shows.
#[derive(Clone)]
pub struct Shown {
    /// Whether everything was listed once, by each that lists.
    pub complete: Vec<watch::Receiver<bool>>,
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
    listener::serve(socket, router, LIMITS, stop).await;
}

async fn ready(State(shown): State<Shown>) -> Response {
    if shown.complete.iter().all(|complete| *complete.borrow()) {
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
