//! Checks a document whole. Pure: it opens nothing and connects to nothing.

use std::collections::HashSet;
use std::fmt;

use sluice_wire::document::{Document, MAJOR, Sink, SinkKind, Stream};

use crate::catalog::longest_form;
use crate::sink::kafka;

/// The largest `maxBodyBytes`.
const MAX_BODY: u64 = 20 << 20;
/// Delivery timeouts taken, in milliseconds.
const DELIVERY_TIMEOUT: std::ops::RangeInclusive<u64> = 1_000..=60_000;
/// The longest an id or a name may be.
const MAX_ID: usize = 100;
/// The longest name of a topic Kafka takes.
const MAX_TOPIC: usize = 249;

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as a path from the document's root.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl std::error::Error for Problem {}

fn wrong<T>(place: impl Into<String>, reason: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { place: place.into(), reason: reason.into() })
}

/// Checks a document.
///
/// # Errors
/// The first [`Problem`] in the document's order.
pub fn check(document: &Document) -> Result<(), Problem> {
    if document.major != MAJOR {
        return wrong("major", format!("this proxy reads form {MAJOR}, not {}", document.major));
    }
    if document.overload.max_inflight_bytes == 0 {
        return wrong("overload.maxInflightBytes", "must be at least 1");
    }
    if document.overload.max_connections == 0 {
        return wrong("overload.maxConnections", "must be at least 1");
    }
    check_sinks(&document.sinks)?;
    let mut seen = HashSet::new();
    for (index, stream) in document.streams.iter().enumerate() {
        let place = format!("streams[{index}]");
        check_stream(&place, stream, document)?;
        if !seen.insert((&stream.group_id, &stream.stream_id)) {
            let ids = format!("{}/{}", stream.group_id, stream.stream_id);
            return wrong(place, format!("groupId and streamId {ids} stand in another stream too"));
        }
    }
    Ok(())
}

fn check_sinks(sinks: &[Sink]) -> Result<(), Problem> {
    let (mut names, mut directories) = (HashSet::new(), HashSet::new());
    for (index, sink) in sinks.iter().enumerate() {
        let place = format!("sinks[{index}]");
        if sink.name.is_empty() || !names.insert(&sink.name) {
            return wrong(format!("{place}.name"), "must be there and unique");
        }
        match &sink.kind {
            SinkKind::Kafka(kafka) => {
                if kafka.bootstrap_servers.trim().is_empty() {
                    return wrong(format!("{place}.kafka.bootstrapServers"), "must name a broker");
                }
                if !DELIVERY_TIMEOUT.contains(&kafka.delivery_timeout_ms) {
                    return wrong(format!("{place}.kafka.deliveryTimeoutMs"), "must be 1000 to 60000");
                }
                if let Err(error) = kafka::check_properties(&kafka.properties) {
                    return wrong(format!("{place}.kafka.properties"), error.to_string());
                }
                let linger = kafka.properties.get("linger.ms").and_then(|linger| linger.parse::<f64>().ok());
                if linger.is_some_and(|linger| linger >= kafka.delivery_timeout_ms as f64) {
                    let reason = "\"linger.ms\" must be less than the delivery timeout";
                    return wrong(format!("{place}.kafka.properties"), reason);
                }
                let tls = kafka.tls.iter().flat_map(|tls| [&tls.ca_secret, &tls.cert_secret]).flatten();
                for secret in tls.chain(kafka.sasl.iter().map(|sasl| &sasl.secret)) {
                    if !is_file_name(secret) {
                        return wrong(
                            format!("{place}.kafka"),
                            format!("{secret:?} can't be the name of a Secret"),
                        );
                    }
                }
            }
            SinkKind::File(file) => {
                if file.directory.is_empty() || !directories.insert(&file.directory) {
                    return wrong(format!("{place}.file.directory"), "must be there and unique");
                }
            }
        }
    }
    Ok(())
}

