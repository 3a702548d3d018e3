//! Which nodes a producer may report to: the answer of InLong's `getIpList`, and the same as a stream's
//! endpoint ConfigMap holds it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The answer of `getIpList`. Absent parts are written as `null`, as the reference server does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpList {
    /// Whether there is a list.
    pub success: bool,
    /// Why there is none, in words; absent when there is one.
    pub err_msg: Option<String>,
    /// The list; absent when there is none. Clients refuse one without nodes.
    pub data: Option<IpListData>,
}

/// The nodes of one fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpListData {
    /// A number for the fleet, 1 to 2^31 - 1, the same as long as it has its name.
    pub cluster_id: u32,
    /// Whether producer and nodes share a network: always 1.
    pub is_intranet: u8,
    /// A number that makes clients take the list anew when it changes: always 0.
    pub is_switch: u8,
    /// Mean load of the listed nodes, 0 to 200.
    pub load: u8,
    /// The longest body that is taken, in bytes.
    pub max_packet_length: u32,
    /// The nodes, the best first.
    pub node_list: Vec<ListedNode>,
}

/// A node that reports may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedNode {
    /// A number for the node, 1 to 2^31 - 1, unlike any other node's of the list.
    pub id: u32,
    /// Its address.
    pub ip: IpAddr,
    /// Its port for this protocol.
    pub port: u16,
    /// How it is spoken to there.
    pub protocol_type: Protocol,
    /// Its load, 0 to 200.
    pub node_load: u8,
    /// Its zone; told in endpoint ConfigMaps alone, and there where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The protocols that reports come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP.
    #[serde(rename = "HTTP")]
    Http,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_in_the_contracts_words() {
        let node = ListedNode {
            id: 1,
            ip: "10.0.0.7".parse().unwrap(),
            port: 46_802,
            protocol_type: Protocol::Http,
            node_load: 12,
            zone: None,
        };
        let data = IpListData {
            cluster_id: 1,
            is_intranet: 1,
            is_switch: 0,
            load: 20,
            max_packet_length: 524_288,
            node_list: vec![node],
        };
        let list = IpList { success: true, err_msg: None, data: Some(data) };
        let wanted = concat!(
            r#"{"success":true,"errMsg":null,"data":{"clusterId":1,"isIntranet":1,"isSwitch":0,"load":20,"#,
            r#""maxPacketLength":524288,"nodeList":[{"id":1,"ip":"10.0.0.7","port":46802,"protocolType":"HTTP","#,
            r#""nodeLoad":12}]}}"#
        );
        assert_eq!(serde_json::to_string(&list).unwrap(), wanted);
        assert_eq!(serde_json::from_str::<IpList>(wanted).unwrap(), list);
    }
}
