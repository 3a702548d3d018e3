//! Native requests as they should not come: split, piled up, cut short, left by their client.
//! A record is stored whole and once, or not at all.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_tests::http::{Connection, report};
use sluice_tests::native::{kind, post, target};
use sluice_tests::wait;

use super::{send, text};
use crate::support::{proxy, values};

/// A small request of each content type, and the records it makes.
fn small() -> Vec<(Vec<u8>, Vec<&'static str>)> {
    let to = target("g", "s");
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"e"}"#;
    let other = r#"{"specversion":"1.0","id":"2","source":"/s","type":"t","data":"f"}"#;
    let headers = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n";
    let plain = |content_type: &str, body: &str| post(&to, content_type, "", body.as_bytes());
    vec![
        (plain("application/json", "[{\"a\":1}, 2]"), vec!["{\"a\":1}", "2"]),
        (plain("application/x-ndjson", "{\"b\":1}\n3\n"), vec!["{\"b\":1}", "3"]),
        (plain("text/plain", "one\r\ntwo"), vec!["one", "two"]),
        (plain("application/octet-stream", "raw\n"), vec!["raw\n"]),
        (plain("application/cloudevents+json", event), vec![event]),
        (plain("application/cloudevents-batch+json", &format!("[{event},{other}]")), vec![event, other]),
        (post(&to, "text/html", headers, b"<p>"), vec!["<p>"]),
        (chunked("a\nb", 1), vec!["a", "b"]),
    ]
}

