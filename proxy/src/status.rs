//! What the node says of itself, put together from its parts.

mod identity;
mod told;

use std::sync::{Arc, Mutex, PoisonError};

use sluice_wire::document::Stream as Spec;
use sluice_wire::status::{Books, NodeState, NodeStatus, SinkStatus, StreamBooks, StreamStatus};

use crate::admit::{Budget, Gate};
use crate::catalog::{Catalog, Current, Stream};
use crate::config::ConfigState;
use crate::counters::StreamCounters;
use crate::heartbeat::HeartbeatCounts;
use crate::https::Https;
use crate::intake::NodeCounters;
use crate::lifecycle::Lifecycle;
use crate::load::{Filling, Load, Part};
use crate::sink::{Sink, SinkSet};
use crate::telemetry::Tracing;
use crate::telemetry::refusals::Answered;

pub use identity::Identity;

/// The running sinks, seen from outside their owner.
#[derive(Clone, Debug, Default)]
pub struct SinkView(Arc<Mutex<Vec<(String, Sink)>>>);

impl SinkView {
    /// Shows these sinks from now on.
    pub fn set(&self, sinks: &SinkSet) {
        let seen = sinks.iter().map(|(name, sink)| (name.to_owned(), sink.clone())).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// The running sinks by name.
    #[must_use]
    pub fn sinks(&self) -> Vec<(String, Sink)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The parts of a node that tell about it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Who it is.
    pub identity: Identity,
    /// How full it is.
    pub load: Load,
    /// The catalog in effect.
    pub catalog: Current,
    /// The budget of bytes in flight.
    pub budget: Arc<Budget>,
    /// The limit on connections.
    pub gate: Arc<Gate>,
    /// The listener over TLS; `None` where the node has none.
    pub https: Option<Arc<Https>>,
    /// How the configuration is doing.
    pub config: Arc<ConfigState>,
    /// The running sinks.
    pub sinks: SinkView,
    /// Counts that belong to no stream.
    pub counters: Arc<NodeCounters>,
    /// Where the node is in its life.
    pub lifecycle: Lifecycle,
    /// What became of its heartbeats.
    pub heartbeats: Arc<HeartbeatCounts>,
    /// Where spans go.
    pub traces: Tracing,
}

impl Node {
    /// Where the node is in its life, its configuration considered.
    #[must_use]
    pub fn state(&self) -> NodeState {
        if self.lifecycle.is_draining() {
            NodeState::Draining
        } else if self.catalog.load().is_some() {
            NodeState::Ready
        } else {
            NodeState::Starting
        }
    }

    /// The answer of `GET /status`.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let (catalog, measured) = (self.catalog.load(), self.load.now());
        NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uid: self.identity.uid.to_string(),
            started: self.identity.started,
            load: Some(measured.load),
            band: measured.band,
            state: self.state(),
            fleet: catalog.as_ref().map(|catalog| catalog.fleet.clone()),
            revision: catalog.as_ref().map_or(0, |catalog| catalog.revision),
            config_error: self.config.error(),
            config_source: self.config.source(),
            inflight_bytes: self.budget.used(),
            connections: u64::from(self.gate.open()),
            https: self.https.as_ref().and_then(|https| https.status()),
            sinks: self.sink_statuses(),
            streams: catalog.as_ref().map(|catalog| streams(catalog)).unwrap_or_default(),
        }
    }

    /// The answer of `GET /books`.
    #[must_use]
    pub fn books(&self) -> Books {
        let catalog = self.catalog.load();
        let Some(catalog) = catalog.as_ref() else { return Books { fleet: None, streams: Vec::new() } };
        let present = catalog.streams().map(|stream| books_of(&stream.spec, &stream.counters, false));
        let past = catalog.past().iter().map(|past| books_of(&past.spec, &past.counters, true));
        let mut streams: Vec<_> = present.chain(past).collect();
        streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
        Books { fleet: Some(catalog.fleet.clone()), streams }
    }

    /// How often each code was answered, by stream, and to whom no stream belongs.
    #[must_use]
    pub fn answered(&self) -> Vec<Answered> {
        let catalog = self.catalog.load();
        let present = catalog.iter().flat_map(|c| c.streams()).map(|s| (&s.spec, &s.counters));
        let past = catalog.iter().flat_map(|c| c.past()).map(|s| (&s.spec, &s.counters));
        let of_streams = present.chain(past).flat_map(|(spec, counters)| {
            let who = || Some((spec.group_id.clone(), spec.stream_id.clone()));
            counters.answers().map(move |(code, count)| (who(), code, count))
        });
        let of_nobody = self.counters.answers().map(|(code, count)| (None, code, count));
        of_streams.chain(of_nobody).collect()
    }

    /// How full its own limits are.
    #[must_use]
    pub fn filling(&self) -> Filling {
        let queue = |(_, sink): (String, Sink)| match sink {
            Sink::Kafka(connection) => connection.queue(),
            Sink::File(_) => None,
        };
        let queues = self.sinks.sinks().into_iter().filter_map(queue);
        let queues = queues.map(|(used, limit)| Part { used, limit });
        Filling {
            ready: self.state() == NodeState::Ready,
            bytes: Part { used: self.budget.used(), limit: self.budget.limit() },
            queue: queues.max_by(Part::compare),
            connections: Part { used: u64::from(self.gate.open()), limit: u64::from(self.gate.limit()) },
        }
    }

    fn sink_statuses(&self) -> Vec<SinkStatus> {
        self.sinks.sinks().iter().map(|(name, sink)| sink.status(name)).collect()
    }
}

fn streams(catalog: &Catalog) -> Vec<StreamStatus> {
    let mut streams: Vec<_> = catalog.streams().map(|stream| stream_status(stream)).collect();
    streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
    streams
}

fn books_of(spec: &Spec, counters: &StreamCounters, removed: bool) -> StreamBooks {
    let tally = counters.tally();
    StreamBooks {
        group_id: spec.group_id.clone(),
        stream_id: spec.stream_id.clone(),
        sink: spec.sink.clone(),
        topic: spec.topic.clone(),
        removed,
        admitted: tally.admitted,
        delivered: tally.delivered,
        waiting: tally.waiting,
        dead_lettered: 0,
        suppressed: 0,
        failed: tally.failed,
        unknown: tally.unknown,
        refused_reports: counters.snapshot().reports_refused,
    }
}

fn stream_status(stream: &Stream) -> StreamStatus {
    let health = stream.outlet.health();
    let spec = &stream.spec;
    let (ready, trouble) = (health.trouble.is_none(), health.trouble.or(health.notice));
    StreamStatus {
        namespace: spec.namespace.clone(),
        name: spec.name.clone(),
        uid: spec.uid.clone(),
        generation: spec.generation,
        group_id: spec.group_id.clone(),
        stream_id: spec.stream_id.clone(),
        topic: spec.topic.clone(),
        ready,
        reason: trouble.as_ref().map(|trouble| trouble.reason),
        message: trouble
            .map(|trouble| trouble.message)
            .or_else(|| spec.paused.then(|| "the stream is paused: it takes no reports".to_owned()))
            .unwrap_or_default(),
        auth: stream.mark.clone(),
        replicas: health.replicas,
        min_insync_replicas: health.min_insync_replicas,
        counts: stream.counters.snapshot(),
    }
}
