//! Whom proxies are to trust: the authority, the one whose certificate is served, and former ones until the
//! certificates that they signed have expired.

use super::Bundle;
use super::certificate::Certificate;
use super::leaf::Leaf;

/// Former authorities that are remembered, at most; those needed longest stay.
const MAX_FORMER: usize = 16;

/// The bundle at `now`, in seconds since 1970; none while there is nobody to trust.
pub(crate) fn bundle(authority: Option<&Certificate>, leaf: Option<&Leaf>, now: u64) -> Option<Bundle> {
    let served = leaf.map(|leaf| &leaf.issuer);
    let former = leaf.into_iter().flat_map(|leaf| &leaf.former).filter(|(_, until)| *until > now);
    let mut trusted: Vec<&Certificate> = Vec::new();
    for certificate in authority.into_iter().chain(served).chain(former.map(|(former, _)| former)) {
        if !trusted.iter().any(|known| known.id == certificate.id) {
            trusted.push(certificate);
        }
    }
    let text: String = trusted.into_iter().map(Certificate::pem).collect();
    (!text.is_empty()).then(|| text.into())
}

/// The former authorities to remember once `signer` has signed in place of `leaf`.
pub(crate) fn former<'a>(
    signer: &Certificate,
    leaf: Option<&'a Leaf>,
    now: u64,
) -> Vec<(&'a Certificate, u64)> {
    let last = leaf.map(|leaf| (&leaf.issuer, leaf.certificate.span.until));
    let before = leaf.into_iter().flat_map(|leaf| leaf.former.iter().map(|(former, until)| (former, *until)));
    let mut all: Vec<(&Certificate, u64)> = Vec::new();
    for (former, until) in last.into_iter().chain(before).filter(|(_, until)| *until > now) {
        match all.iter_mut().find(|(known, _)| known.id == former.id) {
            Some((_, known)) => *known = (*known).max(until),
            None => all.push((former, until)),
        }
    }
    all.retain(|(former, _)| former.id != signer.id);
    all.sort_by_key(|(_, until)| std::cmp::Reverse(*until));
    all.truncate(MAX_FORMER);
    all
}
