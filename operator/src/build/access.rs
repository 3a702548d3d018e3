//! Who may reach a fleet and report to a stream, in the document's words.
//! It is pure and decides nothing.

use sluice_crds::access::{Listeners, Sources};
use sluice_wire::access as wire;
use sluice_wire::auth::TokenKeys;

/// Ranges that together have every address.
const EVERYONE: [&str; 2] = ["0.0.0.0/0", "::/0"];

pub(super) fn listeners(listeners: &Listeners, keys: Option<&TokenKeys>) -> wire::Listeners {
    let https = listeners.https.as_ref().map(|https| wire::Https {
        secret: https.secret.clone(),
        client_ca_secret: https.client_ca.as_ref().map(|ca| ca.secret.clone()),
    });
    // One that is no range is nobody's, and nobody is believed for it.
    let trusted_proxies = listeners.trusted_proxies.iter().filter_map(|text| text.parse().ok()).collect();
    wire::Listeners { https, trusted_proxies, token_keys: keys.cloned() }
}

/// A rule keeps the lists to what are ranges. Should it not be there, one that is none shuts everyone out: what is left of
/// a list could let in whom the whole does not.
pub(super) fn sources(sources: &Sources) -> wire::Sources {
    let client_names = sources.client_names.clone();
    match (cidrs(&sources.allow), cidrs(&sources.deny)) {
        (Ok(allow), Ok(deny)) => wire::Sources { allow, deny, client_names },
        _ => {
            let deny = EVERYONE.iter().filter_map(|text| text.parse().ok()).collect();
            wire::Sources { allow: Vec::new(), deny, client_names }
        }
    }
}

fn cidrs(texts: &[String]) -> Result<Vec<wire::Cidr>, wire::NotACidr> {
    texts.iter().map(|text| text.parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(allow: &[&str], deny: &[&str]) -> wire::Sources {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        sources(&Sources { allow: texts(allow), deny: texts(deny), client_names: Vec::new() })
    }

    fn shuts_out(sources: &wire::Sources, address: &str) -> bool {
        sources.deny.iter().any(|range| range.contains(address.parse().unwrap()))
    }

    #[test]
    fn a_list_with_what_is_no_range_lets_nobody_in() {
        let odd: [(&[&str], &[&str]); 4] = [
            (&["10.0.0.0"], &[]),
            (&["10.0.0.0/8", "10.0.0/8"], &[]),
            (&[], &["10.9.0.0/33"]),
            (&["10.0.0.0/8"], &["10.9.0.0/16", ""]),
        ];
        for (allow, deny) in odd {
            let built = built(allow, deny);
            for address in ["10.0.0.1", "255.1.2.3", "::1", "fd00::1", "::ffff:10.0.0.1"] {
                assert!(shuts_out(&built, address), "{allow:?} {deny:?} {address}");
            }
        }
    }

    #[test]
    fn lists_of_ranges_are_what_they_say() {
        assert!(built(&[], &[]).is_empty());
        let built = built(&["10.0.0.0/8"], &["10.9.0.0/16"]);
        assert_eq!(built.allow, ["10.0.0.0/8".parse::<wire::Cidr>().unwrap()]);
        assert!(shuts_out(&built, "10.9.0.1") && !shuts_out(&built, "10.1.0.1"));
    }

    #[test]
    fn what_is_no_range_is_no_trusted_proxy() {
        let trusted_proxies = ["10.1.0.0/16", "10.2.0.0"].map(str::to_owned).into();
        let built = listeners(&Listeners { trusted_proxies, ..Listeners::default() }, None);
        assert_eq!(built.trusted_proxies, ["10.1.0.0/16".parse::<wire::Cidr>().unwrap()]);
    }
}
