//! Makes a fleet's configuration document, the list of its nodes and its Kubernetes objects out of what is in effect.
//! It is pure and decides nothing: every choice was made when the fleet was resolved.

mod access;
pub mod discovery;
pub mod objects;
mod record;

use std::collections::BTreeMap;

use sluice_crds::sink;
use sluice_crds::stream::CreateTopic;
use sluice_wire::document as wire;

use crate::resolve::{ResolvedFleet, ResolvedStream};

/// The document of `fleet` at `revision`. Equal fleets give equal documents.
#[must_use]
pub fn document(fleet: &ResolvedFleet, revision: u64) -> wire::Document {
    wire::Document {
        major: wire::MAJOR,
        fleet: wire::FleetRef {
            namespace: fleet.namespace.clone(),
            name: fleet.name.clone(),
            uid: fleet.uid.clone(),
        },
        revision,
        groups: BTreeMap::new(),
        overload: wire::Overload {
            max_inflight_bytes: fleet.spec.overload.max_inflight_bytes.bytes(),
            max_connections: fleet.spec.overload.max_connections,
        },
        drain: wire::Drain { notify_ms: fleet.spec.drain.notify.millis() },
        listeners: access::listeners(&fleet.spec.listeners, fleet.token_keys.as_ref()),
        sinks: fleet.spec.sinks.iter().filter_map(sink).collect(),
        streams: fleet.streams.iter().map(stream).collect(),
    }
}

/// A rule keeps sinks to exactly one kind; one without any has nothing to be built.
fn sink(sink: &sink::Sink) -> Option<wire::Sink> {
    let kind = match (&sink.kafka, &sink.file) {
        (Some(kafka), _) => wire::SinkKind::Kafka(self::kafka(kafka)),
        (None, Some(file)) => wire::SinkKind::File(wire::FileSink {
            directory: file.directory.clone(),
            max_bytes: file.max_bytes.bytes(),
        }),
        (None, None) => return None,
    };
    Some(wire::Sink { name: sink.name.clone(), kind })
}

fn kafka(kafka: &sink::Kafka) -> wire::KafkaSink {
    wire::KafkaSink {
        bootstrap_servers: kafka.bootstrap_servers.clone(),
        tls: kafka
            .tls
            .as_ref()
            .map(|tls| wire::Tls { ca_secret: tls.ca_secret.clone(), cert_secret: tls.cert_secret.clone() }),
        sasl: kafka
            .sasl
            .as_ref()
            .map(|sasl| wire::Sasl { mechanism: mechanism(sasl.mechanism), secret: sasl.secret.clone() }),
        delivery_timeout_ms: kafka.delivery_timeout.millis(),
        properties: kafka.properties.clone(),
    }
}

const fn mechanism(mechanism: sink::SaslMechanism) -> wire::SaslMechanism {
    match mechanism {
        sink::SaslMechanism::Plain => wire::SaslMechanism::Plain,
        sink::SaslMechanism::ScramSha256 => wire::SaslMechanism::ScramSha256,
        sink::SaslMechanism::ScramSha512 => wire::SaslMechanism::ScramSha512,
    }
}

fn stream(stream: &ResolvedStream) -> wire::Stream {
    wire::Stream {
        namespace: stream.namespace.clone(),
        name: stream.name.clone(),
        uid: stream.uid.clone(),
        generation: stream.generation,
        group_id: stream.group_id.clone(),
        stream_id: stream.stream_id.clone(),
        sink: stream.sink.clone(),
        topic: stream.topic.clone(),
        create: stream.create.as_ref().map(create),
        output: record::output(stream.output, stream.compression),
        split: record::split(stream.split),
        key: stream.key.as_ref().and_then(record::key),
        headers: stream.headers.clone(),
        success_code: stream.success_code,
        max_body_bytes: stream.max_body_bytes,
        records_per_second: stream.records_per_second,
        bytes_per_second: stream.bytes_per_second,
        sources: access::sources(&stream.sources),
        auth: stream.auth.clone(),
        paused: stream.paused,
    }
}

fn create(create: &CreateTopic) -> wire::CreateTopic {
    wire::CreateTopic {
        partitions: create.partitions,
        replicas: create.replicas,
        config: create.config.clone(),
    }
}

#[cfg(test)]
mod tests;
