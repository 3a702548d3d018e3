//! Keys and headers of records through the wire: where they come from, where they land, what is refused.
//! Streams here store records as they are; the outputs' own suite has keys and headers in every output.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_tests::document::{on_kafka, stream};
use sluice_tests::http::{encode, form, post};
use sluice_tests::native::{self, Post};
use sluice_tests::proxy::Proxy;
use sluice_tests::{kafka, wait};
use sluice_wire::document::{KeySource, Stream};

use crate::support::{formats, kafka as kafka_address, topic, values};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// The most that headers passed on may take, names and values.
const MOST: usize = 8 * 1024;

/// A stream whose topic has its own name and a number.
fn keyed(stream_id: &str, key: Option<KeySource>) -> Stream {
    Stream { key, ..stream("g", stream_id, "kafka", &topic(stream_id)) }
}

fn start(streams: &[Stream]) -> Proxy {
    Proxy::start(&on_kafka(&kafka_address(), streams.to_vec()))
}

/// Posts to the native route; returns how many records are stored.
fn send(proxy: &Proxy, stream_id: &str, query: &str, headers: &[(&str, &str)], body: &str) -> u64 {
    let request = Post { group_id: "g", stream_id, query, headers, body: body.as_bytes() };
    native::accepted(&proxy.exchange(&request.bytes()))
}

/// Reports on the InLong path; returns the code.
fn report(proxy: &Proxy, target: &str, headers: &str, fields: &[(&str, &str)]) -> String {
    proxy.exchange(&post(target, headers, &form(&[&[("groupId", "g")], fields].concat()))).code()
}

fn keys(stream: &Stream) -> Vec<Option<String>> {
    let records = kafka::read(&kafka_address(), &stream.topic);
    records.into_iter().map(|record| record.key.map(|key| String::from_utf8(key).unwrap())).collect()
}

fn some(keys: &[&str]) -> Vec<Option<String>> {
    keys.iter().map(|key| Some((*key).to_owned())).collect()
}

