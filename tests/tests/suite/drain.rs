//! Leaving in order: still served, then sent elsewhere, then gone with everything accepted finished.
//! By SIGTERM, and by the end of standard input.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_tests::document::one_stream;
use sluice_tests::history::History;
use sluice_tests::http::{Connection, report};
use sluice_tests::load::{Load, Progress};
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::relay::Fault;
use sluice_tests::wait;
use sluice_wire::status::NodeState;

use crate::support::{RelayTurn, kafka as kafka_address, proxy, topic, values};

#[test]
fn a_leaving_node_serves_then_sends_away_then_ends() {
    let topic = topic("drain");
    let mut proxy = Builder::new().drain("3s", "3s").start(&one_stream(&kafka_address(), &topic));
    let mut kept = Connection::open(proxy.http());
    kept.send(&report("g", "s", "before"));
    assert_eq!(kept.answer().code(), "0");
    assert_eq!(proxy.get_admin("/readyz").status, 200);

    let start = Instant::now();
    proxy.signal(Signal::SIGTERM);
    wait::until("not ready", Duration::from_secs(2), || proxy.get_admin("/readyz").status == 503);
    assert_eq!(proxy.status().state, NodeState::Draining);
    assert_eq!(proxy.get_admin("/healthz").status, 200);
    kept.send(&report("g", "s", "settling"));
    let answer = kept.answer();
    assert_eq!((answer.status, answer.code().as_str()), (200, "0"), "phase A serves");
    assert_eq!(answer.header("connection"), Some("close"), "and asks to come back elsewhere");

    let refused = wait::for_some("phase B", Duration::from_secs(5), || {
        let answer = proxy.exchange(&report("g", "s", "notified"));
        (answer.status == 503).then_some(answer)
    });
    assert!(
        start.elapsed() > Duration::from_millis(2_500),
        "phase A takes its 3 s, not {:?}",
        start.elapsed()
    );
    assert_eq!((refused.code().as_str(), refused.header("connection")), ("2", Some("close")));

    let status = proxy.exit(Duration::from_secs(30)).expect("it ends");
    assert!(status.success(), "{status}");
    assert!(start.elapsed() > Duration::from_millis(5_500), "phase B takes its 3 s: {:?}", start.elapsed());
    let stored = values(&topic);
    assert_eq!((stored.first().unwrap().as_str(), stored[1].as_str()), ("before", "settling"));
}

#[test]
fn what_was_accepted_is_finished_and_answered_before_the_end() {
    let turn = RelayTurn::take();
    let topic = topic("finish");
    let mut proxy = Proxy::start(&one_stream(&turn.relay.address(), &topic));
    assert_eq!(proxy.report("g", "s", "before").0, "0");
    turn.relay.set(Fault::DelayAnswer(Duration::from_secs(2)));
    let mut waiting = Connection::open(proxy.http());
    waiting.send(&report("g", "s", "waiting"));
    proxy.wait_for("the report to be in flight", |status| status.inflight_bytes > 0);
    proxy.signal(Signal::SIGTERM);
    let answer = waiting.answer();
    assert_eq!((answer.status, answer.code().as_str()), (200, "0"));
    let status = proxy.exit(Duration::from_secs(30)).expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(values(&topic), ["before", "waiting"]);
}

#[test]
fn what_kafka_doesnt_answer_is_answered_in_doubt_and_the_end_comes_all_the_same() {
    let turn = RelayTurn::take();
    let mut document = one_stream(&turn.relay.address(), &topic("doubt"));
    if let sluice_wire::document::SinkKind::Kafka(kafka) = &mut document.sinks[0].kind {
        kafka.delivery_timeout_ms = 3_000;
    }
    let mut proxy = Proxy::start(&document);
    turn.relay.set(Fault::DelayAnswer(Duration::from_secs(20)));
    let mut waiting = Connection::open(proxy.http());
    waiting.send(&report("g", "s", "waiting"));
    proxy.wait_for("the report to be in flight", |status| status.inflight_bytes > 0);
    proxy.signal(Signal::SIGTERM);
    let start = Instant::now();
    assert_eq!(waiting.answer().code(), "119");
    let status = proxy.exit(Duration::from_secs(30)).expect("it ends");
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(8), "deliveryTimeout + 1 s, not {:?}", start.elapsed());
}

#[test]
fn the_end_of_standard_input_drains() {
    let (mut proxy, topic) = proxy("orphan");
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 8, Duration::from_millis(1)).spawn(&history, &progress);
    wait::until("load", Duration::from_secs(20), || history.stored() > 200);
    proxy.end_input();
    let status = proxy.exit(Duration::from_secs(10)).expect("no orphan stays for 10 s");
    assert!(status.success(), "{status}");
    progress.stop();
    let _ = load.join().unwrap();
    history.assert_holds(values(&topic));
}
