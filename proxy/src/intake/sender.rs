//! Who sent a request: the peer of its connection or, where that is a proxy that the fleet trusts, the client that it
//! forwards for; and what it shows of itself. Pure but for the look at the catalog and the clock.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use sluice_identity::{Accounts, Credential, Denied};
use sluice_wire::access::Cidr;

use super::connection::Peer;
use super::deliver::Refusal;
use crate::admit::may_report;
use crate::catalog::{Current, Stream};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent a request. It has no form for logs: among the headers may be a token.
pub(super) struct Sender<'a> {
    /// At the other end of the connection.
    pub(super) peer: &'a Peer,
    /// The producer's address, as records name it.
    pub(super) client: Cow<'a, str>,
    /// The producer's address; `None` where a trusted proxy does not say it.
    address: Option<IpAddr>,
    headers: &'a HeaderMap,
}

impl<'a> Sender<'a> {
    /// Who sent a request with these headers.
    pub(super) fn of(peer: &'a Peer, headers: &'a HeaderMap, catalog: &Current) -> Self {
        let own = Self { peer, client: Cow::Borrowed(&peer.client), address: Some(peer.address), headers };
        if !headers.contains_key(FORWARDED_FOR) {
            return own;
        }
        let catalog = catalog.load();
        let trusted = catalog.as_ref().map(|catalog| catalog.trusted_proxies.as_slice()).unwrap_or_default();
        match forwarded_for(peer.address, headers, trusted) {
            Some(address) if address == peer.address => own,
            Some(address) => Self { client: Cow::Owned(address.to_string()), address: Some(address), ..own },
            None => Self { address: None, ..own },
        }
    }

    /// Whether the stream takes reports from it; who is refused is counted.
    ///
    /// # Errors
    /// [`Refusal::Source`].
    pub(super) fn may_report(&self, stream: &Stream) -> Result<(), Refusal> {
        may_report(&stream.spec.sources, self.address, &self.peer.names).map_err(|refused| {
            stream.counters.source_refused(refused);
            Refusal::Source(refused)
        })
    }

    /// Whether it shows what the stream wants to be shown; who does not is counted.
    ///
    /// # Errors
    /// [`Refusal::Denied`].
    pub(super) fn prove(&self, stream: &Stream, accounts: Option<&Accounts>) -> Result<(), Refusal> {
        if stream.guard.is_open() {
            return Ok(());
        }
        let account = |token: &str| accounts.ok_or(Denied::NoKeys)?.of(token, now());
        stream.guard.check(&Credential::of(self.headers), account).map_err(|denied| {
            stream.counters.denied(denied);
            Refusal::Denied(denied)
        })
    }
}

/// Seconds since 1970; 0 on a clock set before.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The rightmost address that is none of the trusted proxies' own: what stands left of it, anyone can have written.
/// Where all are trusted, the leftmost. `None` where it is no address.
fn forwarded_for(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut client = peer;
    if !is_trusted(client) {
        return Some(client);
    }
    let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
    for line in lines.filter(|line| !line.is_empty()) {
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            // An empty one is where a trusted proxy had nothing to say: what stands left of it is another's word.
            client = address(entry.trim_ascii())?;
            if !is_trusted(client) {
                return Some(client);
            }
        }
    }
    Some(client)
}

/// An address as proxies write it: alone, or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = HeaderValue::from_bytes(text).ok()?;
    let text = text.to_str().ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> Option<String> {
        let trusted = ["10.1.0.0/16", "fd00::/16"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        forwarded_for(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn whoever_is_not_trusted_is_the_client_whatever_it_says() {
        assert_eq!(client("10.2.0.1", &["1.2.3.4"]).as_deref(), Some("10.2.0.1"));
        assert_eq!(client("10.2.0.1", &["nonsense"]).as_deref(), Some("10.2.0.1"));
        assert_eq!(client("fd01::1", &["1.2.3.4"]).as_deref(), Some("fd01::1"));
    }

    #[test]
    fn of_a_trusted_proxys_word_the_rightmost_address_that_is_not_trusted_counts() {
        for (lines, wanted) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4 ,10.1.0.7,fd00::2"], "1.2.3.4"),
            (&["9.9.9.9", "1.2.3.4", "10.1.0.7"], "1.2.3.4"),
            (&["spoofed, 1.2.3.4"], "1.2.3.4"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&["1.2.3.4:5678"], "1.2.3.4"),
            (&["[2001:db8::1]:5678"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:DB8::1"], "2001:db8::1"),
            (&["10.1.0.9, 10.1.0.7"], "10.1.0.9"),
            (&[], "10.1.0.1"),
            (&[""], "10.1.0.1"),
        ] {
            assert_eq!(client("10.1.0.1", lines).as_deref(), Some(wanted), "{lines:?}");
        }
        assert_eq!(client("fd00::1", &["1.2.3.4"]).as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn what_is_no_address_is_nobodys() {
        for odd in [
            "1.2.3.4,",
            "1.2.3.4, ,10.1.0.7",
            "unknown",
            "1.2.3.4, _hidden",
            "1.2.3",
            "1.2.3.4:",
            "for=1.2.3.4",
            "fe80::1%eth0",
        ] {
            assert_eq!(client("10.1.0.1", &[odd]), None, "{odd}");
        }
    }
}
