//! A proxy started as it is beside an application: where it listens, when it lets the application start, how it leaves.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sluice_tests::document::one_stream;
use sluice_tests::http::{Connection, exchange, report};
use sluice_tests::ports;
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy, SOON};
use sluice_tests::relay::Fault;
use sluice_tests::wait;

use crate::support::{RelayTurn, kafka as kafka_address, topic, values};

/// What the kubelet grants a sidecar whose application used up the grace period.
const GRANTED: Duration = Duration::from_secs(2);

/// Leaves as sidecars do.
fn beside() -> Builder {
    Builder::new().drain("0s", "0s").args(&["--drain-limit", "1500ms"])
}

/// Tells it to leave, and gives how long that took.
fn left(proxy: &mut Proxy) -> Duration {
    let told = Instant::now();
    proxy.signal(Signal::SIGTERM);
    let status = proxy.exit(Duration::from_secs(30)).expect("it ends");
    assert!(status.success(), "{status}");
    told.elapsed()
}

#[test]
fn it_lets_its_application_start_with_any_configuration_and_without_kafka() {
    let proxy = beside().start_unready(None);
    assert_eq!(proxy.get_admin("/readyz").status, 503, "it has no configuration");
    // Nothing listens there.
    proxy.publish(&one_stream("127.0.0.1:1", "any"));
    wait::until("a configuration in effect", SOON, || proxy.get_admin("/readyz").status == 200);
    assert_ne!(proxy.report("g", "s", "x").0, "0");
}

#[test]
fn it_takes_reports_at_both_addresses_of_its_own_pod_or_at_the_one_there_is() {
    let (topic, port) = (topic("loopback"), ports::free());
    let (v4, v6) = (format!("127.0.0.1:{port}"), format!("[::1]:{port}"));
    let proxy = beside().listening(&v4).args(&["--http", &v6]).start(&one_stream(&kafka_address(), &topic));
    assert_eq!(proxy.report("g", "s", "four").0, "0");
    if TcpListener::bind("[::1]:0").is_ok() {
        let answer = exchange(&v6, &report("g", "s", "six"));
        assert_eq!((answer.status, answer.code().as_str()), (200, "0"));
        assert_eq!(values(&topic).len(), 2);
    }
}

#[test]
fn with_nothing_on_its_way_it_is_gone_at_once() {
    let topic = topic("gone");
    let mut proxy = beside().start(&one_stream(&kafka_address(), &topic));
    // Its application left a connection open.
    let mut kept = Connection::open(proxy.http());
    kept.send(&report("g", "s", "last"));
    assert_eq!(kept.answer().code(), "0");
    let took = left(&mut proxy);
    assert!(took < GRANTED, "{took:?}");
    assert_eq!(values(&topic), ["last"]);
}

#[test]
fn whatever_is_on_its_way_it_is_gone_within_what_the_kubelet_grants() {
    let turn = RelayTurn::take();
    let topic = topic("granted");
    let mut proxy = beside().start(&one_stream(&turn.relay.address(), &topic));
    assert_eq!(proxy.report("g", "s", "acknowledged").0, "0");
    turn.relay.set(Fault::DelayAnswer(Duration::from_secs(20)));
    let mut waiting = Connection::open(proxy.http());
    waiting.send(&report("g", "s", "waiting"));
    proxy.wait_for("the report to be in flight", |status| status.inflight_bytes > 0);
    let took = left(&mut proxy);
    assert!(took < GRANTED, "{took:?}");
    assert!(values(&topic).contains(&"acknowledged".to_owned()));
}
