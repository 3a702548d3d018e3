//! What of the node its heartbeats tell.

use std::hash::{DefaultHasher, Hash, Hasher};

use sluice_wire::status::HttpsStatus;

use super::Node;
use crate::catalog::Stream;
use crate::heartbeat::{Now, Subject};
use crate::sink::{Health, Sink};

impl Subject for Node {
    fn now(&self) -> Now {
        let measured = self.load.now();
        Now {
            state: self.state(),
            revision: self.catalog.load().as_ref().map_or(0, |catalog| catalog.revision),
            config_error: self.config.error(),
            load: measured.load,
            band: measured.band,
            changes: 0,
        }
    }

    /// A digest of what `/status` says of sinks, streams and https, counts left out. Streams come in no order, so their digests
    /// are added up.
    fn changes(&self) -> u64 {
        let https =
            self.https.as_ref().and_then(|https| https.status()).map_or(0, |https| digest_of_https(&https));
        let sinks = self.sinks.sinks().iter().map(digest_of_sink).fold(https, u64::wrapping_add);
        let catalog = self.catalog.load();
        let streams = catalog.iter().flat_map(|catalog| catalog.streams());
        streams.map(|stream| digest_of_stream(stream)).fold(sinks, u64::wrapping_add)
    }
}

fn digest_of_https(https: &HttpsStatus) -> u64 {
    digest(&("https", https.ready, https.serving, https.not_after, https.reason, &https.message))
}

fn digest_of_sink((name, sink): &(String, Sink)) -> u64 {
    let status = sink.status(name);
    digest(&("sink", status.name, status.ready, status.reason, status.message))
}

fn digest_of_stream(stream: &Stream) -> u64 {
    let Health { trouble, replicas, min_insync_replicas, notice } = stream.outlet.health();
    let trouble = [trouble, notice].map(|trouble| trouble.map(|trouble| (trouble.reason, trouble.message)));
    let spec = &stream.spec;
    let ids = (&spec.group_id, &spec.stream_id);
    digest(&(ids, trouble, replicas, min_insync_replicas, spec.paused, &stream.mark))
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
