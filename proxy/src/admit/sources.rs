//! Who may report to a stream: by address, and by the names in a client's certificate.
//! A denied address is refused whatever else is allowed; whoever can't be told is refused where somebody is.

use std::net::IpAddr;

use sluice_wire::access::Sources;

/// A name in a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientName {
    /// A DNS name.
    Dns(String),
    /// A URI, such as a SPIFFE id.
    Uri(String),
}

/// How a client is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientNames {
    /// It has no certificate, or none was asked for.
    #[default]
    None,
    /// By its certificate, which is verified; it may have no name at all.
    Some(Vec<ClientName>),
}

/// Why a stream takes nothing from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceRefused {
    /// Its address is denied.
    #[error("the stream takes no reports from {0}")]
    Denied(IpAddr),
    /// Its address is not allowed.
    #[error("the stream takes no reports from {0}")]
    NotAllowed(IpAddr),
    /// A proxy that is trusted says nothing usable of its address.
    #[error("X-Forwarded-For does not say what the client's address is")]
    Unknown,
    /// It has no certificate.
    #[error("the stream takes reports over https with a client's certificate only")]
    NoCertificate,
    /// Its certificate has none of the names.
    #[error("the stream takes no reports from the names in this client's certificate")]
    OtherName,
}

impl SourceRefused {
    /// Names of the reasons, in the order of [`Self::index`].
    pub const REASONS: [&'static str; 5] =
        ["denied", "not_allowed", "unknown_address", "no_certificate", "other_name"];

    /// Its place in [`Self::REASONS`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Denied(_) => 0,
            Self::NotAllowed(_) => 1,
            Self::Unknown => 2,
            Self::NoCertificate => 3,
            Self::OtherName => 4,
        }
    }
}

/// Whether a client at `address`, where that is known, may report.
///
/// # Errors
/// [`SourceRefused`].
pub fn may_report(
    sources: &Sources,
    address: Option<IpAddr>,
    names: &ClientNames,
) -> Result<(), SourceRefused> {
    if sources.is_empty() {
        return Ok(());
    }
    if !sources.allow.is_empty() || !sources.deny.is_empty() {
        let address = address.ok_or(SourceRefused::Unknown)?;
        if sources.deny.iter().any(|range| range.contains(address)) {
            return Err(SourceRefused::Denied(address));
        }
        if !sources.allow.is_empty() && !sources.allow.iter().any(|range| range.contains(address)) {
            return Err(SourceRefused::NotAllowed(address));
        }
    }
    match names {
        _ if sources.client_names.is_empty() => Ok(()),
        ClientNames::None => Err(SourceRefused::NoCertificate),
        ClientNames::Some(names) => {
            let known =
                |name: &ClientName| sources.client_names.iter().any(|allowed| is_allowed(allowed, name));
            if names.iter().any(known) { Ok(()) } else { Err(SourceRefused::OtherName) }
        }
    }
}

/// A URI is itself alone. A DNS name is so in any case, and `*.` stands for one label, as it does in certificates.
fn is_allowed(allowed: &str, name: &ClientName) -> bool {
    match name {
        ClientName::Uri(uri) => allowed.contains("://") && allowed == uri,
        ClientName::Dns(name) => match (allowed.strip_prefix("*."), name.split_once('.')) {
            (Some(parent), Some((label, rest))) => !label.is_empty() && rest.eq_ignore_ascii_case(parent),
            (Some(_), None) => false,
            (None, _) => !allowed.contains("://") && allowed.eq_ignore_ascii_case(name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(allow: &[&str], deny: &[&str], names: &[&str]) -> Sources {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let client_names = names.iter().map(|&name| name.to_owned()).collect();
        Sources { allow: ranges(allow), deny: ranges(deny), client_names }
    }

    fn from(sources: &Sources, address: &str) -> Result<(), SourceRefused> {
        may_report(sources, Some(address.parse().unwrap()), &ClientNames::None)
    }

    #[test]
    fn a_denied_address_is_refused_whatever_is_allowed() {
        let sources = sources(&["10.0.0.0/8", "fd00::/8"], &["10.9.0.0/16", "fd09::/16"], &[]);
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
            assert_eq!(from(&sources, address), Ok(()), "{address}");
        }
        for address in ["10.9.0.1", "::ffff:10.9.0.1", "fd09::1"] {
            let refused = from(&sources, address).unwrap_err();
            assert!(matches!(refused, SourceRefused::Denied(_)), "{address}");
        }
        for address in ["11.0.0.1", "::1"] {
            let refused = from(&sources, address).unwrap_err();
            assert!(matches!(refused, SourceRefused::NotAllowed(_)), "{address}");
        }
    }

    #[test]
    fn without_an_allow_list_everyone_else_may() {
        let sources = sources(&[], &["10.0.0.0/8"], &[]);
        assert_eq!(from(&sources, "11.0.0.1"), Ok(()));
        assert!(from(&sources, "10.0.0.1").is_err());
    }

    #[test]
    fn who_can_not_be_told_is_refused_where_addresses_count_and_nowhere_else() {
        let none = &ClientNames::None;
        for sources in [sources(&["0.0.0.0/0"], &[], &[]), sources(&[], &["10.0.0.0/8"], &[])] {
            assert_eq!(may_report(&sources, None, none), Err(SourceRefused::Unknown));
        }
        assert_eq!(may_report(&Sources::default(), None, none), Ok(()));
    }

    #[test]
    fn a_client_is_known_by_a_name_of_its_certificate() {
        let wanted = sources(&[], &[], &["orders.shop.svc", "*.pay.svc", "spiffe://c/ns/shop/sa/orders"]);
        let known = |names: Vec<ClientName>| may_report(&wanted, None, &ClientNames::Some(names));
        let dns = |name: &str| ClientName::Dns(name.to_owned());
        let uri = |name: &str| ClientName::Uri(name.to_owned());
        for name in [
            dns("orders.shop.svc"),
            dns("Orders.Shop.SVC"),
            dns("a.pay.svc"),
            uri("spiffe://c/ns/shop/sa/orders"),
        ] {
            assert_eq!(known(vec![dns("other"), name.clone()]), Ok(()), "{name:?}");
        }
        for name in [
            dns("a.orders.shop.svc"),
            dns("shop.svc"),
            dns("pay.svc"),
            dns(".pay.svc"),
            dns("a.b.pay.svc"),
            dns("*.shop.svc"),
            dns("spiffe://c/ns/shop/sa/orders"),
            uri("orders.shop.svc"),
            uri("a.pay.svc"),
            uri("spiffe://c/ns/shop/sa/Orders"),
            uri("spiffe://c/ns/shop/sa/orders/x"),
        ] {
            assert_eq!(known(vec![name.clone()]), Err(SourceRefused::OtherName), "{name:?}");
        }
        assert_eq!(known(Vec::new()), Err(SourceRefused::OtherName));
        assert_eq!(may_report(&wanted, None, &ClientNames::None), Err(SourceRefused::NoCertificate));
    }

    #[test]
    fn a_certificate_does_not_help_a_denied_address() {
        let sources = sources(&[], &["10.0.0.0/8"], &["a"]);
        let names = ClientNames::Some(vec![ClientName::Dns("a".to_owned())]);
        assert_eq!(may_report(&sources, Some("11.0.0.1".parse().unwrap()), &names), Ok(()));
        assert!(may_report(&sources, Some("10.0.0.1".parse().unwrap()), &names).is_err());
    }
}
