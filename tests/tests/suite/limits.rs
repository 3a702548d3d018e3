//! What one stream may take, hold and be refused: quotas, pauses, its share of a node whose Kafka stands still.
//! Other streams see nothing of it.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::http::{Answer, Connection, report};
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::native;
use sluice_tests::proxy::Proxy;
use sluice_wire::document::{Document, Overload, Stream};

use crate::support::{kafka as kafka_address, topic, values};

const MIB: u64 = 1024 * 1024;

/// A broker that these tests stop in its tracks, one test at a time. Their topics are made before the first stop:
/// for a moment after a long one it makes none.
fn stoppable() -> MutexGuard<'static, Broker> {
    static BROKER: LazyLock<Mutex<Broker>> = LazyLock::new(|| {
        let broker = Broker::start(Listeners::default());
        kafka::create_all(&broker.address(), &["paused", "heavy", "light"].map(str::to_owned));
        Mutex::new(broker)
    });
    BROKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, the broker stands still.
struct Standstill<'a>(&'a Broker);

impl<'a> Standstill<'a> {
    fn begin(broker: &'a Broker) -> Self {
        broker.pause();
        Self(broker)
    }
}

impl Drop for Standstill<'_> {
    fn drop(&mut self) {
        self.0.resume();
    }
}

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

fn text_of(records: usize) -> Vec<u8> {
    "record\n".repeat(records).into_bytes()
}

#[test]
fn a_report_larger_than_the_quota_is_taken_when_the_bucket_is_full_and_leaves_a_debt() {
    let (limited, other) = (topic("limited"), topic("unlimited"));
    let streams = vec![
        Stream { records_per_second: Some(10), ..stream("g", "limited", "kafka", &limited) },
        stream("g", "other", "kafka", &other),
    ];
    let proxy = Proxy::start(&on_kafka(&kafka_address(), streams));
    let send = |records| proxy.exchange(&native::to_stream("limited", "text/plain", &text_of(records)));
    let before = Instant::now();
    assert_eq!(native::accepted(&send(60)), 60, "six times the bucket, which was full");
    let after = Instant::now();
    // 50 records of debt at 10 a second, from when the report was taken; a report waits for its own records, at
    // most a full bucket, on top.
    let mut told = 0;
    for (records, due) in [(60, 6.0), (1, 5.1)] {
        let least = after.elapsed().as_secs_f64();
        let refused = send(records);
        told = retry_after(&refused);
        assert_eq!(native::refusal(&refused).0, 429);
        let right = (due - before.elapsed().as_secs_f64()).ceil()..=(due - least).ceil();
        assert!(right.contains(&(told as f64)), "{told} s for {records} records, not {right:?}");
    }
    let until = Instant::now() + Duration::from_secs(told);
    assert_eq!(proxy.report("g", "other", "untouched").0, "0");
    assert_eq!(proxy.report("g", "limited", "refused").0, "114");
    // What is waited for is the time told itself.
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    assert_eq!(proxy.report("g", "limited", "in time").0, "0");
    assert_eq!(values(&limited), [vec!["record"; 60], vec!["in time"]].concat());
    assert_eq!(values(&other), ["untouched"]);
}

#[test]
fn a_quota_of_bytes_counts_the_records_bytes() {
    let topic = topic("bytes-quota");
    let limited = Stream { bytes_per_second: Some(10_000), ..stream("g", "s", "kafka", &topic) };
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![limited]));
    let before = Instant::now();
    // Compressed it would be little; what counts are the records.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &[b'x'; 60_000]).unwrap();
    let headers = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")];
    let body = packed.finish().unwrap();
    let request = native::Post { group_id: "g", stream_id: "s", query: "", headers: &headers, body: &body };
    assert_eq!(native::accepted(&proxy.exchange(&request.bytes())), 1);
    let refused = proxy.exchange(&native::to_stream("s", "text/plain", &[b'x'; 5_000]));
    let told = retry_after(&refused);
    assert_eq!(native::refusal(&refused).0, 429);
    let least = (5.5 - before.elapsed().as_secs_f64()).ceil();
    assert!((least..=6.0).contains(&(told as f64)), "{told} s for 50,000 bytes of debt and 5,000");
    assert_eq!(values(&topic).len(), 1);
}

