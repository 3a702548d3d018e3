//! HTTP as it should not come: split, piled up, cut short, lying about its length, slow.
//! What may never happen: two requests seen in one, or a record stored from a request that never ended.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::http::{Connection, form, post, report};
use sluice_tests::kafka;
use sluice_tests::proxy::Proxy;
use sluice_wire::document::Stream;

use crate::sdk_replay::{captured, captured_streams, is_success, records_of};
use crate::support::{kafka as kafka_address, proxy, topic, values};

const MESSAGE: &str = "/dataproxy/message";

#[test]
fn captured_requests_split_at_any_byte_are_stored_all_the_same() {
    let topic = topic("split");
    let proxy = Proxy::start(&captured_streams(&topic));
    let cases: Vec<_> = captured()
        .into_iter()
        .flat_map(|request| (1..request.len()).map(move |at| (request.clone(), at)))
        .collect();
    let mut expected = BTreeMap::<&str, usize>::new();
    for (request, _) in &cases {
        records_of(request).into_iter().for_each(|record| *expected.entry(record).or_default() += 1);
    }
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((request, at)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut connection = Connection::open(proxy.http());
                    connection.send(&request[..*at]);
                    // Long enough for the first part to be read by itself.
                    std::thread::sleep(Duration::from_millis(2));
                    connection.send(&request[*at..]);
                    let answer = connection.answer();
                    if !is_success(&answer) {
                        failures.lock().unwrap().push((*at, answer));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}: {:?}", failures.len(), cases.len(), failures.first());
    let mut found = BTreeMap::<String, usize>::new();
    values(&topic).into_iter().for_each(|value| *found.entry(value).or_default() += 1);
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(value, count)| (value.to_owned(), count)).collect();
    assert_eq!(found, expected);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let (proxy, topic) = proxy("pipelined");
    let mut connection = Connection::open(proxy.http());
    let bodies: Vec<String> = (0..50).map(|number| format!("p{number}")).collect();
    let mut bytes: Vec<u8> = bodies.iter().flat_map(|body| report("g", "s", body)).collect();
    bytes.extend(report("g", "none", "x"));
    bytes.extend(report("g", "s", "last"));
    connection.send(&bytes);
    let codes: Vec<_> = (0..52).map(|_| connection.answer().code()).collect();
    assert_eq!(codes[..50], vec!["0"; 50]);
    assert_eq!(codes[50..], ["115", "0"]);
    let mut stored = values(&topic);
    stored.sort();
    let mut expected = [bodies, vec!["last".to_owned()]].concat();
    expected.sort();
    assert_eq!(stored, expected);
}

#[test]
fn a_request_that_never_ends_stores_nothing() {
    let (proxy, topic) = proxy("endless");
    let head =
        "POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let body = "groupId=g&streamId=s&body=half";
    for rest in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len() + 1),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}", body.len() + 5),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n", body.len()),
    ] {
        let mut connection = Connection::open(proxy.http());
        connection.send(format!("{head}{rest}").as_bytes());
        connection.finish_sending();
        for answer in connection.answers_to_end() {
            assert_ne!(answer.lenient_code().as_deref(), Some("0"), "{rest:?}");
        }
    }
    assert_eq!(proxy.report("g", "s", "whole").0, "0");
    assert_eq!(values(&topic), ["whole"]);
    proxy.wait_idle();
}

