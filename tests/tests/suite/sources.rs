//! Who may report to a stream by address, and whose word on an address is taken.

use sluice_tests::document::{document, file_sink, stream};
use sluice_tests::http::{self, post};
use sluice_tests::native;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_wire::access::{Cidr, Listeners, Sources};
use sluice_wire::document::{Document, Stream};

use crate::support::lines;

fn ranges(texts: &[&str]) -> Vec<Cidr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn guarded(id: &str, allow: &[&str], deny: &[&str]) -> Stream {
    let sources = Sources { allow: ranges(allow), deny: ranges(deny), ..Sources::default() };
    Stream { sources, ..stream("g", id, "local", "") }
}

fn start(builder: Builder, streams: Vec<Stream>, trusted: &[&str]) -> Proxy {
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let listeners = Listeners { trusted_proxies: ranges(trusted), ..Listeners::default() };
    builder.start(&Document { listeners, ..document(sinks, streams) })
}

fn forwarded(id: &str, line: &str) -> Vec<u8> {
    post(
        "/dataproxy/message",
        &format!("X-Forwarded-For: {line}\r\n"),
        &format!("groupId=g&streamId={id}&body=x"),
    )
}

#[test]
fn a_stream_takes_reports_of_its_addresses_and_of_no_others() {
    let streams = vec![
        guarded("allowed", &["127.0.0.0/8"], &[]),
        guarded("elsewhere", &["10.0.0.0/8"], &[]),
        guarded("denied", &["127.0.0.0/8"], &["127.0.0.1/32"]),
        guarded("others-denied", &[], &["10.0.0.0/8", "::/0"]),
        Stream { paused: true, ..guarded("paused", &["10.0.0.0/8"], &[]) },
    ];
    let proxy = start(Builder::new(), streams, &[]);
    for (id, code) in
        [("allowed", "0"), ("elsewhere", "10"), ("denied", "10"), ("others-denied", "0"), ("paused", "10")]
    {
        assert_eq!(proxy.report("g", id, "x").0, code, "{id}");
        let answer = proxy.exchange(&native::to_stream(id, "text/plain", b"x"));
        assert_eq!(answer.status, if code == "0" { 200 } else { 403 }, "{id}");
    }
    let answer = proxy.exchange(&native::to_stream("elsewhere", "text/plain", b"hush-hush"));
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(
        (&problem["type"], &problem["outcome"]),
        (&"urn:sluice:problem:source".into(), &"notStored".into())
    );
    assert!(problem["detail"].as_str().unwrap().contains("127.0.0.1"), "{problem}");
    assert_eq!(lines(&proxy.directory().join("data"), "elsewhere"), [serde_json::Value::Null; 0]);
    let refused = |id: &str, reason: &str| {
        proxy.metric("sluice_sources_refused_total", &[&format!("\"{id}\""), &format!("\"{reason}\"")])
    };
    assert_eq!((refused("elsewhere", "not_allowed"), refused("denied", "denied")), (3.0, 2.0));
    assert!(!proxy.log().text().contains("hush-hush"));
}

#[test]
fn a_client_over_ipv6_is_judged_by_its_ipv6_address_and_one_over_ipv4_by_its_ipv4_address() {
    let streams = vec![
        guarded("six", &["::1/128"], &[]),
        guarded("four", &["127.0.0.0/8"], &[]),
        guarded("mapped", &["::ffff:7f00:0/104"], &[]),
        guarded("no-six", &[], &["::1/128"]),
    ];
    let proxy = start(Builder::new().listening("[::]:0"), streams, &[]);
    let port = proxy.http().rsplit(':').next().unwrap().to_owned();
    let code =
        |host: &str, id: &str| http::exchange(&format!("{host}:{port}"), &http::report("g", id, "x")).code();
    for (id, four, six) in
        [("six", "10", "0"), ("four", "0", "10"), ("mapped", "0", "10"), ("no-six", "0", "10")]
    {
        assert_eq!(code("127.0.0.1", id), four, "{id} over IPv4");
        assert_eq!(code("[::1]", id), six, "{id} over IPv6");
    }
}

#[test]
fn a_forwarded_address_of_a_peer_that_is_not_declared_is_ignored() {
    let streams = vec![guarded("here", &["127.0.0.0/8"], &[]), guarded("there", &["10.0.0.0/8"], &[])];
    let proxy = start(Builder::new(), streams, &["10.9.0.0/16"]);
    for line in ["10.1.2.3", "10.9.0.1", "10.1.2.3, 10.9.0.1", "nonsense"] {
        assert_eq!(proxy.exchange(&forwarded("here", line)).code(), "0", "{line}");
        assert_eq!(proxy.exchange(&forwarded("there", line)).code(), "10", "{line}");
    }
    let stored = lines(&proxy.directory().join("data"), "here");
    assert!(stored.iter().all(|line| line["headers"]["srcIp"] == "127.0.0.1"), "{stored:?}");
}

#[test]
fn of_a_declared_proxys_word_the_rightmost_address_that_is_no_proxys_counts() {
    let streams = vec![
        guarded("there", &["10.0.0.0/8"], &["10.6.6.0/24"]),
        guarded("here", &["127.0.0.0/8"], &[]),
        stream("g", "open", "local", ""),
    ];
    let proxy = start(Builder::new(), streams, &["127.0.0.0/8", "10.9.0.0/16"]);
    for (line, code) in [
        ("10.1.2.3", "0"),
        ("6.6.6.6, 10.1.2.3, 10.9.0.1", "0"),
        ("10.1.2.3, 6.6.6.6", "10"),
        ("10.1.2.3, 10.6.6.6", "10"),
        ("::ffff:10.1.2.3", "0"),
        ("10.1.2.3, unknown", "10"),
    ] {
        assert_eq!(proxy.exchange(&forwarded("there", line)).code(), code, "{line}");
    }
    assert_eq!(proxy.exchange(&forwarded("here", "10.1.2.3")).code(), "10");
    assert_eq!(proxy.report("g", "here", "x").0, "0", "the proxy itself");
    assert_eq!(
        proxy.exchange(&forwarded("open", "unknown")).code(),
        "0",
        "who asks for no address needs none"
    );
    let stored = lines(&proxy.directory().join("data"), "there");
    assert!(stored.iter().all(|line| line["headers"]["srcIp"] == "10.1.2.3"), "{stored:?}");
    assert_eq!(proxy.metric("sluice_sources_refused_total", &["\"unknown_address\""]), 1.0);
}

#[test]
fn a_changed_list_holds_for_the_next_report_on_an_open_connection() {
    let builder = Builder::new();
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let open = document(sinks, vec![stream("g", "s", "local", "")]);
    let proxy = builder.start(&open);
    let mut connection = http::Connection::open(proxy.http());
    let code = |connection: &mut http::Connection| {
        assert!(connection.send(&http::report("g", "s", "x")));
        connection.answer().code()
    };
    assert_eq!(code(&mut connection), "0");
    proxy.apply(&Document {
        revision: 2,
        streams: vec![guarded("s", &[], &["127.0.0.1/32"])],
        ..open.clone()
    });
    assert_eq!(code(&mut connection), "10");
    proxy.apply(&Document { revision: 3, ..open });
    assert_eq!(code(&mut connection), "0");
}