/// A chunked POST of text, in chunks of `size` bytes.
fn chunked(body: &str, size: usize) -> Vec<u8> {
    let chunks: String = body
        .as_bytes()
        .chunks(size)
        .map(|c| format!("{:x}\r\n{}\r\n", c.len(), String::from_utf8_lossy(c)))
        .collect();
    let to = target("g", "s");
    format!(
        "POST {to} HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn a_request_of_each_content_type_split_at_any_byte_is_stored_all_the_same() {
    let (proxy, topic) = proxy("native-split");
    let mut cases = Vec::new();
    let mut expected = BTreeMap::<String, usize>::new();
    for (request, records) in small() {
        for record in &records {
            *expected.entry((*record).to_owned()).or_default() += request.len() - 1;
        }
        cases.extend((1..request.len()).map(|at| (request.clone(), at, records.len())));
    }
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((request, at, records)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut connection = Connection::open(proxy.http());
                    connection.send(&request[..*at]);
                    // Long enough for the first part to be read by itself.
                    std::thread::sleep(Duration::from_millis(2));
                    connection.send(&request[*at..]);
                    let answer = connection.answer();
                    if answer.text() != format!("{{\"accepted\":{records}}}") {
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
    assert_eq!(found, expected);
}

#[test]
fn native_and_inlong_requests_piled_up_on_one_connection_are_answered_in_their_order() {
    let (proxy, topic) = proxy("native-piled");
    let mut bytes = Vec::new();
    for number in 0..20 {
        bytes.extend(text("s", &format!("n{number}")));
        bytes.extend(report("g", "s", &format!("i{number}")));
    }
    // A refusal in between does not end the connection, whoever is refused and whether the body was wanted or not.
    bytes.extend(text("none", "x"));
    bytes.extend(report("g", "none", "x"));
    bytes.extend(chunked("last", 2));
    let mut connection = Connection::open(proxy.http());
    connection.send(&bytes);
    for _ in 0..20 {
        assert_eq!(kind(&connection.answer()), "200");
        assert_eq!(connection.answer().code(), "0");
    }
    assert_eq!(kind(&connection.answer()), "no-stream");
    assert_eq!(connection.answer().code(), "115");
    assert_eq!(kind(&connection.answer()), "200");
    let mut stored = values(&topic);
    stored.sort();
    let mut expected: Vec<_> =
        (0..20).flat_map(|number| [format!("n{number}"), format!("i{number}")]).collect();
    expected.push("last".to_owned());
    expected.sort();
    assert_eq!(stored, expected);
}

#[test]
fn a_request_that_never_ends_stores_nothing() {
    let (proxy, topic) = proxy("native-endless");
    let whole = text("s", "half\nof it");
    let piecewise = chunked("half\nof it", 4);
    let endings =
        [&whole[..whole.len() - 1], &piecewise[..piecewise.len() - 1], &piecewise[..piecewise.len() - 5]];
    for cut in endings.into_iter().chain([&piecewise[..piecewise.len() - 8]]) {
        let mut connection = Connection::open(proxy.http());
        connection.send(cut);
        connection.finish_sending();
        let answers = connection.answers_to_end();
        assert!(
            answers.iter().all(|answer| answer.status == 400),
            "{:?}: {answers:?}",
            String::from_utf8_lossy(cut)
        );
    }
    assert_eq!(send(&proxy, "s", "whole").0.status, 200);
    assert_eq!(values(&topic), ["whole"]);
    proxy.wait_idle();
}

#[test]
fn clients_that_leave_take_no_half_of_a_record_and_no_room_with_them() {
    let (proxy, topic) = proxy("native-left");
    let request = text("s", "first record\nsecond record");
    for at in (1..=request.len()).step_by(7) {
        // Dropped at once: before the proxy has read it, while it reads, or while Kafka has it.
        Connection::open(proxy.http()).send(&request[..at]);
    }
    proxy.wait_for("every connection to be gone", |status| status.connections == 0);
    proxy.wait_idle();
    assert_eq!(send(&proxy, "s", "after").0.status, 200);
    let stored = values(&topic);
    let known = ["first record", "second record", "after"];
    assert!(stored.iter().all(|value| known.contains(&value.as_str())), "{stored:?}");
    let count = |wanted: &str| stored.iter().filter(|value| *value == wanted).count();
    assert_eq!(count("first record"), count("second record"));
    assert!(count("first record") <= 1, "only the last was sent whole: {stored:?}");
}

#[test]
fn a_client_that_asks_first_is_refused_before_it_sends() {
    let (proxy, topic) = proxy("native-asks");
    let ask = |to: &str, content_type: &str, length: usize| {
        let mut connection = Connection::open(proxy.http());
        let head = format!(
            "POST {to} HTTP/1.1\r\nHost: t\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        connection.send(head.as_bytes());
        connection
    };
    let to = target("g", "s");
    for (to, content_type, length, wanted) in [
        ("/v1/other", "text/plain", 9, "not-found"),
        (&to, "text/html", 9, "content"),
        (&target("g", "none"), "text/plain", 9, "no-stream"),
        (&to, "text/plain", 100_000, "too-long"),
    ] {
        let mut connection = ask(to, content_type, length);
        let answer = connection.answer();
        assert_eq!((kind(&answer).as_str(), answer.header("connection")), (wanted, Some("close")));
    }
    let mut connection = ask(&to, "text/plain", 5);
    connection.expect_continue();
    connection.send(b"asked");
    assert_eq!(kind(&connection.answer()), "200");
    assert_eq!(values(&topic), ["asked"]);
}

#[test]
fn a_connection_goes_on_after_every_refusal_that_does_not_say_otherwise() {
    let (proxy, topic) = proxy("native-goes-on");
    let to = target("g", "s");
    let mut connection = Connection::open(proxy.http());
    for (number, refused) in [
        post("/v1/other", "text/plain", "", b"unwanted"),
        post(&to, "text/html", "", b"unwanted"),
        post(&to, "text/plain", "Content-Encoding: br\r\n", b"unwanted"),
        post(&format!("{to}?dt=soon"), "text/plain", "", b"unwanted"),
        post(&to, "application/json", "", b"{"),
        text("none", "unwanted"),
    ]
    .into_iter()
    .enumerate()
    {
        connection.send(&refused);
        let answer = connection.answer();
        assert!((400..500).contains(&answer.status) && answer.header("connection").is_none(), "{answer:?}");
        connection.send(&text("s", &number.to_string()));
        assert_eq!(kind(&connection.answer()), "200", "after {answer:?}");
    }
    assert_eq!(values(&topic), ["0", "1", "2", "3", "4", "5"]);
    wait::until("nothing in flight", Duration::from_secs(10), || proxy.status().inflight_bytes == 0);
}