#[test]
fn two_ways_to_say_a_length_never_make_two_requests_of_one() {
    let (proxy, topic) = proxy("smuggled");
    let inner = String::from_utf8(report("g", "s", "smuggled")).unwrap();
    let head =
        "POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let form = "groupId=g&streamId=s&body=outer";
    let chunk = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
    for (what, request) in [
        (
            "both lengths",
            format!("{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{inner}"),
        ),
        (
            "both, the other way",
            format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunk}{inner}"),
        ),
        (
            "two lengths",
            format!("{head}Content-Length: {}\r\nContent-Length: 5\r\n\r\n{form}{inner}", form.len()),
        ),
        ("a list of lengths", format!("{head}Content-Length: {0}, 5\r\n\r\n{form}{inner}", form.len())),
        ("a signed length", format!("{head}Content-Length: +{}\r\n\r\n{form}{inner}", form.len())),
        ("an odd coding", format!("{head}Transfer-Encoding: xchunked\r\n\r\n{chunk}{inner}")),
        ("chunked is not last", format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n{chunk}{inner}")),
        ("a space before the colon", format!("{head}Content-Length : {}\r\n\r\n{form}{inner}", form.len())),
        (
            "a bad chunk size",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{form}\r\n0\r\n\r\n{inner}"),
        ),
        (
            "a huge chunk size",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{form}{inner}"),
        ),
        (
            "a chunk longer than said",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{form}\r\n0\r\n\r\n{inner}"),
        ),
        ("no host and a bare line feed", format!("POST /dataproxy/message HTTP/9.9\n\n{inner}")),
    ] {
        let mut connection = Connection::open(proxy.http());
        connection.send(request.as_bytes());
        let answers = connection.answers_to_end();
        let last = answers.last();
        assert!(answers.len() <= 1, "{what}: {answers:?}");
        assert!(
            last.is_none_or(|answer| answer.status >= 400 || answer.lenient_code().is_some()),
            "{what}: {last:?}"
        );
    }
    assert_eq!(proxy.report("g", "s", "fine").0, "0");
    let stored = values(&topic);
    assert!(!stored.contains(&"smuggled".to_owned()), "{stored:?}");
    assert_eq!(stored.last().map(String::as_str), Some("fine"));
}

#[test]
fn a_body_before_the_ids_counts() {
    let (proxy, topic) = proxy("reversed");
    let form = form(&[("body", "early"), ("dt", "1"), ("streamId", "s"), ("groupId", "g")]);
    assert_eq!(proxy.exchange(&post(MESSAGE, "", &form)).code(), "0");
    assert_eq!(values(&topic), ["early"]);
}

#[test]
fn the_limit_is_that_of_the_stream_in_effect_at_the_end() {
    let topic = topic("limits");
    let small = Stream { max_body_bytes: 1_000, ..stream("g", "small", "kafka", &topic) };
    let large = Stream { max_body_bytes: 1_000_000, ..stream("g", "large", "kafka", &topic) };
    let proxy = Proxy::start(&on_kafka(&kafka_address(), vec![small, large]));
    let target = |id: &str| format!("{MESSAGE}?groupId=g&streamId={id}");
    let body = "x".repeat(10_000);
    let code = |query: &str, fields: &[(&str, &str)]| {
        proxy.exchange(&post(&target(query), "", &form(fields))).code()
    };
    assert_eq!(code("large", &[("streamId", "small"), ("body", &body)]), "104");
    assert_eq!(code("large", &[("body", &body), ("streamId", "small")]), "104");
    assert_eq!(code("small", &[("body", &body)]), "104");
    assert!(values(&topic).is_empty(), "nothing past a limit is stored");
    assert_eq!(code("small", &[("streamId", "large"), ("body", &body)]), "0");
    assert_eq!(code("small", &[("body", &body), ("streamId", "large")]), "0");
    assert_eq!(values(&topic).len(), 2);
}

#[test]
fn bytes_that_are_no_text_reach_kafka_unchanged() {
    let (proxy, topic) = proxy("bytes");
    let all: Vec<u8> = (0..=255).collect();
    let form = format!("groupId=g&streamId=s&body={}", sluice_tests::http::encode(&all));
    assert_eq!(proxy.exchange(&post(MESSAGE, "", &form)).code(), "0");
    let mut raw = b"POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 29\r\n\r\ngroupId=g&streamId=s&body=".to_vec();
    raw.extend([0xff, 0x00, 0xfe]);
    assert_eq!(proxy.exchange(&raw).code(), "0");
    let stored = kafka::read(&kafka_address(), &topic);
    assert_eq!(
        stored.iter().map(|record| record.value.clone()).collect::<Vec<_>>(),
        [all, vec![0xff, 0x00, 0xfe]]
    );
}

