//! What a node says of itself every few seconds: InLong's `POST /inlong/manager/openapi/heartbeat/report`, with what
//! Sluice's own operator wants to know beside it in one further field, which an InLong manager passes over.

use serde::{Deserialize, Serialize};

use crate::status::NodeState;

/// Where a heartbeat goes.
pub const PATH: &str = "/inlong/manager/openapi/heartbeat/report";

/// The longest heartbeat that is read, in bytes.
pub const MAX_LENGTH: usize = 64 << 10;

/// The longest [`Beat::config_error`], in bytes; what is longer is cut.
pub const MAX_ERROR: usize = 1_024;

/// At most [`MAX_ERROR`] bytes of an error's text, whole characters.
#[must_use]
pub fn cut_error(text: &str) -> &str {
    let end = (0..=MAX_ERROR.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The highest load.
pub const MAX_LOAD: u8 = 200;

/// A heartbeat in InLong's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// `OK` where the node takes reports, else `SERVICE_UNREADY`.
    pub node_srv_status: ServiceStatus,
    /// The node's address.
    pub ip: String,
    /// Its ports, comma separated.
    pub port: String,
    /// How it is spoken to at each of them, comma separated.
    #[serde(default)]
    pub protocol_type: String,
    /// Always `DATAPROXY`.
    pub component_type: String,
    /// When it was sent, in milliseconds since 1970.
    #[serde(default)]
    pub report_time: u64,
    /// `<namespace>.<fleet>`.
    #[serde(default)]
    pub cluster_name: String,
    /// 0 to [`MAX_LOAD`].
    #[serde(default)]
    pub load: u8,
    /// What Sluice's operator wants to know beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sluice: Option<Beat>,
}

/// Whether a node takes reports, in InLong's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceStatus {
    /// It does.
    #[serde(rename = "OK")]
    Ok,
    /// It does not.
    #[serde(rename = "SERVICE_UNREADY", other)]
    Unready,
}

/// Sluice's own part of a heartbeat. Who the node is, an operator takes from the node's token; `uid` counts only in
/// local mode, where there is none, and to tell a reused address from the node that had it before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beat {
    /// The pod's uid; in local mode a number that the process made for itself.
    pub uid: String,
    /// Lower edge of the load's band: a multiple of 10, 0 to [`MAX_LOAD`]. It follows the load with hysteresis, and of
    /// a node that has just started it includes the slow start.
    pub band: u8,
    /// When the process started, in milliseconds since 1970.
    pub started: u64,
    /// Where the node is in its life.
    pub state: NodeState,
    /// Revision of the configuration in effect; 0 before the first.
    pub revision: u64,
    /// Why the newest configuration is not in effect, at most [`MAX_ERROR`] bytes; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_error: Option<String>,
    /// A number that changes when `GET 9102/status` says something new of sinks or streams.
    pub changes: u64,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// Whether it was taken.
    pub success: bool,
    /// Why not.
    pub err_msg: Option<String>,
    /// `true` where it was.
    pub data: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_written_in_the_contracts_words() {
        let heartbeat = Heartbeat {
            node_srv_status: ServiceStatus::Ok,
            ip: "10.0.0.7".to_owned(),
            port: "46802".to_owned(),
            protocol_type: "HTTP".to_owned(),
            component_type: "DATAPROXY".to_owned(),
            report_time: 5,
            cluster_name: "shop.edge".to_owned(),
            load: 12,
            sluice: None,
        };
        let wanted = concat!(
            r#"{"nodeSrvStatus":"OK","ip":"10.0.0.7","port":"46802","protocolType":"HTTP","componentType":"DATAPROXY","#,
            r#""reportTime":5,"clusterName":"shop.edge","load":12}"#
        );
        assert_eq!(serde_json::to_string(&heartbeat).unwrap(), wanted);
        assert_eq!(serde_json::from_str::<Heartbeat>(wanted).unwrap(), heartbeat);
    }

    #[test]
    fn a_status_that_is_not_known_is_unready() {
        let install: ServiceStatus = serde_json::from_str("\"SERVICE_INSTALL\"").unwrap();
        assert_eq!(install, ServiceStatus::Unready);
    }
}
