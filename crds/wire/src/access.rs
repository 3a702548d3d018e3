//! Who may reach a fleet, and who may report to a stream: listeners, addresses and the names of clients.
//! It says what is asked for; nothing here looks at a connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::auth::TokenKeys;

/// The most ranges of addresses in one list.
pub const MAX_CIDRS: usize = 64;

/// The most names of clients a stream may list.
pub const MAX_CLIENT_NAMES: usize = 64;

/// The longest name of a client, in bytes.
pub const MAX_CLIENT_NAME: usize = 253;

/// How a fleet is reached beside plain HTTP, and whose word on the client's address is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listeners {
    /// Present: nodes that were started with an address for it take reports over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<Https>,
    /// Whose `X-Forwarded-For` is believed, at most [`MAX_CIDRS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Cidr>,
    /// What producers' service account tokens are verified with; present where a stream asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_keys: Option<TokenKeys>,
}

impl Listeners {
    /// Whether nothing is asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.https.is_none() && self.trusted_proxies.is_empty() && self.token_keys.is_none()
    }
}

/// Reports over TLS. Secrets are named, never held: the node reads them from `<secrets directory>/<name>/<key>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Https {
    /// Secret with `tls.crt` and `tls.key`, the node's certificate.
    pub secret: String,
    /// Secret with `ca.crt`, the authorities of clients' certificates. Present: a client must have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_secret: Option<String>,
}

impl Https {
    /// The Secrets that are named.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.secret.as_str()).chain(self.client_ca_secret.as_deref())
    }
}

/// Who may report to a stream; without anything: whoever reaches it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sources {
    /// Addresses that may, at most [`MAX_CIDRS`]; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Cidr>,
    /// Addresses that may not, whatever is allowed, at most [`MAX_CIDRS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Cidr>,
    /// Names in clients' certificates that may, at most [`MAX_CLIENT_NAMES`]; empty: no certificate is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_names: Vec<String>,
}

impl Sources {
    /// Whether everyone may.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty() && self.client_names.is_empty()
    }
}

/// A range of addresses, such as `10.0.0.0/8` or `fd00::/8`. One of IPv4 addresses written as IPv6 (`::ffff:10.0.0.0/104`)
/// is that of the IPv4 addresses.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// The first address.
    network: IpAddr,
    /// How many bits all its addresses have in common.
    length: u8,
}

/// Not a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACidr;

impl fmt::Display for NotACidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "is no range of addresses; write 10.0.0.0/8 or fd00::/8, and /32 or /128 for a single one",
        )
    }
}

impl std::error::Error for NotACidr {}

impl Cidr {
    /// Whether an address is of it. IPv4 in IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |bits: u8| u32::from(bits - self.length);
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, length) = text.split_once('/').ok_or(NotACidr)?;
        let plain = length == "0" || length.starts_with(|c: char| ('1'..='9').contains(&c));
        let mut length: u8 = length.parse().ok().filter(|_| plain).ok_or(NotACidr)?;
        let address: IpAddr = address.parse().map_err(|_| NotACidr)?;
        if length > if address.is_ipv4() { 32 } else { 128 } {
            return Err(NotACidr);
        }
        // Beyond the first 96 bits an IPv6 range of such addresses is one of IPv4 addresses.
        let canonical = match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) if length >= 96 => {
                length -= 96;
                IpAddr::V4(v4)
            }
            _ => address,
        };
        Ok(Self { network: masked(canonical, length), length })
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error| format!("{text:?} {error}"))
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(cidr: &str, address: &str) -> bool {
        cidr.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_as_it_does() {
        for (cidr, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "9.255.255.255"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.2"),
            ("10.1.2.0/31", "10.1.2.1", "10.1.2.2"),
            ("fd00::/8", "fdff::1", "fc00::1"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
        ] {
            assert!(has(cidr, inside), "{cidr} {inside}");
            assert!(!has(cidr, outside), "{cidr} {outside}");
        }
    }

    #[test]
    fn a_range_of_length_0_is_all_of_its_family_and_nothing_of_the_other() {
        assert!(has("0.0.0.0/0", "255.1.2.3") && has("::/0", "ffff::1"));
        assert!(!has("0.0.0.0/0", "::1") && !has("::/0", "127.0.0.1"));
    }

    #[test]
    fn ipv4_written_as_ipv6_is_ipv4() {
        assert!(has("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(has("::ffff:10.0.0.0/104", "10.1.2.3") && !has("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(!has("::/0", "::ffff:10.1.2.3"), "such a client is an IPv4 client");
        assert_eq!("::ffff:10.1.2.3/104".parse::<Cidr>().unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn it_is_written_with_its_first_address_and_read_back() {
        let cidr: Cidr = serde_json::from_str(r#""2001:DB8:0::ff/32""#).unwrap();
        let text = serde_json::to_string(&cidr).unwrap();
        assert_eq!(text, r#""2001:db8::/32""#);
        assert_eq!(serde_json::from_str::<Cidr>(&text).unwrap(), cidr);
    }

    #[test]
    fn what_is_no_range_is_refused_and_named() {
        for odd in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/8 ",
            "10.0.0/8",
            "010.0.0.0/8",
            "256.0.0.0/8",
            "::/129",
            "fe80::1%eth0/64",
            "[::]/0",
            "a/8",
            "10.0.0.0/-1",
        ] {
            assert_eq!(odd.parse::<Cidr>(), Err(NotACidr), "{odd:?}");
        }
        let error = serde_json::from_str::<Cidr>(r#""10.0.0.0""#).unwrap_err().to_string();
        assert!(error.starts_with(r#""10.0.0.0" is no range"#), "{error}");
    }
}
