//! What an operator hears of a node: who it is, how full it really is, what changes at once, and that it leaves.
//! The operator is scripted; the proxy is the real one.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_tests::document::{document, file_sink, stream};
use sluice_tests::ear::{Ear, Heard};
use sluice_tests::http::Connection;
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::wait;
use sluice_wire::document::{Document, Overload, Stream};
use sluice_wire::heartbeat::ServiceStatus;
use sluice_wire::status::NodeState;

/// What is told at once is heard within that, on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// An interval in which no test hears a second heartbeat, but for news.
const NEVER: &str = "60m";

/// A proxy that tells `ear`.
fn builder(ear: &Ear, interval: &str) -> Builder {
    let told = ["--operator", &ear.url(), "--fleet", "default/test", "--node-uid", "u-1"];
    Builder::new().args(&told).args(&["--heartbeat-interval", interval])
}

/// A document of the stream `g`/`s` on files below the builder's directory.
fn on_files(builder: &Builder, revision: u64) -> Document {
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    Document { revision, ..document(sinks, vec![stream("g", "s", "local", "")]) }
}

fn started(ear: &Ear, interval: &str) -> (Proxy, Document) {
    let builder = builder(ear, interval);
    let document = on_files(&builder, 1);
    (builder.start(&document), document)
}

fn ready(heard: &Heard) -> bool {
    heard.beat.state == NodeState::Ready
}

