use std::sync::Arc;

use serde_json::{Value, json};
use sluice_wire::document::Document;
use sluice_wire::status::NodeState;

use super::*;
use crate::admit::{Budget, Gate};
use crate::config::Applier;
use crate::load::Part;
use crate::secrets::Secrets;
use crate::sink::SinkSet;
use crate::status::Identity;

/// A node, and what puts its configuration into effect.
fn node() -> (Node, Applier) {
    let node = Node {
        https: None,
        identity: Identity { uid: "u-1".into(), started: 5 },
        load: crate::load::Load::default(),
        heartbeats: Arc::default(),
        catalog: crate::catalog::Current::default(),
        budget: Budget::new(u64::MAX),
        gate: Gate::new(1),
        config: Arc::default(),
        sinks: crate::status::SinkView::default(),
        counters: Arc::default(),
        lifecycle: crate::lifecycle::Lifecycle::default(),
        traces: crate::telemetry::Tracing::default(),
    };
    let applier = Applier {
        https: None,
        catalog: Arc::clone(&node.catalog),
        budget: Arc::clone(&node.budget),
        gate: Arc::clone(&node.gate),
        state: Arc::clone(&node.config),
        view: node.sinks.clone(),
        sinks: SinkSet::default(),
    };
    (node, applier)
}

/// A document of one file sink below `directory` and these streams, each changed as it says.
fn document(revision: u64, directory: &std::path::Path, streams: &[(&str, Value)]) -> Document {
    let stream = |(name, change): &(&str, Value)| {
        let mut stream = json!({"namespace": "shop", "name": name, "groupId": "g", "streamId": name, "sink": "local",
            "topic": "t", "output": "Raw", "successCode": 0, "maxBodyBytes": 1});
        stream.as_object_mut().unwrap().extend(change.as_object().cloned().unwrap_or_default());
        stream
    };
    serde_json::from_value(json!({
        "major": 1, "revision": revision, "fleet": {"namespace": "default", "name": "main"},
        "overload": {"maxInflightBytes": 1 << 20, "maxConnections": 8}, "drain": {"notifyMs": 0},
        "sinks": [{"name": "local", "file": {"directory": directory, "maxBytes": 1 << 20}}],
        "streams": streams.iter().map(stream).collect::<Vec<_>>()
    }))
    .unwrap()
}

#[tokio::test]
async fn a_change_of_a_stream_is_told_and_another_order_or_revision_alone_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let (node, mut applier) = node();
    let mut revision = 0;
    let mut changes_of = |streams: &[(&str, Value)]| {
        revision += 1;
        assert!(applier.apply(&document(revision, directory.path(), streams), &Secrets::default()));
        node.changes()
    };
    let first = changes_of(&[("a", json!({})), ("b", json!({}))]);
    assert_eq!(changes_of(&[("b", json!({})), ("a", json!({}))]), first);
    let others = [
        changes_of(&[("a", json!({}))]),
        changes_of(&[("a", json!({})), ("b", json!({"paused": true}))]),
        changes_of(&[("a", json!({"paused": true})), ("b", json!({}))]),
        changes_of(&[]),
        first,
    ];
    for (index, changes) in others.iter().enumerate() {
        assert!(!others[..index].contains(changes), "{index} of {others:?}");
    }
    applier.sinks.shutdown().await;
}

#[tokio::test]
async fn trouble_of_a_sink_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (node, mut applier) = node();
    let mut with_kafka = document(1, directory.path(), &[]);
    let kafka = json!([{"name": "kafka", "kafka": {"bootstrapServers": "127.0.0.1:1", "deliveryTimeoutMs": 1_000,
        "sasl": {"mechanism": "PLAIN", "secret": "login"}}}]);
    with_kafka.sinks = serde_json::from_value(kafka).unwrap();
    let before = node.changes();
    assert!(applier.apply(&with_kafka, &Secrets::default()));
    let troubled = node.changes();
    assert_ne!(troubled, before, "its secret is missing");
    assert_eq!(node.changes(), troubled);
    applier.sinks.shutdown().await;
}

#[tokio::test]
async fn trouble_of_https_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (mut node, mut applier) = node();
    node.https = Some(Arc::default());
    applier.https.clone_from(&node.https);
    let mut asking = document(1, directory.path(), &[]);
    assert!(applier.apply(&asking, &Secrets::default()));
    let before = node.changes();
    asking.listeners = serde_json::from_value(json!({"https": {"secret": "own"}})).unwrap();
    assert!(applier.apply(&asking, &Secrets::default()));
    assert_ne!(node.changes(), before, "its secret is missing");
    assert!(!node.status().https.unwrap().ready);
    applier.sinks.shutdown().await;
}

#[tokio::test]
async fn what_is_told_is_what_status_and_limits_say() {
    let directory = tempfile::tempdir().unwrap();
    let (node, mut applier) = node();
    assert_eq!(
        (node.now().state, node.now().revision, node.filling().ready),
        (NodeState::Starting, 0, false)
    );
    assert!(applier.apply(&document(7, directory.path(), &[]), &Secrets::default()));
    let mut charge = node.budget.open();
    charge.grow(1 << 10).unwrap();
    let seat = node.gate.enter([127, 0, 0, 1].into());
    let (now, status, filling) = (node.now(), node.status(), node.filling());
    assert_eq!((now.state, now.revision, now.config_error), (NodeState::Ready, 7, None));
    assert_eq!((status.uid.as_str(), status.started), ("u-1", 5));
    assert_eq!((status.load, status.band), (Some(now.load), now.band));
    assert!(filling.ready && filling.queue.is_none());
    assert_eq!(filling.bytes, Part { used: 1 << 10, limit: 1 << 20 });
    assert_eq!(filling.connections, Part { used: 1, limit: 8 });
    applier.refuse("odd");
    assert_eq!(node.now().config_error.as_deref(), Some("odd"));
    drop((charge, seat));
    applier.sinks.shutdown().await;
}