#[test]
fn a_paused_stream_refuses_and_delivers_what_it_took_before() {
    let broker = stoppable();
    let document = |revision, paused| {
        let stream = Stream { paused, ..stream("g", "s", "kafka", "paused") };
        Document { revision, ..on_kafka(&broker.address(), vec![stream]) }
    };
    let proxy = Proxy::start(&document(1, false));
    let still = Standstill::begin(&broker);
    let mut taken = [Connection::open(proxy.http()), Connection::open(proxy.http())];
    taken[0].send(&report("g", "s", "taken"));
    taken[1].send(&native::to_stream("s", "text/plain", b"taken too"));
    proxy.wait_for("both reports taken", |status| status.streams[0].counts.records_admitted == 2);
    proxy.apply(&document(2, true));
    assert_eq!(proxy.report("g", "s", "while paused").0, "114");
    let refused = proxy.exchange(&native::to_stream("s", "text/plain", b"while paused"));
    assert_eq!(native::refusal(&refused), (503, "the stream is paused".to_owned()));
    assert!(retry_after(&refused) > 0);
    drop(still);
    assert_eq!(taken[0].answer().code(), "0");
    assert_eq!(native::accepted(&taken[1].answer()), 1);
    assert_eq!(proxy.report("g", "s", "still paused").0, "114");
    proxy.apply(&document(3, false));
    assert_eq!(proxy.report("g", "s", "again").0, "0");
    let mut stored: Vec<_> = kafka::read(&broker.address(), "paused").into_iter().map(|r| r.value).collect();
    stored.sort();
    assert_eq!(stored, [&b"again"[..], b"taken", b"taken too"]);
}

#[test]
fn a_stream_whose_kafka_stands_still_holds_its_share_and_another_gets_in() {
    const SENT: u64 = 40;
    const BYTES: u64 = 100_000;
    let broker = stoppable();
    let large = Stream { max_body_bytes: MIB, ..stream("g", "heavy", "kafka", "heavy") };
    let document = on_kafka(&broker.address(), vec![large, stream("g", "light", "kafka", "light")]);
    let overload = Overload { max_inflight_bytes: 16 * MIB, ..document.overload };
    let proxy = Proxy::start(&Document { overload, ..document });
    let still = Standstill::begin(&broker);
    let request =
        native::to_stream("heavy", "application/octet-stream", &vec![7; usize::try_from(BYTES).unwrap()]);
    let mut clients: Vec<_> = (0..SENT).map(|_| Connection::open(proxy.http())).collect();
    clients.iter_mut().for_each(|client| assert!(client.send(&request)));
    proxy.wait_for("every report taken or refused", |status| {
        let counts = status.streams.iter().find(|stream| stream.stream_id == "heavy").map(|s| s.counts);
        counts.is_some_and(|counts| counts.records_admitted + counts.reports_refused == SENT)
    });
    let admitted = proxy.stream("heavy").counts.records_admitted;
    assert!((1..=2 * MIB / BYTES).contains(&admitted), "{admitted} of {SENT} reports taken");
    let held = proxy.metric("sluice_stream_inflight_bytes", &["stream_id=\"heavy\""]);
    assert!(held > 0.0 && held <= (2 * MIB) as f64, "{held} bytes held");
    let mut beside = Connection::open(proxy.http());
    beside.send(&report("g", "light", "gets in"));
    proxy.wait_for("the other stream's report taken", |status| {
        status.streams.iter().any(|s| s.stream_id == "light" && s.counts.records_admitted == 1)
    });
    drop(still);
    assert_eq!(beside.answer().code(), "0");
    let answers: Vec<_> = clients.iter_mut().map(Connection::answer).collect();
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(refused.iter().all(|answer| native::refusal(answer).0 == 503), "{refused:?}");
    assert_eq!(taken.len() as u64, admitted);
    assert_eq!(kafka::read(&broker.address(), "heavy").len() as u64, admitted);
    proxy.wait_idle();
}

#[test]
fn a_body_that_takes_its_time_meets_the_stream_as_it_is_at_its_end() {
    let topic = topic("slowly");
    let open = on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]);
    let paused = Stream { paused: true, ..open.streams[0].clone() };
    let proxy = Proxy::start(&open);
    let mut connection = Connection::open(proxy.http());
    let request = native::to_stream("s", "text/plain", b"late");
    let (begin, end) = request.split_at(request.len() - 2);
    connection.send(begin);
    proxy.apply(&Document { revision: 2, streams: vec![paused], ..open.clone() });
    connection.send(end);
    let (status, detail) = native::refusal(&connection.answer());
    assert_eq!((status, detail.as_str()), (503, "the stream is paused"));
    proxy.apply(&Document { revision: 3, ..open });
    assert!(values(&topic).is_empty());
}
