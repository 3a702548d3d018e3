//! A stream's endpoint ConfigMap: where its producers report to, as variables and as a file.
//! It stands in the stream's namespace and goes with the stream.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use sluice_crds::pods::Mode;
use sluice_crds::{DataStream, ProxyFleet};

use super::owner::Owner;
use super::{labels, names, value};
use crate::build::discovery::{Listed, ip_list, no_list};
use crate::names::name_of;
use crate::resolve::Decision;

/// The most nodes that are listed: with IPv6 addresses that is well below the 1 MiB a ConfigMap holds, and
/// each variable below the 128 KiB a process is given.
pub const MAX_LISTED: usize = 1_000;

/// Where producers reach a fleet, without a path: a sidecar in their own pod, all others by their Service.
#[must_use]
pub fn url(fleet: &ProxyFleet) -> String {
    let port = fleet.spec.listeners.http.port;
    if fleet.spec.mode == Mode::Sidecar {
        return format!("http://127.0.0.1:{port}");
    }
    let (namespace, name) = name_of(&fleet.metadata);
    format!("http://{}.{namespace}.svc:{port}", names::fleet(&name))
}

/// The endpoint ConfigMap of a stream that `fleet` serves by `nodes`, the best first; of more than [`MAX_LISTED`] the
/// rest is left out. Equal nodes in an equal order give equal bytes.
#[must_use]
pub fn endpoints(
    stream: &DataStream,
    decision: &Decision,
    fleet: &ProxyFleet,
    nodes: &[Listed<'_>],
) -> Value {
    let name = stream.metadata.name.as_deref().unwrap_or_default();
    let uid = stream.metadata.uid.as_deref().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(names::endpoints(name)),
        namespace: stream.metadata.namespace.clone(),
        labels: Some(labels::endpoints()),
        owner_references: Some(vec![Owner::stream(name, uid).reference()]),
        ..ObjectMeta::default()
    };
    let data = Some(data(stream, decision, fleet, nodes));
    value(&ConfigMap { metadata, data, ..ConfigMap::default() })
}

