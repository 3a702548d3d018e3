//! A Node as far as it matters: its zone, and which addresses are its own and its pods'.

use k8s_openapi::api::core::v1::Node;

use crate::observe::MachineView;

/// The label with the zone that a Node stands in.
const ZONE: &str = "topology.kubernetes.io/zone";

/// What is seen of a Node.
#[must_use]
pub(super) fn machine(node: &Node) -> MachineView {
    let zone = node.metadata.labels.as_ref().and_then(|labels| labels.get(ZONE));
    let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    let spec = node.spec.as_ref();
    let several = spec.and_then(|spec| spec.pod_cidrs.clone()).unwrap_or_default();
    let one = spec.and_then(|spec| spec.pod_cidr.clone()).filter(|one| !several.contains(one));
    MachineView {
        zone: zone.filter(|zone| !zone.is_empty()).cloned(),
        // Names of hosts are among them.
        addresses: addresses.filter_map(|address| address.address.parse().ok()).collect(),
        ranges: several.into_iter().chain(one).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_its_zone_its_addresses_and_its_pods_ranges() {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": "a", "labels": {(ZONE): "east", "x": "y"}},
            "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00::/64"]},
            "status": {"addresses": [
                {"type": "InternalIP", "address": "192.168.0.1"}, {"type": "Hostname", "address": "a"}
            ]}
        }))
        .unwrap();
        let wanted = MachineView {
            zone: Some("east".to_owned()),
            addresses: vec!["192.168.0.1".parse().unwrap()],
            ranges: vec!["10.244.0.0/24".to_owned(), "fd00::/64".to_owned()],
        };
        assert_eq!(machine(&node), wanted);
        assert_eq!(machine(&Node::default()), MachineView::default());
    }
}
