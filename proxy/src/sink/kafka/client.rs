//! The librdkafka configuration of a connection: what the product sets, what the fleet may set, and
//! the Secrets. See `docs/kafka.md` for why each is what it is.

use std::time::Duration;

use rdkafka::ClientConfig;
use sluice_wire::document::KafkaSink;

use super::outcome::RETRY_BACKOFF;
use crate::secrets::{SecretError, Secrets};

/// How long a broker may take over one produce request, in milliseconds, and what part of the delivery timeout at
/// most. All that time it answers nothing else on the connection, and five requests may wait there.
const REQUEST_TIMEOUT_MS: u64 = 800;
const REQUEST_TIMEOUT_PART: u64 = 10;
/// How long a broker may say nothing at all, in milliseconds: longer than five requests one after the other.
const SOCKET_TIMEOUT_MS: u64 = 5_000;
/// Room beside the longest body for key, headers and framing of one record, in bytes.
pub(crate) const RECORD_ROOM: u64 = 64 << 10;

/// What a connection's queue must hold, from the node's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The node's budget of bytes in flight.
    pub inflight_bytes: u64,
    /// The longest body any stream takes, in bytes.
    pub longest_body: u64,
}

/// Properties that both producers and the topic checks connect with.
pub(super) fn connect(sink: &KafkaSink, secrets: &Secrets) -> Result<ClientConfig, SecretError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &sink.bootstrap_servers)
        .set("client.id", "sluice-proxy")
        .set("allow.auto.create.topics", "false")
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", SOCKET_TIMEOUT_MS.to_string())
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        .set("log.connection.close", "false");
    for (name, value) in &sink.properties {
        config.set(name, value);
    }
    let protocol = match (&sink.tls, &sink.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &sink.tls {
        match &tls.ca_secret {
            Some(secret) => config.set("ssl.ca.pem", secrets.text(secret, "ca.crt")?),
            None => config.set("ssl.ca.location", "probe"),
        };
        if let Some(secret) = &tls.cert_secret {
            config.set("ssl.certificate.pem", secrets.text(secret, "tls.crt")?);
            config.set("ssl.key.pem", secrets.text(secret, "tls.key")?);
        }
    }
    if let Some(sasl) = &sink.sasl {
        config.set("sasl.mechanisms", sasl.mechanism.name());
        config.set("sasl.username", secrets.text(&sasl.secret, "username")?);
        config.set("sasl.password", secrets.text(&sasl.secret, "password")?);
    }
    Ok(config)
}

/// How long a record may wait for others to be sent with, as the fleet says.
pub(super) fn linger(sink: &KafkaSink) -> Duration {
    let millis = sink.properties.get("linger.ms").and_then(|linger| linger.parse::<f64>().ok());
    Duration::try_from_secs_f64(millis.unwrap_or(1.0) / 1_000.0).unwrap_or_default()
}

/// How long a broker may take over one produce request.
pub(super) fn request_timeout(sink: &KafkaSink) -> Duration {
    Duration::from_millis(REQUEST_TIMEOUT_MS.min(sink.delivery_timeout_ms / REQUEST_TIMEOUT_PART).max(1))
}

/// How many records a producer's queue holds at most. Every record is charged at least `MESSAGE_OVERHEAD`, so this lies
/// above what the budget admits and the queue never fills.
pub(super) fn queue_records(capacity: Capacity) -> u64 {
    (capacity.inflight_bytes / crate::sink::MESSAGE_OVERHEAD + 1_024).min(10_000_000)
}

/// The producer's properties on top of [`connect`]'s. `batch_bytes` bounds a batch of several records.
pub(super) fn producer(
    mut config: ClientConfig,
    sink: &KafkaSink,
    capacity: Capacity,
    batch_bytes: usize,
) -> ClientConfig {
    let timeout = sink.delivery_timeout_ms;
    // Above what the budget admits too.
    let kbytes = (capacity.inflight_bytes / 1_024 + RECORD_ROOM).min(2_097_151);
    let longest = (capacity.longest_body + RECORD_ROOM).clamp(1_000, 1_000_000_000);
    if !sink.properties.contains_key("linger.ms") {
        config.set("linger.ms", "1");
    }
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", timeout.to_string())
        .set("request.timeout.ms", request_timeout(sink).as_millis().to_string())
        .set("message.max.bytes", longest.to_string())
        .set("batch.size", batch_bytes.to_string())
        .set("sticky.partitioning.linger.ms", "10")
        .set("retry.backoff.ms", RETRY_BACKOFF.as_millis().to_string())
        .set("queue.buffering.max.messages", queue_records(capacity).to_string())
        .set("queue.buffering.max.kbytes", kbytes.to_string());
    config
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluice_wire::document::{Sasl, SaslMechanism, Tls};

    use super::*;

    fn sink() -> KafkaSink {
        KafkaSink {
            bootstrap_servers: "broker:9092".to_owned(),
            tls: None,
            sasl: None,
            delivery_timeout_ms: 8_000,
            properties: BTreeMap::new(),
        }
    }

    const CAPACITY: Capacity = Capacity { inflight_bytes: 64 << 20, longest_body: 64 << 10 };

    fn built(sink: &KafkaSink) -> ClientConfig {
        producer(connect(sink, &Secrets::default()).unwrap(), sink, CAPACITY, 1_000_000)
    }

    #[test]
    fn librdkafka_takes_what_is_set() {
        built(&sink()).create_native_config().unwrap();
    }

    #[test]
    fn the_fleet_may_set_linger_and_nothing_of_the_guarantees() {
        let mut slow = sink();
        slow.properties.insert("linger.ms".to_owned(), "20".to_owned());
        slow.properties.insert("acks".to_owned(), "0".to_owned());
        let config = built(&slow);
        assert_eq!(config.get("linger.ms"), Some("20"));
        assert_eq!(config.get("acks"), Some("all"));
    }

    #[test]
    fn one_topic_can_not_hold_a_connection_until_others_time_out() {
        for timeout in [1_000, 3_000, 8_000, 60_000] {
            let sink = KafkaSink { delivery_timeout_ms: timeout, ..sink() };
            let hold = request_timeout(&sink) * 5;
            assert!(hold <= Duration::from_millis(timeout) / 2, "{timeout}");
            assert!(hold < Duration::from_millis(SOCKET_TIMEOUT_MS), "{timeout}");
        }
    }

    #[test]
    fn each_producers_queue_lies_above_what_the_budget_admits() {
        for inflight_bytes in [1 << 20, 64 << 20, 1 << 30] {
            let config = producer(
                connect(&sink(), &Secrets::default()).unwrap(),
                &sink(),
                Capacity { inflight_bytes, longest_body: 20 << 20 },
                1_000_000,
            );
            let number = |key| config.get(key).unwrap().parse::<u64>().unwrap();
            // A message is charged its bytes and 1 KiB, so both bounds are above all that are admitted at once.
            assert!(number("queue.buffering.max.messages") > inflight_bytes / crate::sink::MESSAGE_OVERHEAD);
            assert!(number("queue.buffering.max.kbytes") > inflight_bytes / 1_024);
        }
    }

    #[test]
    fn a_missing_secret_is_named() {
        let mut secure = sink();
        secure.tls = Some(Tls { ca_secret: None, cert_secret: None });
        secure.sasl = Some(Sasl { mechanism: SaslMechanism::Plain, secret: "login".to_owned() });
        let error = connect(&secure, &Secrets::default()).unwrap_err();
        assert!(error.to_string().contains("login"), "{error}");
    }
}
