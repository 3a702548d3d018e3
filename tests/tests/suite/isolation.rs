//! Ten streams on three brokers, of which one suffers: the other nine see no refusal and nothing in doubt.
//! The one that suffers is told what it is, and recovers by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sluice_tests::document::{document, kafka as kafka_connection, kafka_sink, stream};
use sluice_tests::history::{History, Violation};
use sluice_tests::kafka::{self, Certificates, Cluster, PASSWORD, USER};
use sluice_tests::load::{Codes, Load, Progress};
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::wait;
use sluice_wire::document::{KafkaSink, Sasl, SaslMechanism, Tls};
use sluice_wire::status::NotReady;

/// How many streams have no trouble.
const HEALTHY: usize = 9;
/// The one that has.
const SICK: &str = "sick";
/// Its topic lies with both leaders of the others, and its follower with nobody else.
const ON_THE_FOLLOWER: &[&[i32]] = &[&[1, 3], &[2, 3]];
const BESIDE: [&[&[i32]]; 2] = [&[&[1, 2], &[2, 1]], &[&[2, 1], &[1, 2]]];
/// Answers that the sick stream may get, beside success.
const IN_TROUBLE: [&str; 4] = ["114", "115", "118", "119"];
const SOON: Duration = Duration::from_secs(60);

/// The cluster of this test binary, for one test at a time.
struct Shared {
    certificates: Certificates,
    cluster: Cluster,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let certificates = Certificates::generate();
    let cluster = Cluster::start(Some(&certificates));
    Shared { certificates, cluster }
});

/// Ten streams under a steady load.
struct Scene {
    addresses: String,
    proxy: Proxy,
    healthy: Vec<Loaded>,
    sick: Loaded,
    _turn: MutexGuard<'static, ()>,
}

/// A stream under load.
struct Loaded {
    topic: String,
    history: Arc<History>,
    progress: Progress,
    load: JoinHandle<Codes>,
}

impl Loaded {
    fn start(proxy: &Proxy, stream_id: &str, topic: String) -> Self {
        let (history, progress) = (Arc::new(History::new()), Progress::new());
        let steady = Load::steady(proxy.http(), 4, Duration::from_millis(20));
        let load = Load { stream_id: stream_id.to_owned(), ..steady }.spawn(&history, &progress);
        Self { topic, history, progress, load }
    }

    fn wait_for_more(&self, reports: usize) {
        let before = self.history.stored();
        wait::until("reports to be stored", SOON, || self.history.stored() > before + reports);
    }
}

/// A connection with a login, and a proxy with its secrets.
fn secure() -> (KafkaSink, Builder) {
    let connection = KafkaSink {
        tls: Some(Tls { ca_secret: Some("ca".into()), cert_secret: None }),
        sasl: Some(Sasl { mechanism: SaslMechanism::Plain, secret: "login".into() }),
        ..kafka_connection(&SHARED.cluster.secure())
    };
    let builder = Builder::new()
        .secret("ca", "ca.crt", SHARED.certificates.authority())
        .secret("login", "username", USER)
        .secret("login", "password", PASSWORD);
    (connection, builder)
}

impl Scene {
    fn start() -> Self {
        Self::over(kafka_connection(&SHARED.cluster.addresses()), Builder::new())
    }

    /// Over a connection with a login.
    fn secure() -> Self {
        let (connection, builder) = secure();
        Self::over(connection, builder)
    }