fn missing(proxy: &Proxy, stream_id: &str) -> f64 {
    proxy.metric("sluice_key_missing_total", &[&format!("stream_id=\"{stream_id}\"")])
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const EVENT: (&str, &str) = ("Content-Type", "application/cloudevents+json");

#[test]
fn a_key_comes_from_a_parameter() {
    let streams = [keyed("parameter", Some(KeySource::FromParameter("user".to_owned())))];
    let proxy = start(&streams);
    assert_eq!(send(&proxy, "parameter", "user=%C3%A9+1&user=second", &[JSON], "[1,2]"), 2);
    let fields = [("streamId", "parameter"), ("body", "x")];
    assert_eq!(report(&proxy, "/dataproxy/message?user=of-the-query", "", &fields), "0");
    let with_key = [&fields[..], &[("user", "of the form")]].concat();
    assert_eq!(report(&proxy, "/dataproxy/message?user=of-the-query", "", &with_key), "0");
    assert_eq!(keys(&streams[0]), some(&["\u{e9} 1", "\u{e9} 1", "of-the-query", "of the form"]));
    assert_eq!(missing(&proxy, "parameter"), 0.0);
    assert_eq!(send(&proxy, "parameter", "User=other-case", &[JSON], "[1,2,3]"), 3);
    assert_eq!(keys(&streams[0])[4..], [None, None, None]);
    assert_eq!(missing(&proxy, "parameter"), 3.0);
}

#[test]
fn a_key_comes_from_a_header() {
    let streams = [keyed("header", Some(KeySource::FromHeader("X-User".to_owned())))];
    let proxy = start(&streams);
    assert_eq!(send(&proxy, "header", "", &[JSON, ("x-USER", "native")], "1"), 1);
    let fields = [("streamId", "header"), ("body", "x\ny"), ("cnt", "2")];
    assert_eq!(report(&proxy, "/dataproxy/message", "x-user: of a report\r\n", &fields), "0");
    assert_eq!(report(&proxy, "/dataproxy/message", "", &fields), "0");
    let expected = [some(&["native", "of a report", "of a report"]), vec![None, None]].concat();
    assert_eq!(keys(&streams[0]), expected);
    assert_eq!(missing(&proxy, "header"), 2.0);
    let headers = kafka::read(&kafka_address(), &streams[0].topic).remove(0).headers;
    assert!(
        headers.keys().all(|name| !name.eq_ignore_ascii_case("x-user")),
        "a key's header isn't passed on"
    );
}

#[test]
fn a_key_comes_from_a_place_in_each_record() {
    let streams = [keyed("pointer", Some(KeySource::FromJson("/user/0/i~1d".to_owned())))];
    let proxy = start(&streams);
    let array =
        r#"[{"user":[{"i/d":"\u00e9"}]}, {"user":[{"i/d":7.0}]}, {"user":[{"i/d":null}]}, {"user":[]}, 5]"#;
    assert_eq!(send(&proxy, "pointer", "", &[JSON], array), 5);
    let lines = "{\"user\":[{\"i/d\":true}]}\nno JSON";
    let fields = [("streamId", "pointer"), ("body", lines), ("cnt", "2")];
    assert_eq!(report(&proxy, "/dataproxy/message", "", &fields), "0");
    let key = |text: &str| Some(text.to_owned());
    assert_eq!(keys(&streams[0]), [key("\u{e9}"), key("7.0"), None, None, None, key("true"), None]);
    assert_eq!(missing(&proxy, "pointer"), 4.0);
}

#[test]
fn the_partitionkey_of_an_event_wins_over_the_streams_rule() {
    let streams = [keyed("ruled", Some(KeySource::FromParameter("k".to_owned()))), keyed("free", None)];
    let proxy = start(&streams);
    let event = |key: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{key}}}"#);
    let own = event(r#","partitionkey":"own""#);
    let batch = ("Content-Type", "application/cloudevents-batch+json");
    let both = format!("[{own},{}]", event(""));
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("ce-partitionkey", "in%20a%20header"),
    ];
    for stream_id in ["ruled", "free"] {
        assert_eq!(send(&proxy, stream_id, "k=rule", &[EVENT], &own), 1);
        assert_eq!(send(&proxy, stream_id, "k=rule", &[batch], &both), 2);
        assert_eq!(send(&proxy, stream_id, "k=rule", &binary, "x"), 1);
        assert_eq!(missing(&proxy, stream_id), 0.0);
    }
    assert_eq!(keys(&streams[0]), some(&["own", "own", "rule", "in a header"]));
    assert_eq!(keys(&streams[1]), [&some(&["own", "own"])[..], &[None], &some(&["in a header"])].concat());
}

#[test]
fn a_key_lands_in_the_partition_where_a_java_producer_puts_it() {
    let [ours, javas] = ["seven-ours", "seven-javas"].map(|prefix| {
        let name = kafka::unique_name(prefix);
        kafka::create(&kafka_address(), &name, 7, &[]);
        name
    });
    let key = Some(KeySource::FromParameter("k".to_owned()));
    let proxy = start(&[Stream { key, ..stream("g", "s", "kafka", &ours) }]);
    let mut keys: Vec<String> = (0..14).map(|number| format!("user-{number}")).collect();
    keys.extend(["a", "ab", "abc", "\u{e9}\u{4e2d}\u{1f600}", " ", ""].map(str::to_owned));
    keys.push("long ".repeat(200));
    for key in &keys {
        let query = format!("k={}", encode(key.as_bytes()));
        assert_eq!(send(&proxy, "s", &query, &[JSON], "1"), 1, "{key:?}");
    }
    let encoded: Vec<_> = keys.iter().map(|key| STANDARD.encode(key)).collect();
    let command = json!({"do": "produce", "servers": kafka_address(), "topic": javas, "keys": encoded});
    let answer = formats().ask(&command);
    let javas: Vec<Option<i64>> =
        answer["partitions"].as_array().unwrap().iter().map(Value::as_i64).collect();
    let stored = kafka::read(&kafka_address(), &ours);
    let ours: BTreeMap<_, _> = stored.iter().map(|r| (r.key.clone().unwrap(), r.partition)).collect();
    assert_eq!(stored.len(), keys.len());
    let ours: Vec<_> = keys.iter().map(|key| Some(i64::from(ours[key.as_bytes()]))).collect();
    assert_eq!(ours, javas);
    assert!((0..7).all(|partition| ours.contains(&Some(partition))), "{ours:?}");
}

