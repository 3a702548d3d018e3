//! Checks a document whole. Pure: it opens nothing and connects to nothing.

mod stream;

use std::collections::HashSet;
use std::fmt;

use sluice_wire::access::{Listeners, MAX_CIDRS};
use sluice_wire::document::{Document, MAJOR, Sink, SinkKind};

use crate::sink::kafka;

/// Delivery timeouts taken, in milliseconds.
const DELIVERY_TIMEOUT: std::ops::RangeInclusive<u64> = 1_000..=60_000;

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
    check_listeners(&document.listeners)?;
    check_sinks(&document.sinks)?;
    let mut seen = HashSet::new();
    for (index, stream) in document.streams.iter().enumerate() {
        let place = format!("streams[{index}]");
        stream::check(&place, stream, document)?;
        if !seen.insert((&stream.group_id, &stream.stream_id)) {
            let ids = format!("{}/{}", stream.group_id, stream.stream_id);
            return wrong(place, format!("groupId and streamId {ids} stand in another stream too"));
        }
    }
    Ok(())
}

fn check_listeners(listeners: &Listeners) -> Result<(), Problem> {
    if listeners.trusted_proxies.len() > MAX_CIDRS {
        return wrong("listeners.trustedProxies", format!("must be at most {MAX_CIDRS}"));
    }
    let mut secrets = listeners.https.iter().flat_map(|https| https.secrets());
    match secrets.find(|secret| !is_file_name(secret)) {
        Some(secret) => wrong("listeners.https", format!("{secret:?} can't be the name of a Secret")),
        None => Ok(()),
    }
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

/// Letters, digits, `_`, `.` and `-`, beginning with a letter or digit: safe as part of a path.
fn is_file_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.bytes().all(allowed) && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_wire::document::MAX_HEADERS;

    use super::*;

    fn document() -> Value {
        json!({
            "major": 1, "revision": 1,
            "fleet": {"namespace": "default", "name": "main"},
            "overload": {"maxInflightBytes": 67_108_864, "maxConnections": 10},
            "drain": {"notifyMs": 0},
            "listeners": {
                "https": {"secret": "own", "clientCaSecret": "clients.ca"}, "trustedProxies": ["10.0.0.0/8"]
            },
            "sinks": [
                {"name": "kafka", "kafka": {"bootstrapServers": "b:9092", "deliveryTimeoutMs": 8000,
                    "properties": {}, "sasl": {"mechanism": "PLAIN", "secret": "login"}}},
                {"name": "local", "file": {"directory": "data", "maxBytes": 1}}
            ],
            "streams": [{"namespace": "shop", "name": "orders", "groupId": "shop", "streamId": "orders",
                "sink": "kafka", "topic": "shop.orders", "output": "Raw", "successCode": 0,
                "key": {"fromJson": "/id"}, "headers": ["X-Tenant"], "maxBodyBytes": 65_536,
                "recordsPerSecond": 1_000_000_000, "bytesPerSecond": 17_592_186_044_416_u64,
                "sources": {"allow": ["10.0.0.0/8"], "deny": ["fd00::/8"], "clientNames": ["*.shop.svc"]}}]
        })
    }

    #[test]
    fn a_good_document_passes() {
        assert_eq!(check(&serde_json::from_value(document()).unwrap()), Ok(()));
    }

    #[test]
    fn a_stream_at_its_bounds_passes() {
        let most: Vec<String> = (0..MAX_HEADERS).map(|n| format!("{n:0>128}")).collect();
        for (pointer, value) in [
            ("/streams/0/key", json!({"fromParameter": "a".repeat(64)})),
            ("/streams/0/key", json!({"fromHeader": "a".repeat(128)})),
            ("/streams/0/key", json!({"fromJson": ""})),
            ("/streams/0/key", json!(null)),
            ("/streams/0/headers", most.into()),
            ("/streams/0/recordsPerSecond", 1.into()),
            ("/streams/0/bytesPerSecond", 1_024.into()),
            ("/streams/0/bytesPerSecond", json!(null)),
        ] {
            let mut edge = document();
            *edge.pointer_mut(pointer).unwrap() = value;
            assert_eq!(check(&serde_json::from_value(edge).unwrap()), Ok(()), "{pointer}");
        }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let stream = document()["streams"][0].clone();
        let too_many: Vec<String> = (0..=MAX_HEADERS).map(|n| n.to_string()).collect();
        let cases: [(&str, Value, &str); 42] = [
            ("/major", 2.into(), "major"),
            ("/overload/maxInflightBytes", 0.into(), "overload.maxInflightBytes"),
            ("/overload/maxConnections", 0.into(), "overload.maxConnections"),
            ("/sinks/0/kafka/bootstrapServers", " ".into(), "sinks[0].kafka.bootstrapServers"),
            ("/sinks/0/kafka/deliveryTimeoutMs", 10.into(), "sinks[0].kafka.deliveryTimeoutMs"),
            ("/sinks/0/kafka/properties", json!({"acks": "0"}), "sinks[0].kafka.properties"),
            ("/sinks/0/kafka/properties", json!({"linger.ms": "8000"}), "sinks[0].kafka.properties"),
            ("/sinks/0/kafka/sasl/secret", "../x".into(), "sinks[0].kafka"),
            ("/sinks/1/name", "kafka".into(), "sinks[1].name"),
            ("/sinks/1/file/directory", "".into(), "sinks[1].file.directory"),
            ("/streams/0/groupId", "../x".into(), "streams[0].groupId"),
            ("/streams/0/streamId", "".into(), "streams[0].streamId"),
            ("/streams/0/topic", "__consumer_offsets".into(), "streams[0].topic"),
            ("/streams/0/sink", "none".into(), "streams[0].sink"),
            ("/streams/0/key", json!({"fromParameter": "body"}), "streams[0].key.fromParameter"),
            ("/streams/0/key", json!({"fromParameter": "a b"}), "streams[0].key.fromParameter"),
            ("/streams/0/key", json!({"fromHeader": "Cookie"}), "streams[0].key.fromHeader"),
            ("/streams/0/key", json!({"fromHeader": "a:"}), "streams[0].key.fromHeader"),
            ("/streams/0/key", json!({"fromJson": "id"}), "streams[0].key.fromJson"),
            ("/streams/0/headers", too_many.into(), "streams[0].headers"),
            ("/streams/0/headers", json!(["a", "a b"]), "streams[0].headers[1]"),
            ("/streams/0/headers", json!(["a".repeat(129)]), "streams[0].headers[0]"),
            ("/streams/0/headers", json!(["srcIp"]), "streams[0].headers[0]"),
            ("/streams/0/headers", json!(["Ce-Id"]), "streams[0].headers[0]"),
            ("/streams/0/headers", json!(["Authorization"]), "streams[0].headers[0]"),
            ("/streams/0/headers", json!(["a", "b", "A"]), "streams[0].headers[2]"),
            ("/listeners/trustedProxies", json!(vec!["10.0.0.0/8"; 65]), "listeners.trustedProxies"),
            ("/listeners/https/secret", "../own".into(), "listeners.https"),
            ("/listeners/https/clientCaSecret", "".into(), "listeners.https"),
            ("/streams/0/sources/allow", json!(vec!["10.0.0.0/8"; 65]), "streams[0].sources.allow"),
            ("/streams/0/sources/deny", json!(vec!["10.0.0.0/8"; 65]), "streams[0].sources.deny"),
            ("/streams/0/sources/clientNames", json!(vec!["a"; 65]), "streams[0].sources.clientNames"),
            (
                "/streams/0/sources/clientNames",
                json!(["a", "a".repeat(254)]),
                "streams[0].sources.clientNames[1]",
            ),
            ("/streams/0/sources/clientNames", json!([""]), "streams[0].sources.clientNames[0]"),
            ("/streams/0/recordsPerSecond", 0.into(), "streams[0].recordsPerSecond"),
            ("/streams/0/recordsPerSecond", 1_000_000_001.into(), "streams[0].recordsPerSecond"),
            ("/streams/0/bytesPerSecond", 1_023.into(), "streams[0].bytesPerSecond"),
            ("/streams/0/bytesPerSecond", 17_592_186_044_417_u64.into(), "streams[0].bytesPerSecond"),
            ("/streams/0/successCode", 2.into(), "streams[0].successCode"),
            ("/streams/0/maxBodyBytes", 0.into(), "streams[0].maxBodyBytes"),
            ("/overload/maxInflightBytes", 200_000.into(), "streams[0].maxBodyBytes"),
            ("/streams", json!([stream.clone(), stream]), "streams[1]"),
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