#[test]
fn a_flood_of_headers_ends_only_its_own_connection() {
    let (proxy, _topic) = proxy("flood");
    let many: String = (0..5_000).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(8 * 1024 * 1024));
    let target = format!("GET /dataproxy/message?{} HTTP/1.1\r\n", "q".repeat(4 * 1024 * 1024));
    for request in [
        format!("GET {MESSAGE} HTTP/1.1\r\nHost: t\r\n{many}\r\n"),
        format!("GET {MESSAGE} HTTP/1.1\r\nHost: t\r\n{long}\r\n"),
        format!("{target}Host: t\r\n\r\n"),
    ] {
        let mut connection = Connection::open(proxy.http());
        // The proxy may close before it has read all of it.
        connection.send(request.as_bytes());
        let answers = connection.answers_to_end();
        assert!(answers.iter().all(|answer| answer.status >= 400), "{answers:?}");
        assert_eq!(proxy.report("g", "s", "x").0, "0");
    }
    assert!(proxy.rss_kib() < 80 * 1024, "{} KiB", proxy.rss_kib());
}

#[test]
fn a_body_of_100_mb_is_refused_and_not_held() {
    let (proxy, topic) = proxy("huge");
    let head =
        "POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let megabyte = vec![b'x'; 1024 * 1024];
    for (length, chunk) in
        [("Content-Length: 104857600\r\n\r\n", ""), ("Transfer-Encoding: chunked\r\n\r\n", "100000\r\n")]
    {
        let mut connection = Connection::open(proxy.http());
        connection.send(format!("{head}{length}{chunk}groupId=g&streamId=s&body=").as_bytes());
        // Past what the proxy discards it resets; until then it takes.
        let sent = (0..100).take_while(|_| connection.send(&megabyte)).count();
        assert!(sent < 100, "the proxy read a body that it had refused to its end");
    }
    assert!(proxy.rss_kib() < 80 * 1024, "{} KiB", proxy.rss_kib());
    assert_eq!(proxy.report("g", "s", "x").0, "0");
    assert_eq!(values(&topic), ["x"]);
    proxy.wait_idle();
}

#[test]
fn slow_senders_are_cut_off_and_idle_connections_stay() {
    let (proxy, topic) = proxy("slow");
    let proxy = &proxy;
    let slow_body = "POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                     Content-Length: 100\r\n\r\ngroupId=g&streamId=s&body=";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::open(proxy.http());
            connection.send(b"POST /data");
            std::thread::sleep(Duration::from_secs(6));
            connection.send(b"proxy/mess");
            let closed =
                connection.closed_within(Duration::from_secs(12)).expect("closed") + Duration::from_secs(6);
            assert!(closed > Duration::from_secs(9), "10 s from the first byte, not {closed:?}");
        });
        scope.spawn(|| {
            let mut connection = Connection::open(proxy.http());
            connection.send(slow_body.as_bytes());
            std::thread::sleep(Duration::from_secs(8));
            connection.send(b"x");
            let start = std::time::Instant::now();
            let answer = connection.answer_within(Duration::from_secs(30)).expect("an answer");
            assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
            assert!(
                start.elapsed() > Duration::from_secs(13),
                "15 s from the last byte, not {:?}",
                start.elapsed()
            );
            assert!(connection.closed_within(Duration::from_secs(10)).is_some());
        });
        scope.spawn(|| {
            let mut connection = Connection::open(proxy.http());
            connection.send(&report("g", "s", "before"));
            assert_eq!(connection.answer().code(), "0");
            let mut silent = Connection::open(proxy.http());
            assert_eq!(connection.closed_within(Duration::from_secs(14)), None);
            connection.send(&report("g", "s", "after"));
            assert_eq!(connection.answer().code(), "0");
            silent.send(&report("g", "s", "first"));
            assert_eq!(silent.answer().code(), "0", "a connection without a byte is idle, not slow");
        });
    });
    assert_eq!(values(&topic), ["before", "after", "first"]);
    proxy.wait_idle();
}
