//! A configuration that comes as parts in a mounted volume: whole sets of one revision, nothing else.
//! Parts change one by one, mounts lag behind, and a proxy goes on with what it has.

use std::net::TcpListener;
use std::time::Duration;

use sluice_tests::document::{document, file_sink, kafka as kafka_connection, kafka_sink, on_kafka, stream};
use sluice_tests::mount::{hex, parts};
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::{ports, wait};
use sluice_wire::document::{Document, FleetRef, KafkaSink, Sasl, SaslMechanism, Stream};
use sluice_wire::status::{NodeState, NodeStatus, NotReady};

use crate::support::lines;

/// So many streams take two parts: names that no compressor shortens to less than half, 1 KiB a stream.
const MANY: usize = 1_400;

/// A document of the stream `g`/`s` and of others, on files below the builder's directory.
fn on_files(builder: &Builder, revision: u64, others: usize) -> Document {
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let other = |number: usize| {
        let names = (0..32).map(|header| hex(format!("{number}-{header}").as_bytes()));
        Stream { headers: names.collect(), ..stream("g", &format!("other-{number}"), "local", "") }
    };
    let streams = std::iter::once(stream("g", "s", "local", "")).chain((0..others).map(other)).collect();
    let fleet = FleetRef { namespace: "default".into(), name: "test".into(), uid: "uid-1".into() };
    Document { revision, fleet, ..document(sinks, streams) }
}

fn log_has(proxy: &Proxy, words: &str) {
    wait::until(words, Duration::from_secs(20), || proxy.log().text().contains(words));
}

#[test]
fn a_configuration_of_several_parts_is_applied_and_replaced() {
    let builder = Builder::new().mounted();
    let (large, small) = (on_files(&builder, 7, MANY), on_files(&builder, 8, 0));
    assert!((2..=4).contains(&parts(&large).len()), "{} parts", parts(&large).len());
    let proxy = builder.start(&large);
    let status = proxy.status();
    assert_eq!((status.revision, status.streams.len()), (7, MANY + 1));
    assert_eq!(status.fleet.unwrap().uid, "uid-1");
    assert_eq!(proxy.metric("sluice_config_revision", &[]), 7.0);
    assert_eq!(proxy.report("g", "other-1399", "x").0, "0");
    // The parts beyond the new set's count stay where they are, as ConfigMaps do.
    let mut mixed = parts(&large);
    mixed[0] = parts(&small).remove(0);
    proxy.mount().put_parts(&mixed);
    proxy.wait_for("the smaller set", |status| status.revision == 8 && status.streams.len() == 1);
    assert_eq!(proxy.status().config_error, None);
}

#[test]
fn a_proxy_started_on_parts_of_two_revisions_says_what_it_waits_for() {
    let builder = Builder::new().mounted();
    let (old, new) = (parts(&on_files(&builder, 1, MANY)), parts(&on_files(&builder, 2, MANY)));
    let whole = on_files(&builder, 2, MANY);
    let proxy = builder.start_unready(None);
    proxy.wait_for("the wait to be told", |status| {
        status.config_error.as_ref().is_some_and(|error| error.contains("first configuration"))
    });
    assert_eq!(proxy.report("g", "s", "x").0, "3");
    for (mixed, part) in [([&new[..1], &old[1..]].concat(), 2), ([&old[..1], &new[1..]].concat(), 1)] {
        proxy.mount().put_parts(&mixed);
        let wanted = format!("waiting for part {part} of {} of revision 2", new.len());
        proxy.wait_for(&wanted, |status| status.config_error.as_ref() == Some(&wanted));
        let status = proxy.status();
        assert_eq!((status.state, status.revision), (NodeState::Starting, 0));
    }
    assert_eq!(proxy.metric("sluice_config_refused_total", &[]), 0.0, "to wait is no refusal");
    assert!(!proxy.log().text().contains("ERROR"), "{}", proxy.log().text());
    proxy.apply(&whole);
    proxy.wait_for("no error", |status| status.config_error.is_none() && status.state == NodeState::Ready);
}