#[test]
fn only_listed_headers_are_passed_on_in_the_listed_spelling() {
    let listed = vec!["X-SHOP-Id".to_owned(), "user-agent".to_owned(), "X-Absent".to_owned()];
    let streams = [Stream { headers: listed, ..keyed("listed", None) }];
    let proxy = start(&streams);
    let sent = [
        ("x-shop-id", "7"),
        ("User-Agent", "suite/1"),
        ("X-Other", "no"),
        ("traceparent", TRACEPARENT),
        ("TraceState", "x=y"),
        ("rt", "1"),
        ("st", "1"),
        ("dt", "1"),
        ("srcIp", "6.6.6.6"),
        ("dpip", "6.6.6.6"),
        ("msgEnType", "9"),
        ("version", "9"),
        ("auditVersion", "9"),
        ("ce_id", "x"),
        ("Cookie", "secret"),
        ("Authorization", "secret"),
    ];
    assert_eq!(send(&proxy, "listed", "dt=5", &[&[JSON], &sent[..]].concat(), "1"), 1);
    let lines: String = sent.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let fields = [("streamId", "listed"), ("body", "x"), ("dt", "5")];
    assert_eq!(report(&proxy, "/dataproxy/message", &lines, &fields), "0");
    let stored = kafka::read(&kafka_address(), &streams[0].topic);
    assert_eq!(stored.len(), 2);
    for mut record in stored {
        for name in ["rt", "st"] {
            assert!(
                record.headers.remove(name).unwrap().parse::<i64>().unwrap() > 1_700_000_000_000,
                "{name}"
            );
        }
        let expected = [
            ("X-SHOP-Id", "7"),
            ("user-agent", "suite/1"),
            ("traceparent", TRACEPARENT),
            ("tracestate", "x=y"),
            ("dt", "5"),
            ("srcIp", "127.0.0.1"),
            ("dpIp", "127.0.0.1"),
            ("msgEnType", "0"),
            ("version", "0"),
        ];
        let expected: BTreeMap<_, _> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(record.headers, expected);
    }
}

#[test]
fn a_list_with_a_header_of_the_contract_is_refused_and_changes_nothing() {
    let streams = [keyed("contract", None)];
    let proxy = start(&streams);
    for (number, name) in
        ["srcIp", "RT", "ce_id", "Traceparent", "content-type", "cookie"].into_iter().enumerate()
    {
        let list = Stream { headers: vec![name.to_owned()], ..streams[0].clone() };
        let mut document = on_kafka(&kafka_address(), vec![list]);
        document.revision = 2;
        let refused = || proxy.metric("sluice_config_refused_total", &[]);
        proxy.publish(&document);
        wait::until(name, sluice_tests::proxy::SOON, || refused() > number as f64 + 0.5);
        assert_eq!(proxy.status().revision, 1, "{name}");
    }
}

#[test]
fn headers_to_be_passed_on_past_8_kib_are_refused_and_nothing_is_stored() {
    let streams = [Stream { headers: vec!["X-Big".to_owned()], ..keyed("big", None) }];
    let proxy = start(&streams);
    let value = |length: usize| "v".repeat(length - "X-Big".len());
    let fields = [("streamId", "big"), ("body", "x")];
    for (length, fits) in [(MOST, true), (MOST + 1, false), (MOST + 4_000, false)] {
        let value = value(length);
        let code = report(&proxy, "/dataproxy/message", &format!("x-big: {value}\r\n"), &fields);
        assert_eq!(code, if fits { "0" } else { "104" }, "{length}");
        let headers = [JSON, ("x-big", value.as_str())];
        let request = Post { group_id: "g", stream_id: "big", query: "", headers: &headers, body: b"[1,2]" };
        let answer = proxy.exchange(&request.bytes());
        if fits {
            assert_eq!(native::accepted(&answer), 2);
        } else {
            assert_eq!(native::refusal(&answer).0, 431, "{length}");
        }
    }
    assert_eq!(values(&streams[0].topic), ["x", "1", "2"]);
}
