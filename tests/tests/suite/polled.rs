//! A configuration that operators tell: it comes at once, is checked, never goes back, and is never needed.

use std::path::Path;
use std::time::{Duration, Instant};

use sluice_tests::document::{document, file_sink, stream};
use sluice_tests::operator::{Operator, digested};
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::{ports, wait};
use sluice_wire::document::{Document, FleetRef};
use sluice_wire::status::{ConfigSource, NodeState};

/// Far below what a mount takes (60 s and more), far above what a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A document of these streams of group `g`, on files below a directory.
fn on_files(directory: &Path, revision: u64, streams: &[&str]) -> Document {
    let sinks = vec![file_sink("local", &directory.join("data"))];
    let streams = streams.iter().map(|id| stream("g", id, "local", "")).collect();
    let fleet = FleetRef { namespace: "default".into(), name: "test".into(), uid: "uid-1".into() };
    digested(Document { revision, fleet, ..document(sinks, streams) })
}

/// Mounted, and told of an operator at this URL.
fn told_of(url: &str) -> Builder {
    Builder::new().mounted().args(&["--operator", url, "--fleet", "default/test"])
}

fn revision_is(proxy: &Proxy, revision: u64) {
    proxy.wait_for(&format!("revision {revision}"), |status| status.revision == revision);
}

fn polls(proxy: &Proxy, result: &str) -> f64 {
    proxy.metric("sluice_config_polls_total", &[&format!("result=\"{result}\"")])
}

fn is_held(operator: &Operator) {
    wait::until("a poll to be held", AT_ONCE, || operator.held() == 1);
}

