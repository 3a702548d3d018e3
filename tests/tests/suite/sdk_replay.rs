//! The report requests that InLong's Java SDK 2.4.0 sends, byte for byte (`fixtures/sdk-http`).
//! Each is answered with success, and its records lie in Kafka as the SDK's user gave them.

use std::path::PathBuf;
use std::time::Duration;

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::http::{Answer, Connection};
use sluice_tests::kafka;
use sluice_tests::paths::fixture;
use sluice_tests::proxy::Proxy;

use crate::support::{kafka as kafka_address, topic};

/// The requests in the order in which they were captured.
pub(crate) fn captured() -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(fixture("sdk-http")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A document for all groups and streams of the captures, all into one topic.
pub(crate) fn captured_streams(topic: &str) -> sluice_wire::document::Document {
    let of_g_test = [
        "s_ok",
        "s_int",
        "s_one",
        "s_ok_text",
        "s_extra",
        "s_118",
        "s_nomsg",
        "s_nocode",
        "s_blank",
        "s_notjson",
        "s_201",
        "s_204",
        "s_307",
        "s_429",
        "s_chunk",
        "s_drop",
        "s_503",
    ];
    let mut streams: Vec<_> = of_g_test.iter().map(|id| stream("g_test", id, "kafka", topic)).collect();
    streams.push(stream("g_min", "s_ok", "kafka", topic));
    streams.push(stream("g_text", "s_ok", "kafka", topic));
    on_kafka(&kafka_address(), streams)
}

/// The records that a captured request holds, by the contract's splitting.
pub(crate) fn records_of(request: &[u8]) -> Vec<&'static str> {
    let text = std::str::from_utf8(request).unwrap();
    let body = text.rsplit_once("&body=").unwrap().1.split('&').next().unwrap();
    match body {
        "hello+world" => vec!["hello world"],
        "a%3Db%26c+d%2Be%25%E4%B8%AD%E6%96%87%F0%9F%98%80%09%7C%22%27%7E*" => {
            vec!["a=b&c d+e%\u{4e2d}\u{6587}\u{1f600}\t|\"'~*"]
        }
        "one%0Atwo%0Athree%0Afour" => vec!["one", "two", "three", "four"],
        "one%7Ctwo" => vec!["one", "two"],
        "x" => vec!["x"],
        "k0" => vec!["k0"],
        "k1" => vec!["k1"],
        "k2" => vec!["k2"],
        other => panic!("a capture with an unknown body: {other}"),
    }
}

/// Whether the SDK takes the answer for a success.
pub(crate) fn is_success(answer: &Answer) -> bool {
    answer.status == 200 && answer.lenient_code().as_deref() == Some("0")
}

#[test]
fn every_captured_request_is_stored_as_the_sdk_meant_it() {
    let topic = topic("sdk");
    let proxy = Proxy::start(&captured_streams(&topic));
    let requests = captured();
    assert_eq!(requests.len(), 27);
    let mut expected = Vec::new();
    for request in &requests {
        let mut connection = Connection::open(proxy.http());
        connection.send(request);
        let answer = connection.answer();
        assert!(is_success(&answer), "{answer:?} to {}", String::from_utf8_lossy(request));
        assert!(connection.closed_within(Duration::from_secs(5)).is_some(), "the SDK asked to close");
        expected.extend(records_of(request));
    }
    let stored = kafka::read(&kafka_address(), &topic);
    let values: Vec<_> = stored.iter().map(|record| std::str::from_utf8(&record.value).unwrap()).collect();
    assert_eq!(values, expected);
    assert!(stored.iter().all(|record| record.headers["dt"] == "1700000000123"));
    assert!(stored.iter().all(|record| record.headers["srcIp"] == "127.0.0.1"));
}
