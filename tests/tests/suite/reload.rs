//! A configuration changed under load, changed for the worse, changed while leaving; the proxy frozen; its clock moved.
//! No request is dropped, and what was acknowledged is in Kafka.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sluice_tests::document::{on_kafka, one_stream, stream};
use sluice_tests::history::History;
use sluice_tests::kafka;
use sluice_tests::load::{Load, Progress};
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::wait;
use sluice_wire::document::{Document, SinkKind};

use crate::support::{kafka as kafka_address, topic, values};

#[test]
fn two_hundred_reloads_under_load_refuse_only_what_isnt_configured() {
    let (toggled, kept) = (topic("toggled"), topic("kept"));
    let with = on_kafka(
        &kafka_address(),
        vec![stream("g", "kept", "kafka", &kept), stream("g", "s", "kafka", &toggled)],
    );
    let without = Document { streams: vec![with.streams[0].clone()], ..with.clone() };
    let proxy = Proxy::start(&with);
    let progress = Progress::new();
    let histories = [Arc::new(History::new()), Arc::new(History::new())];
    let steady = Load::steady(proxy.http(), 8, Duration::from_millis(5));
    let kept_load = Load { stream_id: "kept".into(), ..steady.clone() }.spawn(&histories[0], &progress);
    let toggled_load = steady.spawn(&histories[1], &progress);
    for revision in 2..=201 {
        let next = if revision % 2 == 0 { &without } else { &with };
        proxy.apply(&Document { revision, ..next.clone() });
    }
    progress.stop();
    let codes = kept_load.join().unwrap();
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
    let codes = toggled_load.join().unwrap();
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["0", "115"], "{codes:?}");
    histories[0].assert_holds(values(&kept));
    let summary = histories[1].assert_holds(values(&toggled));
    assert!(summary.stored > 100 && summary.not_stored > 100, "{summary:?}");
    proxy.wait_idle();
}

#[test]
fn a_changed_connection_is_replaced_without_dropping_a_request() {
    let topic = topic("replaced");
    let first = one_stream(&kafka_address(), &topic);
    let proxy = Proxy::start(&first);
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 8, Duration::from_millis(2)).spawn(&history, &progress);
    for revision in 2..=8 {
        let mut next = Document { revision, ..first.clone() };
        if let SinkKind::Kafka(kafka) = &mut next.sinks[0].kind {
            kafka.delivery_timeout_ms = 8_000 + revision;
        }
        proxy.apply(&next);
        let before = history.stored();
        wait::until("reports over the new connection", Duration::from_secs(20), || {
            history.stored() > before + 50
        });
    }
    progress.stop();
    let codes = load.join().unwrap();
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
    history.assert_holds(values(&topic));
}

#[test]
fn a_bad_document_is_refused_whole_and_told_and_the_last_good_one_stays() {
    let topic = topic("bad");
    let good = one_stream(&kafka_address(), &topic);
    let proxy = Proxy::start(&good);
    let bad_sink = Document {
        revision: 2,
        streams: vec![stream("g", "new", "kafka", &topic), stream("g", "s", "nowhere", &topic)],
        ..good.clone()
    };
    let major = Document { revision: 3, major: 99, ..good.clone() };
    let mut property = Document { revision: 4, ..good.clone() };
    if let SinkKind::Kafka(kafka) = &mut property.sinks[0].kind {
        kafka.properties.insert("plugin.library.paths".into(), "/tmp/x.so".into());
    }
    let twice = Document { revision: 5, streams: vec![good.streams[0].clone(); 2], ..good.clone() };
    for (bytes, words) in [
        (b"{\"major\": 1,".to_vec(), ""),
        (b"".to_vec(), ""),
        (serde_json::to_vec(&bad_sink).unwrap(), "nowhere"),
        (serde_json::to_vec(&major).unwrap(), "99"),
        (serde_json::to_vec(&property).unwrap(), "plugin.library.paths"),
        (serde_json::to_vec(&twice).unwrap(), ""),
    ] {
        let lines = proxy.log().text().lines().count();
        proxy.publish_bytes(&bytes);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        proxy.wait_for(&format!("an error about {shown}"), |status| {
            status.config_error.as_ref().is_some_and(|error| error.contains(words))
        });
        assert_eq!(proxy.status().revision, 1, "{shown}");
        assert_eq!(proxy.metric("sluice_config_valid", &[]), 0.0, "{shown}");
        let told = || {
            proxy.log().text().lines().skip(lines).any(|line| line.contains("ERROR") && line.contains(words))
        };
        wait::until("the error in the log", Duration::from_secs(5), told);
        assert_eq!(proxy.report("g", "s", "still").0, "0");
        assert_eq!(proxy.report("g", "new", "x").0, "115", "nothing of a bad document is in effect");
        proxy.publish(&good);
        proxy.wait_for("no error", |status| status.config_error.is_none());
    }
    assert_eq!(proxy.metric("sluice_config_refused_total", &[]), 6.0);
    proxy.apply(&Document { revision: 6, ..good });
}

