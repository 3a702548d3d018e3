//! Configuration documents for proxies under test.
//! The values are those a test would otherwise repeat; what a test is about, it says itself.

use std::collections::BTreeMap;
use std::path::Path;

use sluice_wire::access::{Listeners, Sources};
use sluice_wire::auth::Auth;
use sluice_wire::document::{
    Document, Drain, FileSink, FleetRef, KafkaSink, MAJOR, Output, Overload, Sink, SinkKind, Split, Stream,
};

/// The default of `maxBodyBytes`.
pub const MAX_BODY: u64 = 64 * 1024;

/// A document of revision 1: 64 MiB in flight, 12,000 connections, no time to notify.
#[must_use]
pub fn document(sinks: Vec<Sink>, streams: Vec<Stream>) -> Document {
    Document {
        major: MAJOR,
        fleet: FleetRef { namespace: "default".into(), name: "test".into(), uid: String::new() },
        revision: 1,
        overload: Overload { max_inflight_bytes: 64 * 1024 * 1024, max_connections: 12_000 },
        groups: BTreeMap::new(),
        drain: Drain { notify_ms: 0 },
        listeners: Listeners::default(),
        sinks,
        streams,
    }
}

/// A plain connection to Kafka, named `kafka`, with the default delivery timeout of 8 s.
#[must_use]
pub fn kafka(bootstrap_servers: &str) -> KafkaSink {
    KafkaSink {
        bootstrap_servers: bootstrap_servers.to_owned(),
        tls: None,
        sasl: None,
        delivery_timeout_ms: 8_000,
        properties: std::collections::BTreeMap::new(),
    }
}

/// A sink over Kafka.
#[must_use]
pub fn kafka_sink(name: &str, kafka: KafkaSink) -> Sink {
    Sink { name: name.to_owned(), kind: SinkKind::Kafka(kafka) }
}

/// A sink over files, 1 GiB at most.
#[must_use]
pub fn file_sink(name: &str, directory: &Path) -> Sink {
    let directory = directory.to_str().expect("a path in UTF-8").to_owned();
    Sink {
        name: name.to_owned(),
        kind: SinkKind::File(FileSink { directory, max_bytes: 1024 * 1024 * 1024 }),
    }
}

/// A stream of the sink named `kafka` or `local`, success code 0, bodies up to [`MAX_BODY`].
#[must_use]
pub fn stream(group_id: &str, stream_id: &str, sink: &str, topic: &str) -> Stream {
    Stream {
        namespace: "default".into(),
        name: format!("{group_id}-{stream_id}").replace('_', "-"),
        uid: String::new(),
        generation: 1,
        group_id: group_id.to_owned(),
        stream_id: stream_id.to_owned(),
        sink: sink.to_owned(),
        topic: topic.to_owned(),
        create: None,
        output: Output::Raw,
        split: Split::Auto,
        key: None,
        headers: Vec::new(),
        success_code: 0,
        max_body_bytes: MAX_BODY,
        records_per_second: None,
        bytes_per_second: None,
        sources: Sources::default(),
        auth: Auth::None,
        paused: false,
    }
}

/// A document of one plain Kafka and the given streams.
#[must_use]
pub fn on_kafka(bootstrap_servers: &str, streams: Vec<Stream>) -> Document {
    document(vec![kafka_sink("kafka", kafka(bootstrap_servers))], streams)
}

/// A document of one stream `g`/`s` into one topic of a plain Kafka.
#[must_use]
pub fn one_stream(bootstrap_servers: &str, topic: &str) -> Document {
    on_kafka(bootstrap_servers, vec![stream("g", "s", "kafka", topic)])
}
