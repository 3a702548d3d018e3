//! Kafka killed, stopped, and a topic deleted, all under load: the history holds and the proxy goes on by itself.
//! Each test has a broker of its own.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_tests::document::{on_kafka, one_stream, stream};
use sluice_tests::history::History;
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::load::{Codes, Load, Progress};
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::wait;
use sluice_wire::status::{NodeStatus, NotReady};

/// Codes that a fault of Kafka may bring, beside success.
const IN_TROUBLE: [&str; 4] = ["114", "115", "118", "119"];

fn assert_only(codes: &Codes, allowed: &[&str]) {
    let odd: Vec<_> = codes.keys().filter(|code| !allowed.contains(&code.as_str())).collect();
    assert!(odd.is_empty(), "{odd:?} in {codes:?}");
}

/// A proxy with a topic of its own, under load.
struct Loaded {
    topic: String,
    proxy: Proxy,
    history: Arc<History>,
    progress: Progress,
    load: JoinHandle<Codes>,
}

impl Loaded {
    fn start(broker: &Broker, connections: usize) -> Self {
        let topic = kafka::unique_name("faults");
        kafka::create(&broker.address(), &topic, 3, &[]);
        let proxy = Proxy::start(&one_stream(&broker.address(), &topic));
        let (history, progress) = (Arc::new(History::new()), Progress::new());
        let load =
            Load::steady(proxy.http(), connections, Duration::from_millis(5)).spawn(&history, &progress);
        Self { topic, proxy, history, progress, load }
    }

    fn wait_for_more(&self, reports: usize) {
        let before = self.history.stored();
        self.proxy.wait_for("reports to be stored", |_| self.history.stored() > before + reports);
    }

    /// Checks everything that a fault must not break.
    fn finish(self, broker: &Broker) {
        self.progress.stop();
        let codes = self.load.join().unwrap();
        self.proxy.wait_idle();
        assert_only(&codes, &[&["0"], &IN_TROUBLE[..]].concat());
        let stored = kafka::read(&broker.address(), &self.topic);
        let _ = self.history.assert_holds(stored.iter().map(|record| &record.value));
        let counts = self.proxy.stream("s").counts;
        let ended = counts.records_delivered + counts.records_failed + counts.records_unknown;
        assert_eq!(counts.records_admitted, ended, "the books balance: {counts:?}");
        let distinct = u64::try_from(stored.len()).unwrap();
        assert!(counts.records_delivered <= distinct, "{counts:?} and {distinct} in the topic");
        assert!(distinct <= counts.records_delivered + counts.records_unknown, "{counts:?} and {distinct}");
        assert_eq!(self.proxy.report("g", "s", "after-all").0, "0");
    }
}

/// Runs `proxies` under a steady load around `trouble`; each goes on by itself.
fn around(proxies: usize, trouble: impl FnOnce(&mut Broker)) {
    let mut broker = Broker::start(Listeners::default());
    let loaded: Vec<_> = (0..proxies).map(|_| Loaded::start(&broker, 8)).collect();
    loaded.iter().for_each(|one| one.wait_for_more(200));
    trouble(&mut broker);
    loaded.iter().for_each(|one| one.wait_for_more(200));
    loaded.into_iter().for_each(|one| one.finish(&broker));
}

#[test]
fn a_broker_killed_in_the_middle_and_restarted_loses_nothing_acknowledged() {
    around(2, |broker| {
        broker.kill();
        std::thread::sleep(Duration::from_secs(3));
        broker.restart();
    });
}

#[test]
fn a_broker_stopped_for_20_s_loses_nothing_acknowledged() {
    around(2, |broker| {
        broker.pause();
        std::thread::sleep(Duration::from_secs(20));
        broker.resume();
    });
}