    fn over(connection: KafkaSink, builder: Builder) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = SHARED.cluster.addresses();
        let make = |nodes: &[&[i32]]| {
            let topic = kafka::unique_name("isolation");
            kafka::create_on(&addresses, &topic, nodes);
            topic
        };
        let mut named: Vec<_> =
            (0..HEALTHY).map(|number| (format!("healthy-{number}"), make(BESIDE[number % 2]))).collect();
        named.push((SICK.to_owned(), make(ON_THE_FOLLOWER)));
        let streams = named.iter().map(|(id, topic)| stream("g", id, "kafka", topic)).collect();
        let proxy = builder.start(&document(vec![kafka_sink("kafka", connection)], streams));
        let mut loaded: Vec<_> =
            named.into_iter().map(|(id, topic)| Loaded::start(&proxy, &id, topic)).collect();
        let sick = loaded.pop().unwrap();
        let scene = Self { addresses, proxy, healthy: loaded, sick, _turn: turn };
        scene.healthy.iter().chain([&scene.sick]).for_each(|stream| stream.wait_for_more(100));
        scene
    }

    /// Whether the sick stream's breaker is open, and whether it is in quarantine.
    fn isolation(&self) -> (bool, bool) {
        let labels = [&*format!("stream_id=\"{SICK}\"")];
        let is = |metric| self.proxy.metric(metric, &labels) > 0.0;
        (is("sluice_stream_breaker_open"), is("sluice_stream_quarantined"))
    }

    fn wait_isolation(&self, open: bool, quarantined: bool) {
        let what = format!("breaker open: {open}, quarantined: {quarantined}");
        let reached = wait::holds(SOON, || self.isolation() == (open, quarantined));
        assert!(reached, "{what}; log:\n{}", self.proxy.log().text());
    }

    /// Ends the load; checks that nobody but the sick stream saw anything, and everybody's history. Returns what
    /// the sick stream was answered.
    fn finish(self) -> (Codes, Past) {
        let Self { addresses, proxy, healthy, sick, _turn } = self;
        healthy.iter().for_each(|stream| stream.progress.stop());
        sick.progress.stop();
        let codes = sick.load.join().unwrap();
        let answers: Vec<_> =
            healthy.into_iter().map(|h| (h.load.join().unwrap(), h.topic, h.history)).collect();
        proxy.wait_idle();
        let log = proxy.log().text();
        for (codes, topic, history) in answers {
            assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{topic}: {codes:?}\nthe sick: {log}");
            let records = kafka::read(&addresses, &topic);
            history.assert_holds(records.iter().map(|record| &record.value));
        }
        let odd: Vec<_> =
            codes.keys().filter(|code| *code != "0" && !IN_TROUBLE.contains(&code.as_str())).collect();
        assert!(odd.is_empty(), "{odd:?} in {codes:?}");
        (codes, Past { topic: sick.topic, history: sick.history })
    }
}

/// What is left of the sick stream.
struct Past {
    topic: String,
    history: Arc<History>,
}

impl Past {
    fn values(&self) -> Vec<Vec<u8>> {
        kafka::read(&SHARED.cluster.addresses(), &self.topic).into_iter().map(|record| record.value).collect()
    }

    /// Checks its whole history.
    fn assert_holds(&self) {
        self.history.assert_holds(self.values());
    }
}

/// A broker stopped in its tracks until this is dropped.
struct Stopped(usize);

