//! What is read of a certificate, and certificates as PEM.
//! Whether it is to be believed is for others to say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::Broken;
use crate::hex;

/// Certificates that are read of one text, at most.
const MAX_READ: usize = 32;
/// Characters of a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

/// From when until when something holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

impl Span {
    /// When `part` of `whole` parts of it are over.
    pub(crate) const fn at(self, part: u64, whole: u64) -> u64 {
        self.from + self.until.saturating_sub(self.from) / whole * part
    }
}

/// A certificate, and what is read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    /// SHA-256 of the whole.
    pub(crate) id: String,
    pub(crate) span: Span,
    /// DNS names it is for.
    pub(crate) names: Vec<String>,
    pub(crate) is_authority: bool,
    /// The public key, as DER.
    pub(crate) key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn read(der: CertificateDer<'static>) -> Result<Self, Broken> {
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| Broken::Certificate)?;
        let time = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        let (from, until) = (time(parsed.validity().not_before), time(parsed.validity().not_after));
        let names = names(&parsed);
        let (is_authority, key) = (parsed.is_ca(), parsed.public_key().raw.to_vec());
        Ok(Self { id: hex::sha256(&der), span: Span { from, until }, names, is_authority, key, der })
    }

    /// The certificates in a text, in their order.
    pub(crate) fn all(pem: &[u8]) -> Result<Vec<Self>, Broken> {
        CertificateDer::pem_slice_iter(pem)
            .take(MAX_READ)
            .map(|der| Self::read(der.map_err(|_| Broken::Certificate)?))
            .collect()
    }

    /// Whether `issuer` has signed it.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> bool {
        let (Ok((_, parsed)), Ok((_, issuer))) =
            (X509Certificate::from_der(&self.der), X509Certificate::from_der(&issuer.der))
        else {
            return false;
        };
        parsed.issuer() == issuer.subject() && parsed.verify_signature(Some(issuer.public_key())).is_ok()
    }

    /// As PEM.
    pub(crate) fn pem(&self) -> String {
        let text = STANDARD.encode(&self.der);
        let mut pem = String::with_capacity(text.len() + text.len() / LINE + 64);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, further) = rest.split_at(rest.len().min(LINE));
            pem.push_str(line);
            pem.push('\n');
            rest = further;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let extensions = parsed.extensions().iter().map(x509_parser::extensions::X509Extension::parsed_extension);
    extensions
        .filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}
