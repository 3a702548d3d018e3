//! Who may reach a fleet and report to a stream, in the document's words.
//! It is pure and decides nothing.

use sluice_crds::access::{Listeners, Sources};
use sluice_wire::access as wire;
use sluice_wire::auth::TokenKeys;

pub(super) fn listeners(listeners: &Listeners, keys: Option<&TokenKeys>) -> wire::Listeners {
    let https = listeners.https.as_ref().map(|https| wire::Https {
        secret: https.secret.clone(),
        client_ca_secret: https.client_ca.as_ref().map(|ca| ca.secret.clone()),
    });
    wire::Listeners { https, trusted_proxies: cidrs(&listeners.trusted_proxies), token_keys: keys.cloned() }
}

pub(super) fn sources(sources: &Sources) -> wire::Sources {
    wire::Sources {
        allow: cidrs(&sources.allow),
        deny: cidrs(&sources.deny),
        client_names: sources.client_names.clone(),
    }
}

/// A rule keeps every one to what is a range.
fn cidrs(texts: &[String]) -> Vec<wire::Cidr> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
