//! Where machines are: which of them an address belongs to, and the zone of each.
//! It takes what is written of machines and guesses nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::observe::MachineView;

/// A range of addresses, such as `10.244.1.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    v6: bool,
    length: u8,
    /// The beginning that all of them share, the rest 0.
    prefix: u128,
}

impl Range {
    /// From how it is written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ip, length) = text.split_once('/')?;
        let (ip, length): (IpAddr, u8) = (ip.parse().ok()?, length.parse().ok()?);
        (length <= if ip.is_ipv6() { 128 } else { 32 }).then(|| Self::of(ip, length))
    }

    /// The range of this length that an address is of.
    fn of(ip: IpAddr, length: u8) -> Self {
        let bits = match ip {
            // In the upper bits, so that lengths count from there as they do in IPv6.
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        Self { v6: ip.is_ipv6(), length, prefix: bits & mask }
    }
}

/// Where an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot<'a> {
    /// The machine, where it is known.
    pub machine: Option<&'a str>,
    /// Its zone.
    pub zone: Option<&'a str>,
}

/// Where machines are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Map {
    zones: BTreeMap<Arc<str>, Option<Arc<str>>>,
    addresses: HashMap<IpAddr, Arc<str>>,
    ranges: HashMap<Range, Arc<str>>,
    /// The lengths that ranges have, IPv6 ones apart.
    lengths: BTreeSet<(bool, u8)>,
}

impl Map {
    /// Of these machines, by name. What is no range is passed over.
    #[must_use]
    pub fn new(machines: &BTreeMap<String, MachineView>) -> Self {
        let mut map = Self::default();
        for (name, machine) in machines {
            let name: Arc<str> = name.as_str().into();
            map.zones.insert(Arc::clone(&name), machine.zone.as_deref().map(Into::into));
            for address in &machine.addresses {
                map.addresses.insert(*address, Arc::clone(&name));
            }
            for range in machine.ranges.iter().filter_map(|range| Range::parse(range)) {
                map.lengths.insert((range.v6, range.length));
                map.ranges.insert(range, Arc::clone(&name));
            }
        }
        map
    }

    /// The zone of a machine.
    #[must_use]
    pub fn zone(&self, machine: &str) -> Option<Arc<str>> {
        self.zones.get(machine).cloned().flatten()
    }

    /// Where an address is: that of a machine, or of one of its pods.
    #[must_use]
    pub fn spot(&self, ip: IpAddr) -> Spot<'_> {
        let ip = ip.to_canonical();
        let in_range = || {
            let mut lengths = self.lengths.iter().rev().filter(|(v6, _)| *v6 == ip.is_ipv6());
            lengths.find_map(|(_, length)| self.ranges.get(&Range::of(ip, *length)))
        };
        let machine = self.addresses.get(&ip).or_else(in_range).map(AsRef::as_ref);
        let zone = machine.and_then(|machine| self.zones.get(machine)?.as_deref());
        Spot { machine, zone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, zone: &str, address: &str, ranges: &[&str]) -> (String, MachineView) {
        let view = MachineView {
            zone: Some(zone.to_owned()),
            addresses: vec![address.parse().unwrap()],
            ranges: ranges.iter().map(|range| (*range).to_owned()).collect(),
        };
        (name.to_owned(), view)
    }

    #[test]
    fn a_client_is_where_its_machine_is_and_a_pod_where_its_range_is() {
        let a = machine("a", "east", "192.168.0.1", &["10.244.0.0/24", "fd00:0:0:1::/64"]);
        let b = machine("b", "west", "192.168.0.2", &["10.244.1.0/24", "10.244.0.128/25", "odd"]);
        let map = Map::new(&[a, b].into());
        for (ip, machine, zone) in [
            ("192.168.0.2", Some("b"), Some("west")),
            ("10.244.0.7", Some("a"), Some("east")),
            ("::ffff:10.244.1.7", Some("b"), Some("west")),
            ("10.244.0.200", Some("b"), Some("west")),
            ("fd00:0:0:1::9", Some("a"), Some("east")),
            ("fd00:0:0:2::9", None, None),
            ("10.244.2.7", None, None),
        ] {
            assert_eq!(map.spot(ip.parse().unwrap()), Spot { machine, zone }, "{ip}");
        }
        assert_eq!(map.zone("a").as_deref(), Some("east"));
        assert_eq!(map.zone("c"), None);
    }

    #[test]
    fn what_is_no_range_is_none() {
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/", "fd00::/129"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
        assert_eq!(Range::parse("0.0.0.0/0"), Range::parse("10.0.0.0/0"));
    }
}
