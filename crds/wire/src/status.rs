//! What a proxy says of itself: `GET /status` on its admin port, and the one line a supervised proxy
//! prints when its listeners are bound.

use serde::{Deserialize, Serialize};

use crate::document::FleetRef;

/// The line that `sluice-proxy --supervised` prints on standard output once its listeners are bound,
/// so that its parent learns ports chosen by the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// The proxy's version; a parent of another version ends it.
    pub version: String,
    /// `ip:port` of the report listener.
    pub http: String,
    /// `ip:port` of the report listener over TLS; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
    /// `ip:port` of the admin listener.
    pub admin: String,
}

/// The answer of `GET /status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The proxy's version.
    pub version: String,
    /// Who it is, as its heartbeats say; empty from a proxy that has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// When the process started, in milliseconds since 1970; 0 from a proxy that doesn't tell.
    #[serde(default)]
    pub started: u64,
    /// How full the node is, 0 to [`MAX_LOAD`](crate::heartbeat::MAX_LOAD), as its heartbeats say; absent where it is not
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<u8>,
    /// Lower edge of its load's band, as its heartbeats say.
    #[serde(default)]
    pub band: u8,
    /// Where the node is in its life.
    pub state: NodeState,
    /// Whose configuration it runs; absent before the first.
    pub fleet: Option<FleetRef>,
    /// Revision of the configuration in effect; 0 before the first.
    pub revision: u64,
    /// Why the newest configuration is not in effect; absent when it is.
    pub config_error: Option<String>,
    /// Where the configuration in effect came from; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_source: Option<ConfigSource>,
    /// Bytes charged to the node's budget now.
    pub inflight_bytes: u64,
    /// Open connections of producers.
    pub connections: u64,
    /// How reports over TLS are doing; absent where the configuration asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<HttpsStatus>,
    /// The connections of the configuration in effect.
    pub sinks: Vec<SinkStatus>,
    /// The streams of the configuration in effect.
    pub streams: Vec<StreamStatus>,
}

/// Where a node's configuration came from. A reader takes a name it does not know for [`ConfigSource::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigSource {
    /// What is mounted.
    Mounted,
    /// An operator told it.
    Operator,
    /// The node kept it from before its start.
    Copy,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeState {
    /// No usable configuration yet, or listeners not bound.
    Starting,
    /// Takes reports.
    Ready,
    /// Leaving.
    Draining,
}

/// A sink as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkStatus {
    /// Its name in the document.
    pub name: String,
    /// Whether nothing is wrong with it. One that is not ready may take records all the same: a connection whose
    /// Secret is gone goes on with what it had. Whether a stream's records are taken, the stream says.
    pub ready: bool,
    /// Why not; absent when ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotReady>,
    /// What is wrong, in words a person can act on; empty when ready.
    #[serde(default)]
    pub message: String,
}

/// Reports over TLS as the node sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpsStatus {
    /// Whether the node serves with what its Secrets hold now.
    pub ready: bool,
    /// Whether it serves at all: one that is not ready goes on with the certificate that it had, if it had one.
    pub serving: bool,
    /// When the certificate that it serves with expires, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<i64>,
    /// Why it is not ready; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotReady>,
    /// What is wrong, in words a person can act on; empty when ready.
    #[serde(default)]
    pub message: String,
}

/// Why a sink, a stream or reports over TLS are not ready. A reader takes a name it does not know for [`NotReady::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotReady {
    /// A Secret that is named is missing, or a key of it, or its content can't be used.
    SecretUnusable,
    /// No broker answers, or the login is refused.
    SinkUnreachable,
    /// The topic is missing and may not, or can't, be created.
    TopicMissing,
    /// The topic can't be written with the fleet's credentials.
    TopicForbidden,
    /// The topic takes no record of the size that the stream takes, or has another unusable setting.
    TopicUnfit,
    /// Not looked at yet.
    Checking,
    /// Anything else; the message says what.
    #[serde(other)]
    Other,
}