#[test]
fn a_running_proxy_goes_on_quietly_while_parts_are_mixed_or_old() {
    let builder = Builder::new().mounted().env("SLUICE_LOG", "debug");
    let at = |revision| on_files(&builder, revision, MANY);
    let (now, mixed, old, next) = (at(5), [&parts(&at(6))[..1], &parts(&at(5))[1..]].concat(), at(4), at(6));
    let proxy = builder.start(&now);
    proxy.mount().put_parts(&mixed);
    log_has(&proxy, "not whole yet");
    assert_eq!(proxy.report("g", "s", "mixed").0, "0");
    assert_eq!((proxy.status().revision, proxy.status().config_error), (5, None));
    proxy.publish(&old);
    log_has(&proxy, "an older configuration is ignored");
    assert_eq!(proxy.report("g", "s", "old").0, "0");
    assert_eq!((proxy.status().revision, proxy.status().config_error), (5, None));
    assert_eq!(proxy.metric("sluice_config_refused_total", &[]), 0.0);
    proxy.apply(&next);
    let applied = || proxy.metric("sluice_config_applied_total", &[]);
    wait::until("the second document to be counted", Duration::from_secs(20), || applied() == 2.0);
}

#[test]
fn a_torn_part_is_told_and_not_used_and_the_next_good_set_is() {
    let builder = Builder::new().mounted();
    let (now, next, last) =
        (on_files(&builder, 1, MANY), on_files(&builder, 2, MANY), on_files(&builder, 3, MANY));
    let data = builder.directory().join("data");
    let proxy = builder.start(&now);
    let mut torn = parts(&next);
    let length = torn[1].len() / 2;
    torn[1].truncate(length);
    proxy.mount().put_parts(&torn);
    proxy.wait_for("the torn part to be told", |status| {
        status.config_error.as_ref().is_some_and(|error| error.contains("SHA-256"))
    });
    assert_eq!((proxy.status().revision, proxy.report("g", "s", "still").0.as_str()), (1, "0"));
    assert_eq!(lines(&data, "s").len(), 1);
    proxy.apply(&last);
    proxy.wait_for("no error", |status| status.config_error.is_none());
    assert_eq!(proxy.metric("sluice_config_refused_total", &[]), 1.0, "told once");
}

#[test]
fn parts_that_lie_about_their_document_are_refused() {
    let builder = Builder::new().mounted();
    let now = on_files(&builder, 1, 0);
    let lie = String::from_utf8_lossy(&parts(&now)[0]).contains("\"revision\":1,");
    assert!(lie, "the header is as this test knows it");
    let proxy = builder.start(&now);
    let part = parts(&now).remove(0);
    let end = part.iter().position(|byte| *byte == b'\n').unwrap();
    let header =
        String::from_utf8(part[..end].to_vec()).unwrap().replace("\"revision\":1,", "\"revision\":9,");
    proxy.mount().put_parts(&[[header.as_bytes(), &part[end..]].concat()]);
    proxy.wait_for("the refusal", |status| {
        status.config_error.as_ref().is_some_and(|error| error.contains("revision 9"))
    });
    assert_eq!(proxy.status().revision, 1);
}

#[test]
fn a_fleet_made_again_under_its_name_begins_anew() {
    let builder = Builder::new().mounted();
    let first = on_files(&builder, 50, 0);
    let proxy = builder.start(&first);
    let second =
        Document { fleet: FleetRef { uid: "uid-2".into(), ..first.fleet.clone() }, revision: 3, ..first };
    proxy.apply(&second);
    assert_eq!(proxy.status().fleet.unwrap().uid, "uid-2");
    proxy.apply(&Document { revision: 4, ..second });
}

#[test]
fn with_mounted_parts_alone_and_kafka_down_a_proxy_is_ready_and_says_why_not_its_streams() {
    let address = format!("127.0.0.1:{}", ports::free());
    let document = on_kafka(&address, vec![stream("g", "s", "kafka", "t")]);
    for start in ["first", "again"] {
        let builder = Builder::new().mounted();
        let proxy = builder.start_unready(Some(&document));
        proxy.wait_for(start, |status| {
            status.state == NodeState::Ready
                && status.streams[0].reason == Some(NotReady::SinkUnreachable)
                && status.sinks[0].reason == Some(NotReady::SinkUnreachable)
        });
        assert_eq!(proxy.get_admin("/readyz").status, 200);
        assert_eq!(proxy.report("g", "s", "x").0, "115");
    }
}

#[test]
fn a_kafka_that_does_not_answer_yet_leaves_its_topics_unchecked() {
    // Connections wait here, and nobody answers them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let document = on_kafka(&address, vec![stream("g", "s", "kafka", "t")]);
    let proxy = Builder::new().mounted().start_unready(Some(&document));
    proxy.wait_for("the first check to be awaited", |status| {
        status.streams.iter().any(|stream| !stream.ready && stream.reason == Some(NotReady::Checking))
    });
    drop(silent);
}