impl Stopped {
    fn broker(id: usize) -> Self {
        SHARED.cluster.broker(id).pause();
        Self(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        SHARED.cluster.broker(self.0).resume();
    }
}

#[test]
fn a_stopped_follower_of_one_topic_is_that_topics_trouble_alone() {
    let scene = Scene::start();
    assert_eq!(scene.isolation(), (false, false));
    let stopped = Stopped::broker(3);
    scene.wait_isolation(true, true);
    let told = scene.proxy.stream(SICK);
    assert!(told.ready && told.message.contains("breaker is open"), "{told:?}");
    // Past the delivery timeout, so that what was in flight has come to its end as well.
    std::thread::sleep(Duration::from_secs(12));
    assert!(scene.isolation().0, "it stays open as long as probes are not stored");
    let replaced = scene.proxy.metric("sluice_kafka_producers_replaced_total", &["reason=\"slow_topic\""]);
    assert!((1.0..=3.0).contains(&replaced), "main was replaced {replaced} times");
    scene.healthy.iter().for_each(|stream| stream.wait_for_more(100));
    drop(stopped);
    scene.sick.wait_for_more(200);
    scene.wait_isolation(false, true);
    scene.wait_isolation(false, false);
    scene.sick.wait_for_more(100);
    assert_eq!((scene.proxy.stream(SICK).message.as_str(), scene.proxy.stream(SICK).reason), ("", None));
    let (codes, sick) = scene.finish();
    assert!(codes.contains_key("114") && codes["0"] > 300, "{codes:?}");
    sick.assert_holds();
}

#[test]
fn a_topic_deleted_and_made_again_under_load_is_that_topics_trouble_alone() {
    let scene = Scene::start();
    kafka::delete(&scene.addresses, &scene.sick.topic);
    scene.proxy.wait_stream(SICK, false);
    scene.healthy.iter().for_each(|stream| stream.wait_for_more(100));
    kafka::create_on(&scene.addresses, &scene.sick.topic, ON_THE_FOLLOWER);
    scene.sick.wait_for_more(200);
    scene.wait_isolation(false, false);
    let (_, sick) = scene.finish();
    // What was acknowledged before went with the topic; nothing else may be wrong.
    let ids = sick.values().into_iter().map(|value| String::from_utf8(value).unwrap());
    let ids: Vec<_> = ids.map(|value| value.split(' ').next().unwrap_or_default().to_owned()).collect();
    let distinct: BTreeSet<_> = ids.iter().cloned().collect();
    let violations = sick.history.check(ids).expect_err("the old topic's records are gone");
    let odd: Vec<_> = violations.iter().filter(|one| !matches!(one, Violation::Lost(_))).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(distinct.len() > 200, "{} in the new topic", distinct.len());
}

#[test]
fn records_deleted_under_an_idle_producer_are_no_trouble_at_all() {
    let scene = Scene::start();
    scene.sick.progress.stop();
    scene.proxy.wait_for("the stream to be idle", |_| scene.sick.load.is_finished());
    kafka::delete_records(&scene.addresses, &scene.sick.topic);
    assert!(kafka::read(&scene.addresses, &scene.sick.topic).is_empty());
    for number in 0..20 {
        assert_eq!(scene.proxy.report("g", SICK, &format!("again-{number}")).0, "0");
    }
    assert_eq!(kafka::read(&scene.addresses, &scene.sick.topic).len(), 20);
    assert_eq!(scene.proxy.metric("sluice_kafka_fatal_errors_total", &[]), 0.0);
    let (codes, _) = scene.finish();
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
}

/// Rights taken away from a topic until this is dropped.
struct Forbidden<'a>(&'a str);

impl<'a> Forbidden<'a> {
    fn topic(topic: &'a str) -> Self {
        SHARED.cluster.forbid(USER, topic, true);
        Self(topic)
    }
}

impl Drop for Forbidden<'_> {
    fn drop(&mut self) {
        SHARED.cluster.forbid(USER, self.0, false);
    }
}

fn a_proxy_that_comes_now_is_told_at_once(topic: &str) {
    let (connection, builder) = secure();
    let streams = vec![stream("g", SICK, "kafka", topic)];
    let proxy = builder.start_unready(Some(&document(vec![kafka_sink("kafka", connection)], streams)));
    proxy.wait_for("the topic to be told as forbidden", |status| {
        let sick = status.streams.first();
        sick.is_some_and(|sick| !sick.ready && sick.reason == Some(NotReady::TopicForbidden))
    });
    assert!(proxy.stream(SICK).message.contains("grant Describe and Write"));
    assert_eq!(proxy.report("g", SICK, "x").0, "115");
}

#[test]
fn rights_revoked_on_one_topic_are_that_topics_trouble_alone() {
    let scene = Scene::secure();
    let topic = scene.sick.topic.clone();
    let forbidden = Forbidden::topic(&topic);
    scene.wait_isolation(true, true);
    scene.proxy.wait_for("the reason", |status| {
        let sick = status.streams.iter().find(|stream| stream.stream_id == SICK);
        sick.is_some_and(|sick| sick.reason == Some(NotReady::TopicForbidden))
    });
    a_proxy_that_comes_now_is_told_at_once(&topic);
    scene.healthy.iter().for_each(|stream| stream.wait_for_more(300));
    drop(forbidden);
    scene.sick.wait_for_more(200);
    scene.wait_isolation(false, false);
    let (codes, sick) = scene.finish();
    assert!(codes.contains_key("118"), "{codes:?}");
    sick.assert_holds();
}
