//! Answers of Kafka lost, late and cut on the way: in doubt is 119, and nothing in doubt is called refused.
//! After each fault the proxy goes on, and no permit is lost.

use std::sync::Arc;
use std::time::Duration;

use sluice_tests::document::{document, kafka as kafka_connection, kafka_sink, stream};
use sluice_tests::history::History;
use sluice_tests::kafka;
use sluice_tests::load::{Codes, Load, Progress};
use sluice_tests::proxy::Proxy;
use sluice_tests::relay::Fault;
use sluice_tests::wait;

use crate::support::{RelayTurn, kafka as kafka_address, topic};

/// Shorter than the default, so that the tests are too.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);

/// A proxy whose Kafka traffic goes through the relay, with a topic of its own.
fn through(turn: &RelayTurn) -> (Proxy, String) {
    let topic = topic("relayed");
    let mut connection = kafka_connection(&turn.relay.address());
    connection.delivery_timeout_ms = u64::try_from(DELIVERY_TIMEOUT.as_millis()).unwrap();
    let streams = vec![stream("g", "s", "kafka", &topic)];
    (Proxy::start(&document(vec![kafka_sink("kafka", connection)], streams)), topic)
}

/// Sends some reports while `fault` is on; returns what they were told, after the history was checked.
fn under(fault: Fault, lasting: Duration) -> Codes {
    let turn = RelayTurn::take();
    let (proxy, topic) = through(&turn);
    let history = Arc::new(History::new());
    assert_eq!(
        Load::new(proxy.http(), 4, 5).run(&history, &Progress::new()).keys().collect::<Vec<_>>(),
        ["0"]
    );

    let hits = turn.relay.hits();
    turn.relay.set(fault);
    let load = Load::new(proxy.http(), 8, 1).spawn(&history, &Progress::new());
    wait::holds(lasting, || load.is_finished());
    assert!(turn.relay.hits() > hits, "{fault:?} met no Produce");
    turn.relay.set(Fault::None);
    let codes = load.join().unwrap();

    proxy.wait_idle();
    let number = std::sync::atomic::AtomicUsize::new(0);
    wait::until("success again", Duration::from_secs(40), || {
        let id = format!("again-{}", number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (code, outcome) = proxy.report("g", "s", &id);
        history.record(id, outcome);
        code == "0"
    });
    proxy.wait_idle();
    let stored = kafka::read(&kafka_address(), &topic);
    history.assert_holds(stored.iter().map(|record| &record.value));
    let counts = proxy.stream("s").counts;
    let ended = counts.records_delivered + counts.records_failed + counts.records_unknown;
    assert_eq!(counts.records_admitted, ended, "{fault:?}: {counts:?}");
    codes
}

fn assert_codes(codes: &Codes, expected: &[(&str, usize)]) {
    let codes: Vec<_> = codes.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    assert_eq!(codes, expected);
}

#[test]
fn an_answer_swallowed_after_the_append_is_in_doubt() {
    let codes = under(Fault::SwallowAnswer, DELIVERY_TIMEOUT * 4);
    assert_codes(&codes, &[("119", 8)]);
}

#[test]
fn an_answer_swallowed_once_is_found_out_by_asking_again() {
    let codes = under(Fault::SwallowAnswer, Duration::from_millis(700));
    assert_codes(&codes, &[("0", 8)]);
}

#[test]
fn an_answer_just_under_the_timeout_is_a_success() {
    let codes = under(Fault::DelayAnswer(DELIVERY_TIMEOUT.mul_f32(0.6)), DELIVERY_TIMEOUT * 4);
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
}

#[test]
fn an_answer_about_at_the_timeout_is_a_success_or_in_doubt_and_never_false() {
    let codes = under(Fault::DelayAnswer(DELIVERY_TIMEOUT.mul_f32(1.1)), DELIVERY_TIMEOUT * 4);
    assert!(codes.keys().all(|code| code == "0" || code == "119"), "{codes:?}");
}

#[test]
fn an_answer_just_past_the_deadline_is_in_doubt() {
    // Producers are answered at the delivery timeout and 1 s, at the latest.
    let codes =
        under(Fault::DelayAnswer(DELIVERY_TIMEOUT + Duration::from_millis(1_500)), DELIVERY_TIMEOUT * 4);
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["119"], "{codes:?}");
}

#[test]
fn a_connection_reset_in_the_middle_of_an_answer_is_in_doubt() {
    let codes = under(Fault::ResetInAnswer, DELIVERY_TIMEOUT * 4);
    assert_codes(&codes, &[("119", 8)]);
}

#[test]
fn a_connection_reset_in_the_middle_of_a_request_is_never_a_false_success() {
    let codes = under(Fault::ResetInRequest, DELIVERY_TIMEOUT * 4);
    assert_codes(&codes, &[("119", 8)]);
}

#[test]
fn a_byte_at_a_time_is_only_slow() {
    let codes = under(Fault::ByteByByte, DELIVERY_TIMEOUT * 4);
    assert_codes(&codes, &[("0", 8)]);
}

#[test]
fn a_cluster_that_names_no_broker_for_a_moment_is_found_again() {
    let turn = RelayTurn::take();
    let (proxy, topic) = through(&turn);
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 4, Duration::from_millis(20)).spawn(&history, &progress);
    proxy.wait_for("reports to be stored", |_| history.stored() > 50);
    let hits = turn.relay.hits();
    turn.relay.set(Fault::NoBrokers);
    wait::until("a question who leads", Duration::from_secs(30), || turn.relay.hits() > hits);
    std::thread::sleep(Duration::from_secs(1));
    turn.relay.set(Fault::None);
    let before = history.stored();
    proxy.wait_for("reports to be stored again", |_| history.stored() > before + 50);
    progress.stop();
    let _ = load.join().unwrap();
    proxy.wait_idle();
    let stored = kafka::read(&kafka_address(), &topic);
    history.assert_holds(stored.iter().map(|record| &record.value));
}