#[test]
fn a_kafka_that_never_answers_is_told_of_the_sink_as_of_its_streams() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let document = on_kafka(&address, vec![stream("g", "s", "kafka", "t")]);
    let proxy = Builder::new().mounted().start_unready(Some(&document));
    let unreachable = Some(NotReady::SinkUnreachable);
    proxy.wait_for("the stream to tell", |status| {
        status.streams.iter().any(|stream| !stream.ready && stream.reason == unreachable)
    });
    let sink = proxy.status().sinks.remove(0);
    assert_eq!((sink.ready, sink.reason), (false, unreachable));
    assert!(sink.message.contains(&format!("no broker of {address} answers")), "{}", sink.message);
    assert_eq!(proxy.metric("sluice_sink_up", &[]), 0.0);
    drop(silent);
}

#[test]
fn secrets_that_are_missing_hold_up_nothing_else_of_a_newer_configuration() {
    let builder = Builder::new().mounted();
    let files = file_sink("local", &builder.directory().join("data"));
    let with_login = |name: &str| {
        let sasl = Sasl { mechanism: SaslMechanism::Plain, secret: name.into() };
        let address = format!("127.0.0.1:{}", ports::free());
        kafka_sink(name, KafkaSink { sasl: Some(sasl), ..kafka_connection(&address) })
    };
    let (ran, new) = (with_login("ran"), with_login("new"));
    let sent = |name: &str| stream("g", name, name, "t");
    let first = document(vec![ran.clone()], vec![sent("ran")]);
    let proxy =
        builder.secret("ran", "username", "u").secret("ran", "password", "p").start_unready(Some(&first));
    proxy.wait_for("the first", |status| status.revision == 1);
    std::fs::remove_dir_all(proxy.directory().join("secrets/ran")).unwrap();
    let is = |status: &NodeStatus, name: &str| {
        let sink = status.sinks.iter().find(|sink| sink.name == name);
        sink.and_then(|sink| sink.reason)
    };
    let unusable = Some(NotReady::SecretUnusable);
    proxy.wait_for("the missing secret", |status| is(status, "ran") == unusable);

    let streams = vec![sent("ran"), sent("new"), stream("g", "file", "local", "")];
    proxy.apply(&Document { revision: 2, ..document(vec![ran, new, files], streams) });
    assert_eq!(proxy.report("g", "file", "x").0, "0");
    assert_eq!(proxy.report("g", "new", "x").0, "115");
    let status = proxy.status();
    assert_eq!(["ran", "new", "local"].map(|name| is(&status, name)), [unusable, unusable, None]);
    assert_eq!((status.config_error, proxy.stream("new").reason), (None, unusable));
    assert_ne!(proxy.stream("ran").reason, unusable, "it goes on with what it had");
}

#[test]
fn other_secrets_are_used_even_while_a_newer_configuration_is_not_whole() {
    let builder = Builder::new().mounted().env("SLUICE_LOG", "debug");
    let login = |revision| {
        let sasl = Sasl { mechanism: SaslMechanism::Plain, secret: "login".into() };
        let address = format!("127.0.0.1:{}", ports::free());
        let kafka = KafkaSink { sasl: Some(sasl), ..kafka_connection(&address) };
        let sinks = vec![kafka_sink("kafka", kafka)];
        Document { revision, ..document(sinks, vec![stream("g", "s", "kafka", "t")]) }
    };
    let proxy = builder.start_unready(Some(&login(1)));
    let is = |reason| {
        move |status: &NodeStatus| status.sinks.first().is_some_and(|sink| sink.reason == Some(reason))
    };
    proxy.wait_for("the missing secret", is(NotReady::SecretUnusable));
    assert!(proxy.status().streams.iter().all(|stream| stream.reason == Some(NotReady::SecretUnusable)));
    let mut newer = parts(&login(2));
    newer[0].truncate(20);
    proxy.mount().put_parts(&newer);
    proxy.wait_for("the torn part", |status| status.config_error.is_some());
    let secret = proxy.mount_secret("login");
    secret.put(&[("username".into(), b"u".to_vec()), ("password".into(), b"p".to_vec())]);
    proxy.wait_for("the secret to be used", is(NotReady::SinkUnreachable));
    let status = proxy.status();
    assert_eq!(status.revision, 1);
    assert!(status.config_error.is_some(), "what is wrong with the newer one stays told");
    log_has(&proxy, "secrets in effect");
}
