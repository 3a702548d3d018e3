//! `--kafka`: one Kafka in place of a fleet's sinks, for trying a directory against a real broker.
//! It changes a document that is otherwise valid; resources stay as they are written.

use sluice_wire::document::{CreateTopic, Document, KafkaSink, Sink, SinkKind};

/// The delivery timeout of the default sink, in milliseconds.
const DELIVERY_TIMEOUT_MS: u64 = 8_000;

/// Puts every stream's records into `address`, by a sink that has the name of the first, and has topics made.
pub(super) fn replace_sinks(document: &mut Document, address: &str) {
    let Some(first) = document.sinks.first() else { return };
    let name = first.name.clone();
    for stream in &mut document.streams {
        stream.sink.clone_from(&name);
        stream.create.get_or_insert_with(CreateTopic::default);
    }
    let kafka = KafkaSink {
        bootstrap_servers: address.to_owned(),
        tls: None,
        sasl: None,
        delivery_timeout_ms: DELIVERY_TIMEOUT_MS,
        properties: std::collections::BTreeMap::new(),
    };
    document.sinks = vec![Sink { name, kind: SinkKind::Kafka(kafka) }];
}
