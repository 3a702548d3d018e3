//! What a fleet's nodes say together.
//! It counts and picks; what that means for a condition is worked out elsewhere.

use std::collections::BTreeMap;

use sluice_wire::status::{NodeStatus, NotReady, SinkStatus, StreamStatus};

use crate::observe::FleetView;
use crate::resolve::Decision;

/// The ready nodes of a fleet.
pub(super) struct Nodes<'a> {
    /// How many there are.
    pub(super) count: usize,
    /// What those said that have been asked.
    pub(super) told: Vec<&'a NodeStatus>,
}

impl<'a> Nodes<'a> {
    pub(super) fn of(fleet: &'a FleetView) -> Self {
        let ready: Vec<_> = fleet.nodes.iter().filter(|node| node.ready && !node.terminating).collect();
        Self {
            count: ready.len(),
            told: ready.into_iter().filter_map(|node| node.status.as_deref()).collect(),
        }
    }

    /// Whether one has not been asked yet, so that what was said before may still hold.
    pub(super) fn is_partial(&self) -> bool {
        self.told.len() < self.count
    }

    /// What each says of a stream; `None`: that it has none of its name.
    pub(super) fn stream(
        &self,
        decision: &Decision,
        uid: &str,
    ) -> Vec<(&'a NodeStatus, Option<&'a StreamStatus>)> {
        self.told.iter().map(|node| (*node, of_stream(node, decision, uid))).collect()
    }
}

/// Nodes tell their streams in the order of groupId and streamId. One that was made again under its name is
/// another stream.
fn of_stream<'a>(node: &'a NodeStatus, decision: &Decision, uid: &str) -> Option<&'a StreamStatus> {
    let wanted = (decision.group_id.as_str(), decision.stream_id.as_str());
    let at = node
        .streams
        .binary_search_by(|stream| (stream.group_id.as_str(), stream.stream_id.as_str()).cmp(&wanted))
        .ok()?;
    let stream = node.streams.get(at)?;
    let same = stream.namespace == decision.stream.namespace && stream.name == decision.stream.name;
    (same && stream.uid == uid).then_some(stream)
}

/// Why a node can't store a stream's records, if so.
pub(super) fn trouble<'a>(
    node: &'a NodeStatus,
    stream: &'a StreamStatus,
    sink: &str,
) -> Option<(NotReady, &'a str)> {
    if stream.ready {
        return None;
    }
    let sink: Option<&SinkStatus> = node.sinks.iter().find(|known| known.name == sink && !known.ready);
    let reason = stream.reason.or_else(|| sink.and_then(|sink| sink.reason)).unwrap_or(NotReady::Other);
    let words = [stream.message.as_str(), sink.map_or("", |sink| sink.message.as_str())];
    let message = words.into_iter().find(|words| !words.is_empty()).unwrap_or("it takes no records now");
    Some((reason, message))
}

/// Of several troubles the one to tell, with how many nodes have one: the gravest, then by words, so that it
/// does not change with the order of nodes.
pub(super) fn gravest<'a>(troubles: &[(NotReady, &'a str)]) -> Option<(NotReady, &'a str, usize)> {
    let (reason, message) = troubles.iter().min()?;
    Some((*reason, message, troubles.len()))
}

/// The gravest trouble of each sink that has one, with how many nodes have it.
pub(super) fn sinks<'a>(nodes: &Nodes<'a>) -> Vec<(&'a str, NotReady, &'a str, usize)> {
    let mut troubles: BTreeMap<&str, Vec<(NotReady, &str)>> = BTreeMap::new();
    for sink in nodes.told.iter().flat_map(|node| &node.sinks).filter(|sink| !sink.ready) {
        let reason = sink.reason.unwrap_or(NotReady::Other);
        if reason != NotReady::Checking {
            troubles.entry(&sink.name).or_default().push((reason, &sink.message));
        }
    }
    let one = |(sink, troubles): (&'a str, Vec<(NotReady, &'a str)>)| {
        gravest(&troubles).map(|(reason, message, count)| (sink, reason, message, count))
    };
    troubles.into_iter().filter_map(one).collect()
}

/// The gravest trouble of reports over TLS, with how many nodes have it.
pub(super) fn https<'a>(nodes: &Nodes<'a>) -> Option<(NotReady, &'a str, usize)> {
    let listeners = nodes.told.iter().filter_map(|node| node.https.as_ref()).filter(|https| !https.ready);
    let troubles: Vec<_> =
        listeners.map(|https| (https.reason.unwrap_or(NotReady::Other), https.message.as_str())).collect();
    gravest(&troubles)
}

/// `1 of 2 nodes`.
pub(super) fn share(some: usize, all: usize) -> String {
    format!("{some} of {all} {}", if all == 1 { "node" } else { "nodes" })
}
