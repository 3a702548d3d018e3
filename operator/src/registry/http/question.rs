//! What a request asks for: its path and parameters as values, or what is wrong with them. Pure.

use std::net::IpAddr;

use serde::Deserialize;

use super::answer::Refusal;

const IP_LIST: &str = "/inlong/manager/openapi/dataproxy/getIpList/";
const BY_CLUSTER: &str = "/inlong/manager/openapi/dataproxy/getIpListByClusterName/";
const CONFIG: &str = "/inlong/manager/openapi/dataproxy/getAllConfig";

/// A path of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The nodes for a group.
    Group(String),
    /// The nodes of a fleet.
    Cluster(String),
    /// A node's heartbeat.
    Heartbeat,
    /// A node's configuration.
    Config,
}

impl Place {
    pub(super) fn of(path: &str) -> Option<Self> {
        let last = |base: &str| {
            let name = path.strip_prefix(base)?;
            (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
        };
        match path {
            sluice_wire::heartbeat::PATH => Some(Self::Heartbeat),
            CONFIG => Some(Self::Config),
            _ => last(IP_LIST).map(Self::Group).or_else(|| last(BY_CLUSTER).map(Self::Cluster)),
        }
    }

    /// Its name in metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Group(_) => "ip_list",
            Self::Cluster(_) => "ip_list_by_cluster",
            Self::Heartbeat => "heartbeat",
            Self::Config => "all_config",
        }
    }
}

/// Where a client is: from a form and a query, of which the form counts where both name the same; `peer` is where the
/// request came from.
pub(super) fn client(form: &[u8], query: &str, peer: IpAddr) -> Result<IpAddr, Refusal> {
    let find = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(form).chain(form_urlencoded::parse(query.as_bytes()));
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.trim().to_owned())
    };
    // Go's SDK sends "tcp", Java's "HTTP".
    match find("protocolType").filter(|protocol| !protocol.is_empty()) {
        Some(protocol) if !protocol.eq_ignore_ascii_case("HTTP") => Err(Refusal::Protocol(protocol)),
        _ => Ok(find("ip").and_then(|ip| ip.parse().ok()).unwrap_or(peer)),
    }
}

/// What a node asks for its configuration with.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigRequest {
    /// `<namespace>.<fleet>`; of a node with a token, that says it.
    #[serde(default)]
    pub(super) cluster_name: String,
    /// Of what it has.
    #[serde(default)]
    pub(super) md5: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.9";

    fn read(form: &str, query: &str) -> Result<IpAddr, Refusal> {
        client(form.as_bytes(), query, PEER.parse().unwrap())
    }

    #[test]
    fn paths_are_those_of_the_contract_alone() {
        let at = |path: &str| Place::of(&format!("/inlong/manager/openapi/{path}"));
        assert_eq!(at("dataproxy/getIpList/g_test"), Some(Place::Group("g_test".to_owned())));
        assert_eq!(at("dataproxy/getIpListByClusterName/a.b"), Some(Place::Cluster("a.b".to_owned())));
        assert_eq!(at("heartbeat/report"), Some(Place::Heartbeat));
        assert_eq!(at("dataproxy/getAllConfig"), Some(Place::Config));
        for path in
            ["dataproxy/getIpList/", "dataproxy/getIpList", "dataproxy/getIpList/a/b", "heartbeat", ""]
        {
            assert_eq!(at(path), None, "{path}");
        }
    }

    #[test]
    fn a_client_is_where_it_says_or_else_where_it_asks_from() {
        let is = |form: &str, query: &str, ip: &str| assert_eq!(read(form, query).unwrap().to_string(), ip);
        is("ip=192.0.2.2&protocolType=HTTP", "", "192.0.2.2");
        is("", "ip=192.0.2.3&protocolType=http", "192.0.2.3");
        is("ip=192.0.2.2", "ip=192.0.2.3", "192.0.2.2");
        is("ip=fd00%3A%3A7", "", "fd00::7");
        for form in ["", "ip=", "ip=localhost", "ip=1.2.3.4:80", "protocolType="] {
            is(form, "", PEER);
        }
    }

    #[test]
    fn only_http_is_spoken() {
        for form in ["protocolType=TCP", "protocolType=UDP", "protocolType=x"] {
            assert!(matches!(read(form, ""), Err(Refusal::Protocol(_))), "{form}");
            assert!(matches!(read("", form), Err(Refusal::Protocol(_))), "{form}");
        }
    }
}
