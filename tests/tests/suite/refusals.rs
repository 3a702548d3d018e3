//! Bodies made to harm, and bodies that are wrong in part: the answers, that nothing of them is stored, and that the
//! node's memory doesn't grow with them.

use std::io::{Read as _, Write as _};

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::http::{Connection, form, post};
use sluice_tests::native::{self, Post};
use sluice_tests::proxy::Proxy;
use sluice_wire::document::{KeySource, Stream};

use crate::support::{kafka as kafka_address, machine, peak_kib, topic, values};

const MIB: u64 = 1024 * 1024;
/// What the proxy's memory may grow by beside what is charged to its budget: what malloc keeps back.
const SLACK_KIB: u64 = 32 * 1024;

const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";
const EVENT: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// A proxy with the streams `s` and, for bodies up to 20 MiB, `large`, both into one topic.
fn start(prefix: &str) -> (Proxy, String) {
    let topic = topic(prefix);
    let large = Stream {
        max_body_bytes: 20 * MIB,
        key: Some(KeySource::FromJson("/a/b".to_owned())),
        ..stream("g", "large", "kafka", &topic)
    };
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic), large]));
    (proxy, topic)
}

fn packed(stream_id: &str, encodings: &[&str], body: &[u8]) -> Vec<u8> {
    let encodings = encodings.iter().map(|encoding| ("Content-Encoding", *encoding));
    let headers: Vec<_> = [("Content-Type", NDJSON)].into_iter().chain(encodings).collect();
    Post { group_id: "g", stream_id, query: "", headers: &headers, body }.bytes()
}

fn zeros(bytes: u64) -> impl std::io::Read {
    std::io::repeat(b'0').take(bytes)
}

fn gzip(bytes: u64) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut zeros(bytes), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: u64, window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(window_log).unwrap();
    std::io::copy(&mut zeros(bytes), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

/// The status and the detail of the refusal of a body.
fn refusal(proxy: &Proxy, stream_id: &str, content_type: &str, body: &[u8]) -> (u16, String) {
    native::refusal(&proxy.exchange(&native::to_stream(stream_id, content_type, body)))
}

/// Sends a request `times` over each of `connections`; returns every status.
fn statuses(proxy: &Proxy, request: &[u8], connections: usize, times: usize) -> Vec<u16> {
    let one = || {
        let mut connection = Connection::open(proxy.http());
        let send = |_| {
            connection.send(request);
            let answer = connection.answer();
            if answer.header("connection") == Some("close") {
                connection = Connection::open(proxy.http());
            }
            native::refusal(&answer).0
        };
        (0..times).map(send).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn decompression_bombs_are_refused_and_cost_no_more_than_the_streams_limit() {
    let (proxy, topic) = start("bombs");
    let (gzip_bomb, zstd_bomb) = (gzip(40 * MIB), zstd(512 * MIB, 20));
    assert!(gzip_bomb.len() < 60_000 && zstd_bomb.len() < 60_000, "{} {}", gzip_bomb.len(), zstd_bomb.len());
    let _turn = machine();
    let before = proxy.rss_kib();
    for (encoding, bomb) in [("gzip", &gzip_bomb), ("zstd", &zstd_bomb)] {
        let request = packed("s", &[encoding], bomb);
        let peak = peak_kib(&proxy, || {
            assert_eq!(statuses(&proxy, &request, 8, 20), [413; 160], "{encoding}");
        });
        assert!(peak < before + SLACK_KIB, "{encoding}: from {before} to {peak} KiB");
    }
    for (encoding, bomb) in [("gzip", &gzip_bomb), ("zstd", &zstd_bomb)] {
        let request = packed("large", &[encoding], bomb);
        let peak = peak_kib(&proxy, || {
            // Together they are more than the node's 64 MiB: where there is no room, that is said.
            let statuses = statuses(&proxy, &request, 16, 2);
            assert!(statuses.iter().all(|status| matches!(status, 413 | 503)), "{encoding}: {statuses:?}");
            assert!(statuses.contains(&413), "{encoding}: {statuses:?}");
        });
        assert!(peak < before + 64 * 1024 + SLACK_KIB, "{encoding}: from {before} to {peak} KiB");
    }
    proxy.wait_idle();
    assert!(values(&topic).is_empty());
}

#[test]
fn a_body_that_wants_a_large_window_or_isnt_what_it_says_is_refused() {
    let (proxy, topic) = start("windows");
    let half = gzip(1_000);
    for (encoding, body, detail) in [
        ("zstd", zstd(16 * MIB, 27), "the body is not valid zstd with a window of at most 8 MiB"),
        ("gzip", half[..half.len() - 5].to_vec(), "the body is not valid gzip"),
        ("gzip", b"1\n2\n".to_vec(), "the body is not valid gzip"),
        ("zstd", gzip(1_000), "the body is not valid zstd with a window of at most 8 MiB"),
    ] {
        let answer = proxy.exchange(&packed("large", &[encoding], &body));
        assert_eq!(native::refusal(&answer), (400, detail.to_owned()), "{encoding}");
    }
    assert!(values(&topic).is_empty());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"1\n2").unwrap();
    assert_eq!(native::accepted(&proxy.exchange(&packed("s", &["gzip"], &encoder.finish().unwrap()))), 2);
}

#[test]
fn json_deeper_than_128_is_refused_however_deep() {
    let (proxy, topic) = start("deep");
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let event =
        |data: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{data}}}"#);
    for depth in [129, 1_000_000] {
        for (content_type, body) in [
            (NDJSON, format!("1\n{}", nested(depth))),
            (NDJSON, objects(depth)),
            (JSON, format!("[1,{}]", nested(depth))),
            (JSON, objects(depth)),
            (EVENT, event(&nested(depth))),
            (BATCH, format!("[{}]", event(&objects(depth)))),
        ] {
            let (status, detail) = refusal(&proxy, "large", content_type, body.as_bytes());
            assert_eq!(status, 400, "{content_type} {depth}");
            assert!(detail.ends_with("it nests deeper than 128"), "{content_type} {depth}: {detail}");
        }
        let open = "[{\"a\":".repeat(depth);
        assert_eq!(refusal(&proxy, "large", JSON, open.as_bytes()).0, 400);
    }
    assert!(values(&topic).is_empty());
    let deepest = nested(128);
    assert_eq!(native::accepted(&proxy.exchange(&native::to_stream("large", NDJSON, deepest.as_bytes()))), 1);
    // On the InLong path a body is bytes; only its key is looked for in it.
    let bomb = format!("{{\"a\":{}}}", nested(1_000_000));
    let fields = [("groupId", "g"), ("streamId", "large"), ("body", &bomb)];
    assert_eq!(
        proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code(),
        "104",
        "one MiB is the topic's"
    );
    let bomb = format!("{{\"a\":{},\"b\":{}}}", nested(200_000), objects(10_000));
    let fields = [("groupId", "g"), ("streamId", "large"), ("body", &bomb)];
    assert_eq!(proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code(), "0");
    assert_eq!(values(&topic), [deepest, bomb]);
}

