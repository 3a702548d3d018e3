//! Whether a stream's records can be stored, and outlive a broker, by what its nodes say of Kafka.
//! It asks nobody.

use sluice_wire::status::{NotReady, StreamStatus};

use super::condition::Told;
use super::nodes::{self, share};
use super::reason::{Durability, Reason, SinkReady};
use super::stream::Served;

/// Replicas of which one may be lost while another is down.
const REPLICAS: u32 = 3;

/// Replicas that have a record when it is acknowledged.
const IN_SYNC: u32 = 2;

impl SinkReady {
    /// What a node's reason is told as.
    #[must_use]
    pub const fn of(reason: NotReady) -> Self {
        match reason {
            NotReady::SecretUnusable => Self::SecretUnusable,
            NotReady::SinkUnreachable => Self::SinkUnreachable,
            NotReady::TopicMissing => Self::TopicMissing,
            NotReady::TopicForbidden => Self::TopicForbidden,
            NotReady::TopicUnfit => Self::TopicUnfit,
            NotReady::Checking => Self::Checking,
            NotReady::Other => Self::SinkNotReady,
        }
    }
}

/// One node that can't store its records is enough: the reports it gets are refused.
pub(super) fn ready(served: &Served<'_>) -> Told {
    if served.nodes.count == 0 {
        return no_nodes(SinkReady::NoNodes);
    }
    let told = served.nodes.stream(served.decision, served.uid);
    let sink = served.decision.sink.as_deref().unwrap_or_default();
    let all: Vec<_> = told
        .iter()
        .filter_map(|(node, stream)| stream.and_then(|stream| nodes::trouble(node, stream, sink)))
        .collect();
    let (checking, troubles): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(reason, _)| *reason == NotReady::Checking);
    if let Some((reason, message, count)) = nodes::gravest(&troubles) {
        let share = share(count, served.nodes.count);
        return Told::new(SinkReady::of(reason), format!("on {share}: {message}"));
    }
    let reported = told.iter().filter(|(_, stream)| stream.is_some()).count();
    if let Some(again) = served.again::<SinkReady>() {
        return again;
    }
    if reported < served.nodes.count {
        return not_reported(SinkReady::NotReported, reported, served);
    }
    if !checking.is_empty() {
        let share = share(checking.len(), served.nodes.count);
        return Told::new(SinkReady::Checking, format!("on {share} the topic is still being looked at"));
    }
    let message = match &served.decision.topic {
        Some(topic) => format!("topic {topic} of sink {sink} takes records"),
        None => format!("sink {sink} takes records"),
    };
    Told::new(SinkReady::SinkReady, message)
}

/// What a topic's replicas promise; nothing where there is no topic.
pub(super) fn durability(served: &Served<'_>) -> Option<Told> {
    let topic = served.decision.topic.as_deref()?;
    if served.nodes.count == 0 {
        return Some(no_nodes(Durability::NoNodes));
    }
    let told = served.nodes.stream(served.decision, served.uid);
    let told: Vec<&StreamStatus> = told.into_iter().filter_map(|(_, stream)| stream).collect();
    let fewest =
        |number: fn(&StreamStatus) -> Option<u32>| told.iter().filter_map(|stream| number(stream)).min();
    let replicas = fewest(|stream| stream.replicas);
    let in_sync = fewest(|stream| stream.min_insync_replicas);
    let (Some(replicas), Some(in_sync)) = (replicas, in_sync) else {
        let again = served.again::<Durability>();
        return Some(again.unwrap_or_else(|| not_reported(Durability::NotReported, 0, served)));
    };
    Some(judged(topic, replicas, in_sync))
}

fn judged(topic: &str, replicas: u32, in_sync: u32) -> Told {
    let copies = if replicas == 1 { "1 replica".to_owned() } else { format!("{replicas} replicas") };
    let has = format!("topic {topic} has {copies} and min.insync.replicas={in_sync}");
    let give = format!("give it {REPLICAS} replicas and min.insync.replicas={IN_SYNC}");
    if replicas < REPLICAS {
        let message = format!("{has}: when a broker is lost, so are records, or reports are refused; {give}");
        return Told::new(Durability::BelowThreeReplicas, message);
    }
    if in_sync < IN_SYNC {
        let message = format!("{has}: what is acknowledged may be on one broker only; {give}");
        return Told::new(Durability::BelowTwoInSync, message);
    }
    Told::new(Durability::Durable, format!("{has}: what is acknowledged outlives a broker"))
}

fn no_nodes<R: Reason>(reason: R) -> Told {
    Told::new(reason, "no node of the fleet is ready, so none can tell")
}

fn not_reported<R: Reason>(reason: R, reported: usize, served: &Served<'_>) -> Told {
    Told::new(reason, format!("{} told of it as yet", share(reported, served.nodes.count)))
}