fn data(
    stream: &DataStream,
    decision: &Decision,
    fleet: &ProxyFleet,
    nodes: &[Listed<'_>],
) -> BTreeMap<String, String> {
    let nodes = nodes.get(..MAX_LISTED).unwrap_or(nodes);
    let port = fleet.spec.listeners.http.port;
    let addresses: Vec<String> =
        nodes.iter().map(|node| SocketAddr::new(node.ip, port).to_string()).collect();
    let list = match fleet.spec.mode {
        Mode::Sidecar => no_list("sidecars take reports of their own pod alone, at SLUICE_URL".to_owned()),
        _ => ip_list(&name_of(&fleet.metadata), nodes, port, stream.spec.limits.max_body_bytes.bytes()),
    };
    [
        ("SLUICE_URL", url(fleet)),
        ("SLUICE_ADDRESSES", addresses.join(",")),
        ("SLUICE_GROUP_ID", decision.group_id.clone()),
        ("SLUICE_STREAM_ID", decision.stream_id.clone()),
        // Plain data with string keys always has a JSON form.
        ("endpoints.json", serde_json::to_string(&list).unwrap_or_default()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_crds::{DataStreamSpec, Kind};
    use sluice_wire::discovery::IpList;

    use super::*;
    use crate::ObjectRef;

    fn node<'a>(uid: &'a str, ip: &str) -> Listed<'a> {
        Listed { uid, ip: ip.parse().unwrap(), load: 0, zone: None }
    }

    fn fleet() -> ProxyFleet {
        let fleet = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
            "metadata": {"namespace": "sluice-system", "name": "default"}, "spec": {"sinks": []}
        });
        serde_json::from_value(fleet).unwrap()
    }

    fn made(nodes: &[Listed<'_>]) -> Value {
        made_on(&fleet(), nodes)
    }

    fn made_on(fleet: &ProxyFleet, nodes: &[Listed<'_>]) -> Value {
        let mut stream = DataStream::new("orders", DataStreamSpec::default());
        stream.metadata.uid = Some("u".to_owned());
        stream.metadata.namespace = Some("shop".to_owned());
        let decision = Decision {
            stream: ObjectRef {
                kind: Kind::DataStream,
                namespace: "shop".to_owned(),
                name: "orders".to_owned(),
            },
            group_id: "shop".to_owned(),
            stream_id: "orders-v2".to_owned(),
            topic: None,
            sink: None,
            fleet: Some(name_of(&fleet.metadata)),
            moving_to: None,
            refusal: None,
        };
        endpoints(&stream, &decision, fleet, nodes)
    }

    fn of(object: &Value, key: &str) -> String {
        object["data"][key].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_producer_finds_all_it_has_to_send() {
        let object = made(&[node("a", "10.0.0.1"), node("b", "10.0.0.2")]);
        assert_eq!(object["metadata"]["namespace"], "shop");
        assert_eq!(object["metadata"]["name"], "orders-endpoints");
        assert_eq!(of(&object, "SLUICE_URL"), "http://sluice-default.sluice-system.svc:46802");
        assert_eq!(of(&object, "SLUICE_ADDRESSES"), "10.0.0.1:46802,10.0.0.2:46802");
        assert_eq!(of(&object, "SLUICE_GROUP_ID"), "shop");
        assert_eq!(of(&object, "SLUICE_STREAM_ID"), "orders-v2");
        let list: IpList = serde_json::from_str(&of(&object, "endpoints.json")).unwrap();
        let data = list.data.unwrap();
        let ips: Vec<String> = data.node_list.iter().map(|node| node.ip.to_string()).collect();
        assert_eq!((list.success, data.max_packet_length), (true, 65_536));
        assert_eq!(ips, ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn it_goes_with_its_stream() {
        let object = made(&[]);
        let wanted = json!([{
            "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream", "name": "orders", "uid": "u",
            "controller": true, "blockOwnerDeletion": true
        }]);
        assert_eq!(object["metadata"]["ownerReferences"], wanted);
    }

    #[test]
    fn nodes_stand_in_the_order_given_with_their_load_and_zone() {
        let best = Listed { load: 10, zone: Some("east"), ..node("b", "10.0.0.2") };
        let object = made(&[best, Listed { load: 40, ..node("a", "10.0.0.1") }]);
        assert_eq!(of(&object, "SLUICE_ADDRESSES"), "10.0.0.2:46802,10.0.0.1:46802");
        let list: Value = serde_json::from_str(&of(&object, "endpoints.json")).unwrap();
        let nodes = &list["data"]["nodeList"];
        assert_eq!((&nodes[0]["nodeLoad"], &nodes[0]["zone"]), (&json!(10), &json!("east")));
        assert_eq!((&nodes[1]["nodeLoad"], nodes[1].get("zone")), (&json!(40), None));
        assert_eq!(list["data"]["load"], 25);
    }

    #[test]
    fn without_nodes_it_says_why() {
        let object = made(&[]);
        assert_eq!(of(&object, "SLUICE_ADDRESSES"), "");
        assert!(of(&object, "endpoints.json").contains(r#""success":false"#));
    }

    #[test]
    fn a_producer_beside_a_sidecar_finds_it_in_its_own_pod() {
        let mut fleet = fleet();
        fleet.spec.mode = Mode::Sidecar;
        let object = made_on(&fleet, &[]);
        assert_eq!(of(&object, "SLUICE_URL"), "http://127.0.0.1:46802");
        assert_eq!(of(&object, "SLUICE_ADDRESSES"), "");
        assert_eq!(of(&object, "SLUICE_STREAM_ID"), "orders-v2");
        assert!(of(&object, "endpoints.json").contains("their own pod alone"));
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(of(&made(&[node("a", "fd00::7")]), "SLUICE_ADDRESSES"), "[fd00::7]:46802");
    }

    #[test]
    fn whatever_the_number_of_nodes_it_fits_a_config_map() {
        let ip = "fd00:1111:2222:3333:4444:5555:6666:7777";
        let uids: Vec<String> = (0..5_000).map(|n| format!("6f8d2c52-9c0b-4a4e-a6c1-{n:012}")).collect();
        let zone = Some("a-region-with-a-long-name-1a");
        let nodes: Vec<Listed<'_>> = uids.iter().map(|uid| Listed { zone, ..node(uid, ip) }).collect();
        let object = made(&nodes);
        assert!(of(&object, "SLUICE_ADDRESSES").len() < 128 << 10);
        assert!(object.to_string().len() < 512 << 10);
        assert_eq!(of(&object, "SLUICE_ADDRESSES").split(',').count(), MAX_LISTED);
    }
}
