//! Without faults: what was acknowledged is in the topic exactly once, at speed, and memory stays where it is.
//! Topics are made, missed, found and limited as configured.

use std::sync::Arc;
use std::time::Duration;

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::history::History;
use sluice_tests::http::{form, post};
use sluice_tests::kafka;
use sluice_tests::load::{Load, Progress};
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::wait;
use sluice_wire::document::{CreateTopic, Document, Stream};
use sluice_wire::status::NotReady;

use crate::support::{kafka as kafka_address, machine, proxy, topic, values};

#[test]
fn a_hundred_thousand_reports_are_each_in_the_topic_once() {
    let _turn = machine();
    let topic = kafka::unique_name("hundred");
    kafka::create(&kafka_address(), &topic, 4, &[]);
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]));
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::new(proxy.http(), 64, 1_563).spawn(&history, &progress);
    wait::until("30 %", Duration::from_secs(120), || progress.answered() >= 30_000);
    let early = proxy.rss_kib();
    let codes = load.join().unwrap();
    let late = proxy.rss_kib();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [("0".to_owned(), 100_032)]);
    assert!(late <= early + 8 * 1024, "memory went from {early} to {late} KiB");
    let stored = kafka::read(&kafka_address(), &topic);
    let summary = history.assert_holds(stored.iter().map(|record| &record.value));
    assert_eq!((summary.stored, stored.len()), (100_032, 100_032));
    let counts = proxy.stream("s").counts;
    assert_eq!((counts.records_delivered, counts.records_unknown, counts.records_failed), (100_032, 0, 0));
    assert_eq!((counts.reports_accepted, counts.records_admitted), (100_032, 100_032));
    proxy.wait_idle();
}

#[test]
fn a_thousand_clients_at_once_that_close_are_all_served() {
    let _turn = machine();
    let (proxy, topic) = proxy("thousand");
    let history = Arc::new(History::new());
    let load = Load { close: true, ..Load::new(proxy.http(), 1_000, 3) };
    let codes = load.run(&history, &Progress::new());
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [("0".to_owned(), 3_000)]);
    let summary = history.assert_holds(values(&topic));
    assert_eq!(summary.stored, 3_000);
    proxy.wait_for("every connection to be gone", |status| status.connections == 0);
}

#[test]
fn a_report_is_split_only_where_it_says_so() {
    let (proxy, topic) = proxy("pieces");
    let mut expected: Vec<&str> = Vec::new();
    for (body, extra, records) in [
        ("one\ntwo", &[][..], &["one\ntwo"][..]),
        ("one\ntwo", &[("cnt", "1")], &["one\ntwo"]),
        ("one\ntwo\n\nthree\n", &[("cnt", "3")], &["one", "two", "three"]),
        ("one|two\nthree", &[("cnt", "2"), ("rcdDlmtr", "|")], &["one", "two\nthree"]),
        ("one<>two<>three", &[("cnt", "3"), ("rcdDlmtr", "<>")], &["one", "two", "three"]),
        ("one|two", &[("rcdDlmtr", "|")], &["one|two"]),
        ("one\ntwo", &[("cnt", "7")], &["one", "two"]),
        ("one\ntwo", &[("cnt", "-3")], &["one\ntwo"]),
    ] {
        let fields = [&[("groupId", "g"), ("streamId", "s"), ("body", body)], extra].concat();
        assert_eq!(proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code(), "0");
        expected.extend(records);
    }
    assert_eq!(values(&topic), expected);
}

#[test]
fn more_pieces_than_ten_thousand_are_too_long() {
    let (proxy, topic) = proxy("many");
    let code = |pieces: usize| {
        let body = vec!["x"; pieces].join("\n");
        let fields = [("groupId", "g"), ("streamId", "s"), ("cnt", "2"), ("body", &body)];
        proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code()
    };
    assert_eq!(code(10_001), "104");
    assert!(values(&topic).is_empty());
    assert_eq!(code(10_000), "0");
    assert_eq!(values(&topic).len(), 10_000);
}

#[test]
fn a_topic_is_made_as_the_stream_says_where_it_is_missing() {
    let topic = kafka::unique_name("made");
    let config = [("retention.ms".to_owned(), "3600000".to_owned())].into();
    let create = CreateTopic { partitions: Some(3), replicas: Some(1), config };
    let made =
        Stream { create: Some(create), max_body_bytes: 2_000_000, ..stream("g", "s", "kafka", &topic) };
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![made]));
    assert_eq!(kafka::config(&kafka_address(), &topic, "retention.ms").as_deref(), Some("3600000"));
    let limit: u64 = kafka::config(&kafka_address(), &topic, "max.message.bytes").unwrap().parse().unwrap();
    assert!(limit >= 2_000_000, "made for the stream's bodies, not {limit}");
    assert_eq!(proxy.report("g", "s", &"x".repeat(2_000_000)).0, "0");
    assert_eq!(kafka::read(&kafka_address(), &topic)[0].value.len(), 2_000_000);
    for number in 0..60 {
        assert_eq!(proxy.report("g", "s", &format!("{number}")).0, "0");
    }
    let mut partitions: Vec<_> = kafka::read(&kafka_address(), &topic).iter().map(|r| r.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    assert_eq!(partitions, [0, 1, 2], "records without a key go to all partitions");
}