#[test]
fn an_operator_hears_who_a_node_is_and_metrics_and_status_say_the_same() {
    let ear = Ear::open();
    let (proxy, _) = started(&ear, NEVER);
    let heard = ear.hears("the first heartbeat", SOON, ready);
    let (ip, port) = proxy.http().split_once(':').unwrap();
    let text: Value = serde_json::from_str(&heard.text).unwrap();
    for (field, value) in [
        ("nodeSrvStatus", "OK"),
        ("ip", ip),
        ("port", port),
        ("protocolType", "HTTP"),
        ("componentType", "DATAPROXY"),
        ("clusterName", "default.test"),
    ] {
        assert_eq!(text[field], value, "{}", heard.text);
    }
    let (beat, status) = (&heard.beat, proxy.status());
    assert_eq!((beat.uid.as_str(), beat.revision, &beat.config_error), ("u-1", 1, &None));
    assert_eq!((status.uid.as_str(), status.started), ("u-1", beat.started));
    assert!(heard.heartbeat.report_time >= beat.started && beat.started > 1_700_000_000_000);
    assert_eq!(proxy.metric("sluice_node_info", &[r#"uid="u-1""#]), 1.0);
    assert_eq!(proxy.metric("sluice_start_time_seconds", &[]), beat.started as f64 / 1_000.0);
    wait::until("it to be counted", SOON, || {
        proxy.metric("sluice_heartbeats_total", &[r#"result="taken""#]) >= 1.0
    });
    for other in ["refused", "failed"] {
        assert_eq!(proxy.metric("sluice_heartbeats_total", &[other]), 0.0, "{other}");
    }
}

#[test]
fn heartbeats_come_every_interval_over_one_connection() {
    let ear = Ear::open();
    let (_proxy, _) = started(&ear, "2s");
    wait::until("heartbeats", Duration::from_secs(60), || ear.heard().len() >= 8);
    let heard = ear.heard();
    assert!(heard.iter().all(|one| one.connection == heard[0].connection));
    // News comes between two, so what counts is how many there are in a while; a tenth may be left off each wait.
    let took = heard[heard.len() - 1].at - heard[heard.len() - 4].at;
    assert!(took <= Duration::from_secs(9), "{took:?}");
}

#[test]
fn a_node_that_starts_announces_little_room_and_then_more_and_more() {
    let ear = Ear::open();
    let (proxy, _) = started(&ear, "1s");
    let first = ear.hears("the first as a ready node", SOON, ready);
    assert_eq!(first.beat.band, 90, "whatever its load");
    let calm = || proxy.metric("sluice_load_band", &[]) <= 60.0;
    wait::until("the band to fall", Duration::from_secs(60), calm);
    let bands: Vec<_> = ear.heard().iter().map(|heard| heard.beat.band).collect();
    assert!(bands.iter().all(|band| band % 10 == 0), "{bands:?}");
    // From 90 at the start to 60 is a third of the slow start's 30 s, of which some is over when the first is heard.
    assert!(first.at.elapsed() > Duration::from_secs(5), "{bands:?}");
    assert!(proxy.status().band <= 60);
}

#[test]
fn a_reload_is_told_at_once_and_so_is_one_that_fails_or_changes_a_stream() {
    let ear = Ear::open();
    let (proxy, first) = started(&ear, NEVER);
    // Before there are streams, nothing is said of them.
    let before = ear.hears("the first of its streams", SOON, |heard| heard.beat.changes != 0);
    proxy.apply(&Document { revision: 2, ..first.clone() });
    let second = ear.hears("the second revision", SOON, |heard| heard.beat.revision == 2);
    assert_eq!(second.beat.changes, before.beat.changes, "a revision alone is no news of its streams");
    proxy.publish_bytes(b"{");
    let refused = ear.hears("the error", SOON, |heard| heard.beat.config_error.is_some());
    assert_eq!((refused.beat.revision, refused.beat.state), (2, NodeState::Ready));
    let paused = Stream { paused: true, ..first.streams[0].clone() };
    proxy.apply(&Document { revision: 3, streams: vec![paused], ..first });
    let changed = ear.hears("the pause", SOON, |heard| {
        heard.beat.revision == 3 && heard.beat.changes != second.beat.changes
    });
    assert_eq!(changed.beat.config_error, None);
}

#[test]
fn a_node_that_leaves_says_so_at_once_and_last() {
    let ear = Ear::open();
    let builder = builder(&ear, NEVER).drain("10s", "0s");
    let document = on_files(&builder, 1);
    let mut proxy = builder.start(&document);
    let _ = ear.hears("the first", SOON, ready);
    let told = Instant::now();
    proxy.signal(Signal::SIGTERM);
    let last = ear.hears("the last", SOON, |heard| heard.beat.state == NodeState::Draining);
    assert!(
        last.at - told < Duration::from_secs(8),
        "not only at the end of the drain: {:?}",
        last.at - told
    );
    assert_eq!(last.heartbeat.node_srv_status, ServiceStatus::Unready);
    assert!(proxy.exit(SOON).expect("it ends").success());
    assert_eq!(ear.heard().last().unwrap().beat.state, NodeState::Draining);
}

#[test]
fn a_drain_without_phases_is_told_too() {
    let ear = Ear::open();
    let (mut proxy, _) = started(&ear, NEVER);
    let _ = ear.hears("the first", SOON, ready);
    proxy.end_input();
    assert!(proxy.exit(SOON).expect("it ends").success());
    let last = ear.heard().pop().unwrap();
    assert_eq!(
        (last.beat.state, last.heartbeat.node_srv_status),
        (NodeState::Draining, ServiceStatus::Unready)
    );
}

#[test]
fn without_an_operator_a_node_ends_in_time_and_counts_what_it_could_not_tell() {
    let ear = Ear::open();
    let url = ear.url();
    drop(ear);
    let builder =
        Builder::new().args(&["--operator", &url, "--fleet", "default/test", "--heartbeat-interval", "1s"]);
    let document = on_files(&builder, 1);
    let mut proxy = builder.start(&document);
    wait::until("failures", SOON, || proxy.metric("sluice_heartbeats_total", &[r#"result="failed""#]) >= 2.0);
    assert_eq!(proxy.report("g", "s", "x").0, "0");
    assert!(!proxy.status().uid.is_empty(), "one that it made for itself");
    let start = Instant::now();
    proxy.end_input();
    assert!(proxy.exit(SOON).expect("it ends").success());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let warnings = proxy.log().text().matches("hears no heartbeats").count();
    assert_eq!(warnings, 1, "told once");
}

#[test]
fn load_rises_with_connections_and_falls_with_them() {
    let ear = Ear::open();
    let builder = builder(&ear, "1s");
    let overload = Overload { max_connections: 100, ..on_files(&builder, 1).overload };
    let document = Document { overload, ..on_files(&builder, 1) };
    let proxy = builder.start(&document);
    let connections = || proxy.metric("sluice_load_component", &[r#"component="connections""#]);
    let open: Vec<_> = (0..80).map(|_| Connection::open(proxy.http())).collect();
    wait::until("the connections to show", Duration::from_secs(60), || connections() >= 60.0);
    let full = ear.hears("the load", SOON, |heard| heard.heartbeat.load >= 60);
    assert!(full.beat.band >= 60);
    assert!(proxy.metric("sluice_load", &[]) >= 60.0);
    for component in ["cpu", "bytes", "connections"] {
        let label = format!(r#"component="{component}""#);
        assert!(proxy.metrics().contains(&label), "{}", proxy.metrics());
    }
    drop(open);
    wait::until("the connections to be gone", Duration::from_secs(60), || connections() < 20.0);
}
