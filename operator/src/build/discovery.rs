//! Makes the list of a fleet's nodes that producers are given, of what is seen of its pods.
//! It is pure, and equal nodes give equal bytes; which nodes are worth listing is decided before.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use sluice_wire::discovery::{IpList, IpListData, ListedNode, Protocol};

use crate::resolve::FleetKey;

/// The largest id: InLong's are positive 32-bit integers.
const MAX_ID: u32 = i32::MAX.unsigned_abs();

/// A node to be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Uid of its pod.
    pub uid: &'a str,
    /// Its address.
    pub ip: IpAddr,
    /// Its load, 0 to 200.
    pub load: u8,
    /// Its zone, where that is told.
    pub zone: Option<&'a str>,
}

/// An answer without a list, and why there is none.
#[must_use]
pub const fn no_list(words: String) -> IpList {
    IpList { success: false, err_msg: Some(words), data: None }
}

/// The list of `nodes`, in their order, all of which take reports at `port`; its load is their mean. Without any it says
/// so: clients refuse an empty list, and keep the one they have.
#[must_use]
pub fn ip_list(fleet: &FleetKey, nodes: &[Listed<'_>], port: u16, max_packet_length: u64) -> IpList {
    let (namespace, name) = fleet;
    if nodes.is_empty() {
        let words = format!("no node of ProxyFleet {namespace}/{name} is ready");
        return no_list(words);
    }
    let loads: usize = nodes.iter().map(|node| usize::from(node.load)).sum();
    let mut taken = BTreeSet::new();
    let node_list = nodes
        .iter()
        .map(|node| ListedNode {
            id: free(hash(node.uid), &mut taken),
            ip: node.ip,
            port,
            protocol_type: Protocol::Http,
            node_load: node.load,
            zone: node.zone.map(str::to_owned),
        })
        .collect();
    let data = IpListData {
        cluster_id: hash(&format!("{namespace}/{name}")),
        is_intranet: 1,
        is_switch: 0,
        load: u8::try_from(loads / nodes.len()).unwrap_or(u8::MAX),
        max_packet_length: u32::try_from(max_packet_length).unwrap_or(MAX_ID).min(MAX_ID),
        node_list,
    };
    IpList { success: true, err_msg: None, data: Some(data) }
}

/// `id`, or the next one that is not taken: the node listed first keeps it.
fn free(mut id: u32, taken: &mut BTreeSet<u32>) -> u32 {
    while !taken.insert(id) {
        id = if id == MAX_ID { 1 } else { id + 1 };
    }
    id
}

/// A number from 1 to 2^31 - 1 that is always the same for the same text.
fn hash(text: &str) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    let bits = digest.iter().take(4).fold(0, |bits, byte| (bits << 8) | u32::from(*byte));
    (bits & MAX_ID).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> FleetKey {
        ("sluice-system".to_owned(), "default".to_owned())
    }

    fn node(uid: &str) -> Listed<'_> {
        Listed { uid, ip: "10.0.0.7".parse().unwrap(), load: 0, zone: None }
    }

    #[test]
    fn the_lists_load_is_the_mean_of_those_listed() {
        let loads = [Listed { load: 200, ..node("a") }, Listed { load: 90, ..node("b") }];
        let data = ip_list(&fleet(), &loads, 1, 1).data.unwrap();
        assert_eq!((data.load, data.node_list[1].node_load), (145, 90));
    }

    #[test]
    fn ids_are_positive_and_stay_the_same_whoever_else_is_listed() {
        let ids = |nodes: &[Listed<'_>]| -> Vec<u32> {
            let list = ip_list(&fleet(), nodes, 1, 1).data.unwrap().node_list;
            list.iter().map(|node| node.id).collect()
        };
        let both = ids(&[node("a"), node("b")]);
        assert_ne!(both[0], both[1]);
        assert_eq!(ids(&[node("b")]), both[1..]);
        assert!(both.iter().all(|id| (1..=MAX_ID).contains(id)));
    }

    #[test]
    fn of_two_nodes_with_one_id_the_first_keeps_it() {
        let mut taken = BTreeSet::new();
        assert_eq!(free(7, &mut taken), 7);
        assert_eq!(free(7, &mut taken), 8);
        assert_eq!(free(MAX_ID, &mut taken), MAX_ID);
        assert_eq!(free(MAX_ID, &mut taken), 1);
    }

    #[test]
    fn without_nodes_it_says_why() {
        let list = ip_list(&fleet(), &[], 1, 1);
        assert!(!list.success && list.data.is_none());
        assert_eq!(list.err_msg.as_deref(), Some("no node of ProxyFleet sluice-system/default is ready"));
    }

    #[test]
    fn a_length_beyond_what_clients_can_hold_is_cut() {
        let list = ip_list(&fleet(), &[node("a")], 1, u64::MAX);
        assert_eq!(list.data.unwrap().max_packet_length, MAX_ID);
    }
}