#[test]
fn a_broker_that_stands_still_is_told_of_the_sink_as_of_its_streams_and_heals() {
    let broker = Broker::start(Listeners::default());
    kafka::create(&broker.address(), "still", 1, &[]);
    broker.pause();
    let proxy = Builder::new().start_unready(Some(&one_stream(&broker.address(), "still")));
    let unreachable = Some(NotReady::SinkUnreachable);
    let told = |status: &NodeStatus| {
        let stream = status.streams.first().is_some_and(|stream| stream.reason == unreachable);
        stream && status.sinks.iter().all(|sink| !sink.ready && sink.reason == unreachable)
    };
    proxy.wait_for("both to tell", told);
    broker.resume();
    proxy.wait_for("both to be ready", |status| status.sinks[0].ready && status.streams[0].ready);
    // Kafka answers for its topics before it has elected a leader anew.
    wait::until("success again", Duration::from_secs(40), || proxy.report("g", "s", "healed").0 == "0");
}

#[test]
fn a_sink_is_ready_once_kafka_answers_that_its_only_topic_is_missing() {
    let broker = Broker::start(Listeners::default());
    broker.pause();
    let proxy = Builder::new().start_unready(Some(&one_stream(&broker.address(), "missing")));
    let unreachable = Some(NotReady::SinkUnreachable);
    proxy.wait_for("the sink to tell", |status| status.sinks.iter().any(|sink| sink.reason == unreachable));
    broker.resume();
    let missing = |status: &NodeStatus| status.streams[0].reason == Some(NotReady::TopicMissing);
    proxy.wait_for("the sink to be ready", |status| status.sinks[0].ready && missing(status));
    let message = proxy.status().streams[0].message.clone();
    assert!(!message.contains("no broker"), "{message}");
}

#[test]
fn answers_come_in_time_while_kafka_stands_still() {
    let broker = Broker::start(Listeners::default());
    kafka::create(&broker.address(), "still", 1, &[]);
    let mut document = one_stream(&broker.address(), "still");
    if let sluice_wire::document::SinkKind::Kafka(kafka) = &mut document.sinks[0].kind {
        kafka.delivery_timeout_ms = 3_000;
    }
    let proxy = Proxy::start(&document);
    assert_eq!(proxy.report("g", "s", "a").0, "0");
    broker.pause();
    for _ in 0..3 {
        let start = Instant::now();
        let code = proxy.report("g", "s", "in-doubt").0;
        // Once in trouble it may also refuse at once; what it may not do is to be late.
        assert!(code == "119" || code == "114", "{code}");
        assert!(start.elapsed() < Duration::from_secs(5), "answered {:?} after 4 s at most", start.elapsed());
    }
    broker.resume();
    proxy.wait_idle();
    wait::until("success again", Duration::from_secs(40), || proxy.report("g", "s", "b").0 == "0");
}

#[test]
fn a_topic_deleted_under_load_is_code_115_until_it_is_back_and_others_keep_their_promise() {
    let broker = Broker::start(Listeners::default());
    for topic in ["deleted", "kept"] {
        kafka::create(&broker.address(), topic, 1, &[]);
    }
    let streams = vec![stream("g", "s", "kafka", "deleted"), stream("g", "kept", "kafka", "kept")];
    let proxy = Proxy::start(&on_kafka(&broker.address(), streams));
    let (doomed, kept, progress) = (Arc::new(History::new()), Arc::new(History::new()), Progress::new());
    let steady = Load::steady(proxy.http(), 8, Duration::from_millis(5));
    let loads = [
        steady.spawn(&doomed, &progress),
        Load { stream_id: "kept".into(), ..steady }.spawn(&kept, &progress),
    ];
    wait::until("a start without trouble", Duration::from_secs(30), || {
        doomed.stored() > 300 && kept.stored() > 300
    });
    kafka::delete(&broker.address(), "deleted");
    proxy.wait_stream("s", false);
    assert_eq!(proxy.report("g", "s", "while-gone").0, "115");
    assert!(proxy.stream("kept").ready);
    progress.stop();
    for load in loads {
        assert_only(&load.join().unwrap(), &[&["0"], &IN_TROUBLE[..]].concat());
    }
    kafka::create(&broker.address(), "deleted", 1, &[]);
    proxy
        .wait_for("the topic to be seen", |status| status.streams.first().is_some_and(|stream| stream.ready));
    wait::until("success again", Duration::from_secs(40), || proxy.report("g", "s", "again").0 == "0");
    proxy.wait_idle();
    let records = kafka::read(&broker.address(), "kept");
    let summary = kept.assert_holds(records.iter().map(|record| &record.value));
    assert!(summary.stored > 300, "{summary:?}");
}
