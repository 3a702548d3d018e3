//! A heartbeat in InLong's words, with Sluice's own part. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use sluice_wire::heartbeat::{Beat, Heartbeat, ServiceStatus, cut_error};
use sluice_wire::status::NodeState;

use super::Now;

/// Who sends; what does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The pod's uid; without one a number that the process made for itself.
    pub uid: Arc<str>,
    /// When the process started, in milliseconds since 1970.
    pub started: u64,
    /// The node's address.
    pub ip: IpAddr,
    /// Its port for reports.
    pub port: u16,
    /// `<namespace>.<fleet>`.
    pub cluster: String,
}

impl Sender {
    /// A node that listens at `bound`. It is found at `ip`, if told so, else at the address that it listens at.
    #[must_use]
    pub fn new(uid: Arc<str>, started: u64, ip: Option<IpAddr>, bound: SocketAddr, cluster: String) -> Self {
        Self { uid, started, ip: ip.unwrap_or_else(|| reachable(bound.ip())), port: bound.port(), cluster }
    }

    /// Says how the node is; `time` in milliseconds since 1970.
    pub(super) fn says(&self, now: &Now, time: u64) -> Heartbeat {
        Heartbeat {
            node_srv_status: match now.state {
                NodeState::Ready => ServiceStatus::Ok,
                NodeState::Starting | NodeState::Draining => ServiceStatus::Unready,
            },
            ip: self.ip.to_string(),
            port: self.port.to_string(),
            protocol_type: "HTTP".to_owned(),
            component_type: "DATAPROXY".to_owned(),
            report_time: time,
            cluster_name: self.cluster.clone(),
            load: now.load,
            sluice: Some(Beat {
                uid: self.uid.to_string(),
                band: now.band,
                started: self.started,
                state: now.state,
                revision: now.revision,
                config_error: now.config_error.as_deref().map(|text| cut_error(text).to_owned()),
                changes: now.changes,
            }),
        }
    }
}

/// An address under which a listener is found that is bound to this one: one at every address of a machine is at the
/// machine's own for itself too. Nodes that others must find are told theirs.
fn reachable(bound: IpAddr) -> IpAddr {
    match bound {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_wire::heartbeat::MAX_LENGTH;

    use super::super::news::tests::now;
    use super::*;

    fn sender() -> Sender {
        let (uid, cluster) = (Arc::from("u-1"), "shop.edge".to_owned());
        Sender { uid, started: 5, ip: [10, 0, 0, 7].into(), port: 46_802, cluster }
    }

    #[test]
    fn a_node_says_who_it_is_and_how_it_does() {
        let said = serde_json::to_value(sender().says(&now(), 99)).unwrap();
        let wanted = json!({
            "nodeSrvStatus": "OK", "ip": "10.0.0.7", "port": "46802", "protocolType": "HTTP",
            "componentType": "DATAPROXY", "reportTime": 99, "clusterName": "shop.edge", "load": 31,
            "sluice": {"uid": "u-1", "band": 30, "started": 5, "state": "ready", "revision": 7, "changes": 1}
        });
        assert_eq!(said, wanted);
    }

    #[test]
    fn a_node_is_where_it_is_told_to_be_else_where_it_listens() {
        for (told, bound, found) in [
            (Some("10.0.0.7"), "0.0.0.0:1", "10.0.0.7"),
            (None, "192.0.2.1:1", "192.0.2.1"),
            (None, "0.0.0.0:1", "127.0.0.1"),
            (None, "[::]:1", "::1"),
        ] {
            let told = told.map(|ip| ip.parse().unwrap());
            let sender = Sender::new(Arc::from("u-1"), 5, told, bound.parse().unwrap(), String::new());
            assert_eq!((sender.ip.to_string().as_str(), sender.port), (found, 1), "{bound}");
        }
    }

    #[test]
    fn a_node_that_takes_no_reports_is_unready() {
        for state in [NodeState::Starting, NodeState::Draining] {
            let said = sender().says(&Now { state, ..now() }, 0);
            assert_eq!(said.node_srv_status, ServiceStatus::Unready);
            assert_eq!(said.sluice.unwrap().state, state);
        }
    }

    #[test]
    fn an_error_of_any_length_fits() {
        for (error, length) in
            [("short".to_owned(), 5), ("\u{20ac}".repeat(9_999), 1_023), ("\u{0}".repeat(9_999), 1_024)]
        {
            let said = sender().says(&Now { config_error: Some(error.clone()), ..now() }, 0);
            assert!(serde_json::to_vec(&said).unwrap().len() <= MAX_LENGTH);
            let told = said.sluice.unwrap().config_error.unwrap();
            assert_eq!((told.len(), error.starts_with(&told)), (length, true));
        }
    }
}