#[test]
fn a_missing_topic_is_code_115_until_it_appears() {
    let (present, missing) = (topic("present"), kafka::unique_name("missing"));
    let streams = vec![stream("g", "present", "kafka", &present), stream("g", "missing", "kafka", &missing)];
    let proxy = Builder::new().start_unready(Some(&on_kafka(&kafka_address(), streams)));
    proxy.wait_stream("present", true);
    assert_eq!(proxy.report("g", "missing", "early").0, "115");
    let told = proxy.stream("missing");
    assert!(!told.ready && told.message.contains(&missing), "{told:?}");
    assert_eq!((told.reason, proxy.stream("present").reason), (Some(NotReady::TopicMissing), None));
    assert_eq!(proxy.get_admin("/readyz").status, 200, "one stream's topic doesn't unready the node");
    kafka::create(&kafka_address(), &missing, 1, &[]);
    proxy.wait_stream("missing", true);
    assert_eq!(proxy.report("g", "missing", "late").0, "0");
    assert_eq!(values(&missing), ["late"]);
}

#[test]
fn a_topic_that_can_not_be_created_is_missing_and_told_why() {
    let name = kafka::unique_name("uncreated");
    let create = CreateTopic { partitions: Some(1), replicas: Some(3), ..CreateTopic::default() };
    let one = Stream { create: Some(create), ..stream("g", "s", "kafka", &name) };
    let proxy = Builder::new().start_unready(Some(&on_kafka(&kafka_address(), vec![one])));
    proxy.wait_for("the refused creation", |status| {
        let told = status.streams.first();
        told.is_some_and(|told| !told.ready && told.message.contains("can't create topic"))
    });
    assert_eq!(proxy.stream("s").reason, Some(NotReady::TopicMissing));
    assert_eq!(proxy.report("g", "s", "x").0, "115");
}

#[test]
fn a_topic_that_can_never_be_written_is_unfit() {
    for (key, value, words) in [
        ("min.insync.replicas", "2", "wants 2 replicas in sync and has 1"),
        ("max.message.bytes", "100", "no room"),
    ] {
        let name = kafka::unique_name("unfit");
        kafka::create(&kafka_address(), &name, 1, &[(key, value)]);
        let document = on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &name)]);
        let proxy = Builder::new().start_unready(Some(&document));
        proxy.wait_for(words, |status| {
            status.streams.first().is_some_and(|told| {
                !told.ready && told.reason == Some(NotReady::TopicUnfit) && told.message.contains(words)
            })
        });
        assert_eq!(proxy.report("g", "s", "x").0, "115");
    }
}

#[test]
fn a_record_larger_than_the_topic_takes_is_refused_at_the_door() {
    let topic = kafka::unique_name("narrow");
    kafka::create(&kafka_address(), &topic, 1, &[("max.message.bytes", "2000")]);
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]));
    let told = proxy.stream("s");
    assert!(told.ready && told.message.contains("max.message.bytes"), "{told:?}");
    assert_eq!(told.reason, Some(NotReady::TopicUnfit), "a person is told before a report is refused");
    let code = |size: usize| proxy.report("g", "s", &"x".repeat(size)).0;
    assert_eq!(code(1_000), "0");
    assert_eq!(code(2_001), "104");
    // Near the limit the record's own framing decides; what Kafka would refuse never gets there.
    let codes: Vec<_> = (1_500..2_000).step_by(4).map(code).collect();
    assert!(codes.iter().all(|code| code == "0" || code == "104"), "{codes:?}");
    assert!(codes.is_sorted(), "all that are taken are smaller than all that aren't: {codes:?}");
    let stored = codes.iter().filter(|code| *code == "0").count();
    assert_eq!(values(&topic).len(), stored + 1);
}

#[test]
fn small_records_for_a_narrow_topic_are_never_batched_past_its_limit() {
    let topic = kafka::unique_name("batches");
    kafka::create(&kafka_address(), &topic, 1, &[("max.message.bytes", "4000")]);
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]));
    let history = Arc::new(History::new());
    let load = Load { size: 600, ..Load::new(proxy.http(), 32, 20) };
    let codes = load.run(&history, &Progress::new());
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [("0".to_owned(), 640)]);
    history.assert_holds(values(&topic));
}

#[test]
fn a_narrow_topic_leaves_the_batches_of_the_others_alone() {
    let (wide, narrow) = (topic("wide"), kafka::unique_name("narrow"));
    kafka::create(&kafka_address(), &narrow, 1, &[("max.message.bytes", "2000")]);
    let one = on_kafka(&kafka_address(), vec![stream("g", "wide", "kafka", &wide)]);
    let proxy = Proxy::start(&one);
    let mut both = Document { revision: 2, ..one };
    both.streams.push(stream("g", "s", "kafka", &narrow));
    proxy.apply(&both);
    proxy.wait_stream("s", true);
    let history = Arc::new(History::new());
    let codes = Load::new(proxy.http(), 32, 20).run(&history, &Progress::new());
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [("0".to_owned(), 640)]);
    history.assert_holds(values(&narrow));
    // Only what 128 KiB are less than 1 MB replaced the others' producer.
    let replaced = proxy.metric("sluice_kafka_producers_replaced_total", &["batch_size"]);
    assert!(replaced <= 1.0, "{replaced}");
    assert_eq!(proxy.report("g", "wide", "still").0, "0");
}
