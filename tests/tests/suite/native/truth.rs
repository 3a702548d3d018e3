//! Outcomes of records under faults of Kafka: nothing called stored is missing, nothing called not stored is there.
//! What a request was told of each record is held against the topic.

use std::sync::Arc;
use std::time::Duration;

use sluice_tests::document::one_stream;
use sluice_tests::history::{History, Outcome};
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::load::{Codes, Load, Progress};
use sluice_tests::proxy::Proxy;
use sluice_tests::relay::Fault;
use sluice_tests::wait;
use sluice_wire::document::{Document, SinkKind};

use super::send;
use crate::support::{RelayTurn, kafka as kafka_address, topic};

/// Shorter than the default, so that the tests are too.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// Answers that a fault of Kafka may bring, beside success.
const IN_TROUBLE: [&str; 6] = ["breaker", "busy", "no-topic", "not-stored", "partly-stored", "unknown"];

fn hurried(kafka: &str, topic: &str) -> Document {
    let mut document = one_stream(kafka, topic);
    if let SinkKind::Kafka(kafka) = &mut document.sinks[0].kind {
        kafka.delivery_timeout_ms = u64::try_from(DELIVERY_TIMEOUT.as_millis()).unwrap();
    }
    document
}

/// Sends single records until one is stored; those before are in the history too.
fn until_stored(proxy: &Proxy, history: &History) {
    let mut number = 0;
    wait::until("success again", Duration::from_secs(60), || {
        let id = format!("again-{number}");
        number += 1;
        let (_, outcome) = send(proxy, "s", &id);
        history.record(id, outcome);
        outcome == Outcome::Stored
    });
}

/// Checks the history and the books against the topic.
fn settle(proxy: &Proxy, history: &History, kafka: &str, topic: &str) -> sluice_tests::history::Summary {
    proxy.wait_idle();
    let stored = kafka::read(kafka, topic);
    let summary = history.assert_holds(stored.iter().map(|record| &record.value));
    let counts = proxy.stream("s").counts;
    let ended = counts.records_delivered + counts.records_failed + counts.records_unknown;
    assert_eq!(counts.records_admitted, ended, "the books balance: {counts:?}");
    let found = u64::try_from(stored.len()).unwrap();
    assert!(counts.records_delivered <= found, "{counts:?} and {found} in the topic");
    assert!(found <= counts.records_delivered + counts.records_unknown, "{counts:?} and {found}");
    summary
}

fn assert_only(codes: &Codes, allowed: &[&str]) {
    let odd: Vec<_> = codes.keys().filter(|code| !allowed.contains(&code.as_str())).collect();
    assert!(odd.is_empty(), "{odd:?} in {codes:?}");
}

#[test]
fn a_broker_that_is_killed_and_one_that_stands_still_make_no_outcome_false() {
    let mut broker = Broker::start(Listeners::default());
    kafka::create(&broker.address(), "native", 3, &[]);
    let proxy = Proxy::start(&hurried(&broker.address(), "native"));
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let steady = Load::steady(proxy.http(), 8, Duration::from_millis(5));
    let load = Load { native: Some(20), ..steady }.spawn(&history, &progress);
    let wait_for_more = || {
        let before = history.stored();
        proxy.wait_for("records to be stored", |_| history.stored() > before + 2_000);
    };
    wait_for_more();
    broker.kill();
    std::thread::sleep(Duration::from_secs(1));
    broker.restart();
    wait_for_more();
    broker.pause();
    std::thread::sleep(DELIVERY_TIMEOUT + Duration::from_secs(2));
    broker.resume();
    wait_for_more();
    progress.stop();
    let codes = load.join().unwrap();
    assert_only(&codes, &[&["200"], &IN_TROUBLE[..]].concat());
    assert!(codes.contains_key("unknown"), "what Kafka had when it stood still is in doubt: {codes:?}");
    until_stored(&proxy, &history);
    settle(&proxy, &history, &broker.address(), "native");
}

#[test]
fn records_whose_acknowledgement_is_swallowed_are_in_doubt_each_of_them() {
    let turn = RelayTurn::take();
    let topic = topic("native-swallowed");
    let proxy = Proxy::start(&hurried(&turn.relay.address(), &topic));
    let history = Arc::new(History::new());
    let before = Load { native: Some(50), ..Load::new(proxy.http(), 2, 2) }.run(&history, &Progress::new());
    assert_eq!(before.into_iter().collect::<Vec<_>>(), [("200".to_owned(), 4)]);
    let hits = turn.relay.hits();
    turn.relay.set(Fault::SwallowAnswer);
    let during = Load { native: Some(50), ..Load::new(proxy.http(), 4, 1) }.run(&history, &Progress::new());
    assert_eq!(during.into_iter().collect::<Vec<_>>(), [("unknown".to_owned(), 4)]);
    assert!(turn.relay.hits() > hits, "no answer was swallowed");
    turn.relay.set(Fault::None);
    until_stored(&proxy, &history);
    let summary = settle(&proxy, &history, &kafka_address(), &topic);
    assert_eq!(summary.stored, 201);
    assert!(
        summary.unknown >= 200 && summary.surplus > 0,
        "Kafka has what it acknowledged to nobody: {summary:?}"
    );
}

#[test]
fn an_acknowledgement_that_comes_late_makes_a_success_or_a_doubt_for_each_record() {
    let turn = RelayTurn::take();
    let topic = topic("native-late");
    let proxy = Proxy::start(&hurried(&turn.relay.address(), &topic));
    let history = Arc::new(History::new());
    turn.relay.set(Fault::DelayAnswer(DELIVERY_TIMEOUT.mul_f32(1.1)));
    let codes = Load { native: Some(50), ..Load::new(proxy.http(), 4, 1) }.run(&history, &Progress::new());
    assert_only(&codes, &["200", "unknown"]);
    turn.relay.set(Fault::None);
    until_stored(&proxy, &history);
    settle(&proxy, &history, &kafka_address(), &topic);
}
