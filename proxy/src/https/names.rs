//! What a certificate says: the names of its subject, and when it expires. Pure.

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::admit::{ClientName, ClientNames};

/// The most names looked at.
const MAX_NAMES: usize = 256;

/// The DNS names and URIs of a client's certificate. A common name is no name: RFC 9525 gave it up, because nobody says
/// what it holds.
pub(super) fn of(certificate: &CertificateDer<'_>) -> ClientNames {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return ClientNames::Some(Vec::new());
    };
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let all = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let named = all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(ClientName::Dns((*name).to_owned())),
        GeneralName::URI(name) => Some(ClientName::Uri((*name).to_owned())),
        _ => None,
    });
    ClientNames::Some(named.take(MAX_NAMES).collect())
}

/// When a certificate expires, in seconds since 1970; `None` where it is none.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