fn check_stream(place: &str, stream: &Stream, document: &Document) -> Result<(), Problem> {
    let field = |name: &str| format!("{place}.{name}");
    for (name, id) in [("groupId", &stream.group_id), ("streamId", &stream.stream_id)] {
        if id.len() > MAX_ID || !is_file_name(id) {
            return wrong(
                field(name),
                format!("{id:?} must be 1 to {MAX_ID} of A-Z a-z 0-9 _ . - and begin with a letter or digit"),
            );
        }
    }
    let Some(sink) = document.sinks.iter().find(|sink| sink.name == stream.sink) else {
        return wrong(field("sink"), format!("there is no sink {:?}", stream.sink));
    };
    if matches!(sink.kind, SinkKind::Kafka(_)) && !is_topic(&stream.topic) {
        return wrong(
            field("topic"),
            format!("{:?} can't be the name of a topic, or is one of Kafka's own", stream.topic),
        );
    }
    if stream.success_code > 1 {
        return wrong(field("successCode"), "must be 0 or 1");
    }
    if !(1..=MAX_BODY).contains(&stream.max_body_bytes) {
        return wrong(field("maxBodyBytes"), format!("must be 1 to {MAX_BODY}"));
    }
    let budget = document.overload.max_inflight_bytes;
    if longest_form(stream.max_body_bytes) > budget {
        return wrong(
            field("maxBodyBytes"),
            format!(
                "an encoded report may take {} bytes, more than overload.maxInflightBytes ({budget})",
                longest_form(stream.max_body_bytes)
            ),
        );
    }
    Ok(())
}

/// Letters, digits, `_`, `.` and `-`, beginning with a letter or digit: safe as part of a path.
fn is_file_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.bytes().all(allowed) && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

fn is_topic(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_TOPIC).contains(&name.len())
        && name.bytes().all(allowed)
        && !matches!(name, "." | "..")
        && !name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> serde_json::Value {
        serde_json::json!({
            "major": 1, "revision": 1,
            "fleet": {"namespace": "default", "name": "main"},
            "overload": {"maxInflightBytes": 67_108_864, "maxConnections": 10},
            "drain": {"notifyMs": 0},
            "sinks": [
                {"name": "kafka", "kafka": {"bootstrapServers": "b:9092", "deliveryTimeoutMs": 8000,
                    "properties": {}, "sasl": {"mechanism": "PLAIN", "secret": "login"}}},
                {"name": "local", "file": {"directory": "data", "maxBytes": 1}}
            ],
            "streams": [{"namespace": "shop", "name": "orders", "groupId": "shop", "streamId": "orders",
                "sink": "kafka", "topic": "shop.orders", "output": "Raw", "successCode": 0,
                "maxBodyBytes": 65_536}]
        })
    }

    #[test]
    fn a_good_document_passes() {
        assert_eq!(check(&serde_json::from_value(document()).unwrap()), Ok(()));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let stream = document()["streams"][0].clone();
        let cases: [(&str, serde_json::Value, &str); 18] = [
            ("/major", 2.into(), "major"),
            ("/overload/maxInflightBytes", 0.into(), "overload.maxInflightBytes"),
            ("/overload/maxConnections", 0.into(), "overload.maxConnections"),
            ("/sinks/0/kafka/bootstrapServers", " ".into(), "sinks[0].kafka.bootstrapServers"),
            ("/sinks/0/kafka/deliveryTimeoutMs", 10.into(), "sinks[0].kafka.deliveryTimeoutMs"),
            ("/sinks/0/kafka/properties", serde_json::json!({"acks": "0"}), "sinks[0].kafka.properties"),
            (
                "/sinks/0/kafka/properties",
                serde_json::json!({"linger.ms": "8000"}),
                "sinks[0].kafka.properties",
            ),
            ("/sinks/0/kafka/sasl/secret", "../x".into(), "sinks[0].kafka"),
            ("/sinks/1/name", "kafka".into(), "sinks[1].name"),
            ("/sinks/1/file/directory", "".into(), "sinks[1].file.directory"),
            ("/streams/0/groupId", "../x".into(), "streams[0].groupId"),
            ("/streams/0/streamId", "".into(), "streams[0].streamId"),
            ("/streams/0/topic", "__consumer_offsets".into(), "streams[0].topic"),
            ("/streams/0/sink", "none".into(), "streams[0].sink"),
            ("/streams/0/successCode", 2.into(), "streams[0].successCode"),
            ("/streams/0/maxBodyBytes", 0.into(), "streams[0].maxBodyBytes"),
            ("/overload/maxInflightBytes", 200_000.into(), "streams[0].maxBodyBytes"),
            ("/streams", serde_json::json!([stream.clone(), stream]), "streams[1]"),
        ];
        for (pointer, value, place) in cases {
            let mut odd = document();
            *odd.pointer_mut(pointer).unwrap() = value;
            let problem = check(&serde_json::from_value(odd).unwrap()).unwrap_err();
            assert_eq!(problem.place, place, "{problem}");
            assert!(!problem.reason.is_empty());
        }
    }
}