#[test]
fn ten_thousand_and_one_records_are_too_many() {
    let (proxy, topic) = start("many-native");
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    let array = |element: &str| format!("[{}]", vec![element; 10_001].join(","));
    for (content_type, body) in [
        ("text/plain", "x\n".repeat(10_001)),
        (NDJSON, "1\n".repeat(10_001)),
        (JSON, array("1")),
        (BATCH, array(event)),
    ] {
        let (status, detail) = refusal(&proxy, "large", content_type, body.as_bytes());
        assert_eq!((status, &*detail), (413, "the body holds more than 10000 records"), "{content_type}");
    }
    let lines = "x\n".repeat(10_001);
    let fields = [("groupId", "g"), ("streamId", "s"), ("cnt", "10001"), ("body", &lines)];
    assert_eq!(proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code(), "104");
    assert!(values(&topic).is_empty());
    assert_eq!(
        native::accepted(&proxy.exchange(&native::to_stream("s", NDJSON, &b"1\n".repeat(10_000)))),
        10_000
    );
}

#[test]
fn one_bad_record_refuses_all_and_is_named() {
    let (proxy, topic) = start("mixed");
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    let untyped = r#"{"specversion":"1.0","id":"2","source":"/s"}"#;
    let late = format!("{}{{\"a\":}}", "1\n".repeat(9_999));
    for (content_type, body, named) in [
        (NDJSON, "{}\n\n1\n{\"a\":1,}\n2", "line 4 is refused: "),
        (NDJSON, &late, "line 10000 is refused: "),
        (NDJSON, "1\n2 3", "line 2 is refused: "),
        (JSON, "[1, {\"a\":1}, nul]", "the body is refused: "),
        (JSON, "[1] [2]", "the body is refused: "),
        (
            BATCH,
            &format!("[{event},{event},{untyped}]"),
            "event 2 is refused: attribute \"type\" is missing or empty",
        ),
        (BATCH, &format!("[{event},7]"), "event 1 is refused: it is no JSON object"),
        (BATCH, event, "event 0 is refused: a batch is a JSON array"),
        (EVENT, untyped, "event 0 is refused: "),
        (JSON, "", "the body is refused: "),
        (NDJSON, "\n \r\n", "the body holds no records"),
    ] {
        let (status, detail) = refusal(&proxy, "s", content_type, body.as_bytes());
        assert_eq!(status, 400, "{content_type}: {detail}");
        assert!(detail.starts_with(named), "{content_type}: {detail}");
    }
    for content_type in ["text/plain", NDJSON, JSON, EVENT] {
        let (status, detail) = refusal(&proxy, "s", content_type, b"\"ok\"\n\"\xff\"");
        assert_eq!((status, &*detail), (400, "the body is not UTF-8 from byte 6 on"), "{content_type}");
    }
    assert!(values(&topic).is_empty());
}

#[test]
fn other_encodings_charsets_and_types_are_refused() {
    let (proxy, topic) = start("contents");
    let twice = gzip(10);
    for encodings in
        [&["gzip", "zstd"][..], &["gzip", "gzip"], &["gzip, zstd"], &["identity", "gzip"], &["br"]]
    {
        let answer = proxy.exchange(&packed("s", encodings, &twice));
        assert_eq!(native::refusal(&answer).0, 415, "{encodings:?}");
    }
    for content_type in [
        "application/json; charset=gbk",
        "text/plain;charset=\"iso-8859-1\"",
        "application/x-ndjson; x=y; CHARSET=utf-16",
        "application/cloudevents+json; charset=latin1",
        "text/html",
        "application/x-www-form-urlencoded",
        "",
    ] {
        assert_eq!(refusal(&proxy, "s", content_type, b"{}").0, 415, "{content_type}");
    }
    let fields = form(&[("groupId", "g"), ("streamId", "s"), ("body", "x")]);
    let encoded = post("/dataproxy/message", "Content-Encoding: gzip\r\n", &fields);
    assert_eq!(proxy.exchange(&encoded).code(), "36");
    assert!(values(&topic).is_empty());
}