#[test]
fn a_change_is_in_effect_at_once_without_a_file_touched() {
    let operator = Operator::listen();
    let builder = told_of(&operator.url());
    let directory = builder.directory().to_owned();
    let first = on_files(&directory, 5, &["a"]);
    operator.publish(first.clone());
    let proxy = builder.start(&first);
    assert_eq!(proxy.status().config_source, Some(ConfigSource::Mounted));
    is_held(&operator);
    let began = Instant::now();
    operator.publish(on_files(&directory, 6, &["a", "b"]));
    revision_is(&proxy, 6);
    let took = began.elapsed();
    println!("a change was in effect after {took:?}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(proxy.report("g", "b", "x").0, "0");
    let status = proxy.status();
    assert_eq!((status.config_source, status.config_error), (Some(ConfigSource::Operator), None));
    operator.publish(on_files(&directory, 7, &["b"]));
    revision_is(&proxy, 7);
    assert_eq!(proxy.report("g", "a", "x").0, "115", "it is gone");
    assert_eq!(operator.asked("/configs/fetch"), [""; 0], "what changed came with the answer");
    assert_eq!((polls(&proxy, "changed"), polls(&proxy, "failed")), (2.0, 0.0));
}

#[test]
fn an_operator_alone_is_enough_to_begin_with() {
    let operator = Operator::listen();
    let builder = told_of(&operator.url());
    let first = on_files(builder.directory(), 5, &["a"]);
    let proxy = builder.start_unready(None);
    is_held(&operator);
    assert_eq!(proxy.status().state, NodeState::Starting);
    operator.publish(first);
    proxy.wait_for("the first configuration", |status| {
        status.state == NodeState::Ready && status.config_error.is_none()
    });
    proxy.wait_stream("a", true);
    assert_eq!(proxy.report("g", "a", "x").0, "0");
}

#[test]
fn an_update_that_does_not_come_out_is_fetched_whole() {
    let operator = Operator::listen();
    let builder = told_of(&operator.url());
    let (first, second) =
        (on_files(builder.directory(), 5, &["a"]), on_files(builder.directory(), 6, &["a", "b"]));
    operator.publish(first.clone());
    let proxy = builder.start(&first);
    is_held(&operator);
    operator.spoil(true);
    operator.publish(second);
    revision_is(&proxy, 6);
    let fetched = operator.asked("/configs/fetch");
    assert_eq!(fetched.len(), 1);
    assert!(!fetched[0].contains("since="), "{fetched:?}");
    assert_eq!(polls(&proxy, "failed"), 0.0);
}

#[test]
fn a_lower_revision_changes_nothing() {
    let operator = Operator::listen();
    let builder = told_of(&operator.url());
    let (first, lower) = (on_files(builder.directory(), 5, &["a"]), on_files(builder.directory(), 4, &["b"]));
    let later = on_files(builder.directory(), 6, &["c"]);
    operator.publish(lower);
    let proxy = builder.start(&first);
    wait::until("polls to fail", AT_ONCE, || polls(&proxy, "failed") >= 2.0);
    let status = proxy.status();
    assert_eq!((status.revision, status.config_error), (5, None));
    assert_eq!(proxy.report("g", "a", "x").0, "0");
    operator.publish(later);
    revision_is(&proxy, 6);
    assert_eq!(proxy.metric("sluice_config_applied_total", &[]), 2.0);
}

#[test]
fn without_operators_a_proxy_starts_goes_on_and_catches_up_when_they_are_back() {
    let mut operator = Operator::listen();
    let builder = told_of(&operator.url());
    let directory = builder.directory().to_owned();
    let first = on_files(&directory, 5, &["a"]);
    operator.stop();
    let proxy = builder.start(&first);
    assert_eq!(proxy.report("g", "a", "x").0, "0");
    wait::until("it to be told", AT_ONCE, || proxy.metric("sluice_config_poll_failing", &[]) == 1.0);
    operator.start();
    operator.publish(on_files(&directory, 6, &["a", "b"]));
    revision_is(&proxy, 6);
    assert_eq!(proxy.metric("sluice_config_poll_failing", &[]), 0.0);
    operator.stop();
    assert_eq!(proxy.report("g", "b", "x").0, "0");
    // What the mount brings meanwhile counts too.
    proxy.apply(&on_files(&directory, 7, &["a"]));
    operator.publish(on_files(&directory, 8, &["a", "c"]));
    operator.start();
    revision_is(&proxy, 8);
    assert_eq!(proxy.report("g", "c", "x").0, "0");
}

#[test]
fn a_refused_document_is_told_and_the_one_before_serves_on() {
    let operator = Operator::listen();
    let builder = told_of(&operator.url());
    let directory = builder.directory().to_owned();
    let first = on_files(&directory, 5, &["a"]);
    operator.publish(first.clone());
    let proxy = builder.start(&first);
    let mut bad = on_files(&directory, 6, &["a"]);
    bad.streams[0].sink = "nowhere".to_owned();
    operator.publish(bad.clone());
    proxy.wait_for("the refusal", |status| {
        status.config_error.as_ref().is_some_and(|error| error.contains("nowhere"))
    });
    assert_eq!((proxy.status().revision, proxy.report("g", "a", "x").0.as_str()), (5, "0"));
    is_held(&operator);
    let asked = operator.asked("/configs").len();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(operator.asked("/configs").len(), asked, "it is not asked for again");
    // The mount lags behind, and holds what is in effect.
    proxy.publish(&Document { groups: std::collections::BTreeMap::new(), ..first });
    std::thread::sleep(Duration::from_secs(1));
    assert!(proxy.status().config_error.is_some(), "it stays told");
    operator.publish(on_files(&directory, 7, &["a", "b"]));
    proxy.wait_for("the next", |status| status.revision == 7 && status.config_error.is_none());
    assert_eq!((polls(&proxy, "refused"), polls(&proxy, "failed")), (1.0, 0.0));
    assert_eq!(proxy.metric("sluice_config_refused_total", &[]), 1.0);
}

#[test]
fn the_last_good_copy_is_gone_on_from_after_a_restart() {
    let mut operator = Operator::listen();
    let kept = tempfile::tempdir().unwrap();
    let state = kept.path().join("state");
    let copy = state.join("configuration");
    let started = |operator: &Operator| told_of(&operator.url()).args(&["--state", state.to_str().unwrap()]);
    let data = kept.path();
    let (mounted, polled) = (on_files(data, 5, &["a"]), on_files(data, 6, &["a", "b"]));
    operator.publish(polled);
    let proxy = started(&operator).start(&mounted);
    revision_is(&proxy, 6);
    wait::until("the copy", AT_ONCE, || copy.exists());
    drop(proxy);
    operator.stop();

    let proxy = started(&operator).start(&mounted);
    let status = proxy.status();
    assert_eq!((status.revision, status.config_source), (6, Some(ConfigSource::Copy)));
    assert_eq!(proxy.report("g", "b", "x").0, "0");
    assert_eq!(proxy.metric("sluice_config_applied_total", &[]), 1.0, "the older one never was in effect");
    drop(proxy);

    let proxy = started(&operator).start_unready(None);
    proxy.wait_for("the copy alone", |status| {
        status.state == NodeState::Ready && status.config_error.is_none()
    });
    proxy.apply(&on_files(data, 7, &["a"]));
    drop(proxy);

    std::fs::write(&copy, "garbage").unwrap();
    let proxy = started(&operator).start(&mounted);
    // Where a configuration is from is said a moment after it is in effect.
    proxy.wait_for("its source", |status| status.config_source.is_some());
    let status = proxy.status();
    assert_eq!((status.revision, status.config_source), (5, Some(ConfigSource::Mounted)));
    assert_eq!(status.config_error, None);
    assert!(proxy.log().text().contains("the last good configuration is ignored"));
}

#[test]
fn nobody_where_operators_should_be_changes_nothing_for_producers() {
    let builder = told_of(&format!("http://127.0.0.1:{}", ports::free()));
    let first = on_files(builder.directory(), 5, &["a"]);
    let mut proxy = builder.start(&first);
    assert_eq!(proxy.report("g", "a", "x").0, "0");
    proxy.end_input();
    let status = proxy.exit(Duration::from_secs(20)).expect("it ends");
    assert!(status.success(), "{status}");
}
