//! CloudEvents against their own SDK: it sends in every mode of HTTP, and reads from Kafka what the proxy stored,
//! its own events and those that the proxy made of plain records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sluice_tests::document::{on_kafka, stream};
use sluice_tests::formats::bytes;
use sluice_tests::native;
use sluice_tests::proxy::Proxy;
use sluice_wire::document::{Output, Stream};

use crate::support::{formats as library, kafka as kafka_address, topic};

fn start(prefix: &str) -> (Proxy, String) {
    let topic = topic(prefix);
    let events = Stream { output: Output::CloudEvents, ..stream("g", "s", "kafka", &topic) };
    (Proxy::start(&on_kafka(&kafka_address(), vec![events])), topic)
}

/// The events of a topic as the SDK reads them.
fn consume(topic: &str) -> Vec<Value> {
    let answer = library().ask(&json!({"do": "consume", "servers": kafka_address(), "topic": topic}));
    answer["events"].as_array().unwrap().clone()
}

/// Events of every kind of data, with attributes and extensions of every type; `text` stands in some of them.
fn events(text: &str) -> Vec<Value> {
    let data = |bytes: &[u8]| STANDARD.encode(bytes);
    let png: Vec<u8> = (0..=255).collect();
    vec![
        json!({"id": "1", "source": "/shop", "type": "dev.shop.placed", "subject": text,
            "time": "2026-11-21T09:00:00.500Z", "datacontenttype": "application/json",
            "dataschema": "http://127.0.0.1/schema", "partitionkey": "p-1", "count": 7, "final": true,
            "data": data(format!("{{\"text\":\"{text}\",\"n\":[1,2]}}").as_bytes())}),
        json!({"id": "2", "source": "urn:shop:7", "type": "t", "datacontenttype": "text/plain",
            "data": data(format!("line\n{text}").as_bytes())}),
        json!({"id": "3", "source": "/s", "type": "t", "datacontenttype": "image/png", "data": data(&png)}),
        json!({"id": "4", "source": "/s", "type": "t", "traceparent": "00-1-2-01"}),
    ]
}

/// What the SDK says of such an event when it reads it.
fn described(event: &Value) -> Value {
    let (mut attributes, mut extensions) = (Map::new(), Map::new());
    attributes.insert("specversion".to_owned(), "1.0".into());
    for (name, value) in event.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match name.as_str() {
            "data" => {}
            "id" | "source" | "type" | "subject" | "time" | "datacontenttype" | "dataschema" => {
                attributes.insert(name.clone(), text.into());
            }
            _ => drop(extensions.insert(name.clone(), text.into())),
        }
    }
    let key = event.get("partitionkey").and_then(Value::as_str).map(|key| STANDARD.encode(key));
    json!({"key": key, "attributes": attributes, "extensions": extensions,
        "data": event.get("data").cloned().unwrap_or(Value::Null)})
}

#[test]
fn events_that_the_sdk_sends_are_those_that_it_reads() {
    // The SDK writes header values as they are, so that binary mode takes ASCII only.
    for (mode, text, requests) in
        [("structured", "\u{4e2d}\u{1f600}", 4), ("batch", "\u{e9}\u{1f600}", 1), ("binary", "ascii", 4)]
    {
        let (proxy, topic) = start(mode);
        let events = events(text);
        let url = format!("http://{}/v1/groups/g/streams/s/records", proxy.http());
        let answer = library().ask(&json!({"do": "send", "mode": mode, "url": url, "events": events}));
        assert_eq!(answer["statuses"], Value::from(vec![200; requests]), "{mode}: {answer}");
        let expected: Vec<_> = events.iter().map(described).collect();
        assert_eq!(consume(&topic), expected, "{mode}");
    }
}

#[test]
fn the_sdk_reads_plain_records_as_events_of_their_own() {
    let (proxy, topic) = start("made");
    assert_eq!(proxy.exchange(&native::to_stream("s", "application/json", b"[{\"a\": 1.0},2]")).status, 200);
    assert_eq!(proxy.exchange(&native::to_stream("s", "text/plain", "\u{1f600}".as_bytes())).status, 200);
    assert_eq!(proxy.exchange(&native::to_stream("s", "application/octet-stream", &[0xff, 0])).status, 200);
    assert_eq!(proxy.report("g", "s", "of a form").0, "0");
    let expected: [(Option<&str>, &[u8]); 5] = [
        (Some("application/json"), b"{\"a\": 1.0}"),
        (Some("application/json"), b"2"),
        (Some("text/plain"), "\u{1f600}".as_bytes()),
        (Some("application/octet-stream"), &[0xff, 0]),
        (None, b"of a form"),
    ];
    let found = consume(&topic);
    assert_eq!(found.len(), expected.len());
    let mut ids = Vec::new();
    for (event, (content_type, data)) in found.iter().zip(expected) {
        let attributes = &event["attributes"];
        assert_eq!(bytes(&event["data"]), data);
        assert_eq!(attributes.get("datacontenttype").and_then(Value::as_str), content_type);
        assert_eq!(attributes["source"], "/groups/g/streams/s");
        assert_eq!(attributes["type"], "dev.sluice.record");
        assert!(attributes["time"].is_string(), "{event}");
        assert_eq!(event["extensions"], json!({}));
        ids.push(attributes["id"].as_str().unwrap());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), expected.len(), "no two have one id");
}