/// A stream as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStatus {
    /// Namespace of its `DataStream`.
    pub namespace: String,
    /// Name of its `DataStream`.
    pub name: String,
    /// Uid of its `DataStream`; empty in local mode.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Generation in effect.
    pub generation: i64,
    /// What producers send as `groupId`.
    pub group_id: String,
    /// What producers send as `streamId`.
    pub stream_id: String,
    /// Where its records go.
    pub topic: String,
    /// Whether its topic is there and a report would be taken now.
    pub ready: bool,
    /// Why not. A ready stream has one too where it has a message for trouble of its topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotReady>,
    /// What is wrong, in words a person can act on. A ready stream has a message while its topic's breaker is open, while
    /// its topic takes shorter records than the stream does, and while it is paused.
    #[serde(default)]
    pub message: String,
    /// The mark of what its producers have to show; absent where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Replicas of its topic's partitions, the fewest; absent where there is no topic.
    pub replicas: Option<u32>,
    /// The topic's `min.insync.replicas`; absent where there is no topic.
    pub min_insync_replicas: Option<u32>,
    /// What became of the stream's reports and records since the node started.
    pub counts: StreamCounts,
}

/// Counts of a stream since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamCounts {
    /// Reports answered as stored.
    pub reports_accepted: u64,
    /// Reports answered as not stored.
    pub reports_refused: u64,
    /// Reports of which it is not known whether they are stored.
    #[serde(default)]
    pub reports_unknown: u64,
    /// Records handed to the sink.
    pub records_admitted: u64,
    /// Of those: stored.
    pub records_delivered: u64,
    /// Of those: surely not stored.
    pub records_failed: u64,
    /// Of those: not known whether stored.
    pub records_unknown: u64,
}

/// The answer of `GET /books`: what became of every record since the node started.
///
/// For each stream, at any moment: admitted = delivered + waiting + dead-lettered + suppressed + failed +
/// unknown. Counts are of records, by what the sink said of each once its report is settled; reports are counted
/// apart, because one that is refused at the door was never taken apart into records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Books {
    /// Whose streams these are; absent before the first configuration.
    pub fleet: Option<FleetRef>,
    /// By groupId and streamId.
    pub streams: Vec<StreamBooks>,
}

/// The books of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamBooks {
    /// What producers send as `groupId`.
    pub group_id: String,
    /// What producers send as `streamId`.
    pub stream_id: String,
    /// Name of its sink.
    pub sink: String,
    /// Where its records go. A file sink has no topics.
    pub topic: String,
    /// Whether the stream is in the configuration no more.
    #[serde(default)]
    pub removed: bool,
    /// Records handed to the sink.
    pub admitted: u64,
    /// Of those: stored.
    pub delivered: u64,
    /// Of those: with no outcome yet.
    pub waiting: u64,
    /// Of those: set aside in a dead letter topic.
    #[serde(default)]
    pub dead_lettered: u64,
    /// Of those: dropped as duplicates.
    #[serde(default)]
    pub suppressed: u64,
    /// Of those: surely not stored.
    pub failed: u64,
    /// Of those: not known whether stored.
    pub unknown: u64,
    /// Reports answered as not stored, at the door or by the sink.
    pub refused_reports: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_travels_by_its_name_and_an_unknown_name_is_other() {
        for (reason, name) in [
            (NotReady::SecretUnusable, "SecretUnusable"),
            (NotReady::SinkUnreachable, "SinkUnreachable"),
            (NotReady::TopicMissing, "TopicMissing"),
            (NotReady::TopicForbidden, "TopicForbidden"),
            (NotReady::TopicUnfit, "TopicUnfit"),
            (NotReady::Checking, "Checking"),
            (NotReady::Other, "Other"),
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
            assert_eq!(serde_json::from_value::<NotReady>(name.into()).unwrap(), reason);
        }
        assert_eq!(serde_json::from_str::<NotReady>("\"FromTheFuture\"").unwrap(), NotReady::Other);
    }

    #[test]
    fn a_status_of_a_proxy_without_load_is_read() {
        let old = serde_json::json!({"version": "0.1.0", "state": "ready", "fleet": null, "revision": 1,
            "configError": null, "inflightBytes": 0, "connections": 0, "sinks": [], "streams": []});
        let status: NodeStatus = serde_json::from_value(old).unwrap();
        assert_eq!((status.uid.as_str(), status.started, status.load, status.band), ("", 0, None, 0));
    }

    #[test]
    fn a_status_without_reasons_is_read() {
        let old = serde_json::json!({"name": "kafka", "ready": true, "message": ""});
        let sink: SinkStatus = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(sink.reason, None);
        assert_eq!(serde_json::to_value(&sink).unwrap(), old);
    }
}