#[test]
fn a_proxy_started_on_a_bad_document_waits_for_a_good_one() {
    let topic = topic("late");
    let proxy = Builder::new().start_unready(None);
    proxy.publish_bytes(b"no");
    proxy.wait_for("an error", |status| status.config_error.is_some());
    assert_eq!((proxy.get_admin("/readyz").status, proxy.report("g", "s", "x").0.as_str()), (503, "3"));
    proxy.apply(&one_stream(&kafka_address(), &topic));
    proxy.wait_stream("s", true);
    assert_eq!((proxy.get_admin("/readyz").status, proxy.report("g", "s", "y").0.as_str()), (200, "0"));
}

#[test]
fn a_proxy_told_to_leave_in_a_reload_finishes_what_it_took() {
    let topic = topic("leaving");
    let document = one_stream(&kafka_address(), &topic);
    let mut proxy = Proxy::start(&document);
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 16, Duration::from_millis(1)).spawn(&history, &progress);
    wait::until("load", Duration::from_secs(20), || history.stored() > 500);
    let mut next = Document { revision: 2, ..document };
    if let SinkKind::Kafka(kafka) = &mut next.sinks[0].kind {
        kafka.delivery_timeout_ms = 7_000;
    }
    proxy.publish(&next);
    // Somewhere between the two looks at the file, so that the reload and the drain meet.
    std::thread::sleep(Duration::from_millis(200));
    proxy.signal(Signal::SIGTERM);
    let status = proxy.exit(Duration::from_secs(30)).expect("it ends");
    assert!(status.success(), "{status}");
    progress.stop();
    let codes = load.join().unwrap();
    let odd: Vec<_> = codes.keys().filter(|code| !["0", "2", "", "-"].contains(&code.as_str())).collect();
    assert!(odd.is_empty(), "{codes:?}");
    history.assert_holds(values(&topic));
}

#[test]
fn a_proxy_frozen_for_12_s_keeps_its_promise() {
    let topic = topic("frozen");
    let proxy = Proxy::start(&one_stream(&kafka_address(), &topic));
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 16, Duration::from_millis(2)).spawn(&history, &progress);
    wait::until("load", Duration::from_secs(20), || history.stored() > 500);
    proxy.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(12));
    proxy.signal(Signal::SIGCONT);
    let before = history.stored();
    wait::until("reports to be stored again", Duration::from_secs(30), || history.stored() > before + 500);
    progress.stop();
    let _ = load.join().unwrap();
    proxy.wait_idle();
    history.assert_holds(values(&topic));
}

#[test]
fn a_wall_clock_that_jumps_an_hour_forth_and_back_stops_nothing() {
    let library = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
    assert!(library.exists(), "{}: install libfaketime", library.display());
    let topic = topic("clock");
    let builder = Builder::new();
    let clock = builder.directory().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let proxy = builder
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start(&one_stream(&kafka_address(), &topic));
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 8, Duration::from_millis(5)).spawn(&history, &progress);
    for jump in ["+0", "+3600", "+0", "-3600", "+0"] {
        std::fs::write(&clock, jump).unwrap();
        let before = history.stored();
        wait::until(&format!("reports at {jump}"), Duration::from_secs(20), || {
            history.stored() > before + 300
        });
    }
    progress.stop();
    let codes = load.join().unwrap();
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
    let records = kafka::read(&kafka_address(), &topic);
    history.assert_holds(records.iter().map(|record| &record.value));
    let times: Vec<_> = records.iter().map(|record| record.timestamp_ms).collect();
    let span = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(span > 7_000_000, "the clock did jump: {span} ms");
}
