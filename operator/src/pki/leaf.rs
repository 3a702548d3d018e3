//! The leaf: the certificate that replicas serve with, its key, and the authorities that are still needed for it.
//!
//! Its Secret remembers former authorities too: each until the last certificate that it signed has expired.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::authority::{Authority, params};
use super::certificate::Certificate;
use super::secret::{AUTHORITIES, CERTIFICATE, KEY};
use super::{Broken, MakeError};

/// How long a leaf lasts, in seconds: 90 days.
const LIFE: u64 = 90 * 24 * 60 * 60;

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A leaf as its Secret holds it.
pub(crate) struct Leaf {
    pub(crate) certificate: Certificate,
    /// The authority that signed it.
    pub(crate) issuer: Certificate,
    /// Former authorities, and until when certificates of theirs hold, in seconds since 1970.
    pub(crate) former: Vec<(Certificate, u64)>,
    key: Arc<CertifiedKey>,
}

impl Leaf {
    /// Reads the data of its Secret, and `former`: by an authority's id, until when it is needed.
    pub(crate) fn read(
        data: &BTreeMap<String, ByteString>,
        former: &BTreeMap<String, u64>,
    ) -> Result<Self, Broken> {
        let part = |name: &str| data.get(name).map(|part| part.0.as_slice());
        let chain = Certificate::all(part(CERTIFICATE).ok_or(Broken::Certificate)?)?;
        let certificate = chain.first().cloned().ok_or(Broken::Certificate)?;
        let key = pair(chain, part(KEY).ok_or(Broken::Key)?)?;
        let authorities = Certificate::all(part(AUTHORITIES).ok_or(Broken::Unsigned)?)?;
        let signs = |authority: &&Certificate| authority.is_authority && certificate.is_signed_by(authority);
        let issuer = authorities.iter().find(signs).cloned().ok_or(Broken::Unsigned)?;
        let known = |authority: Certificate| former.get(&authority.id).map(|until| (authority, *until));
        let others = authorities.into_iter().filter(|authority| authority.id != issuer.id);
        let former = others.filter_map(known).collect();
        Ok(Self { certificate, issuer, former, key })
    }

    /// What connections are served with.
    ///
    /// # Errors
    /// A mistake in the product.
    pub(crate) fn config(&self) -> Result<ServerConfig, rustls::Error> {
        served(&self.key)
    }
}

/// A certificate, with those between it and its authority, and the key of it.
pub(super) fn pair(chain: Vec<Certificate>, key: &[u8]) -> Result<Arc<CertifiedKey>, Broken> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Broken::Key)?;
    let chain = chain.into_iter().map(|certificate| certificate.der).collect();
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
    pair.map(Arc::new).map_err(|_| Broken::Key)
}

/// What connections are served with.
pub(super) fn served(key: &Arc<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl Authority {
    /// Signs a leaf for these DNS names, at `now` in seconds since 1970. It never outlasts the authority.
    pub(crate) fn sign(&self, names: &[String], now: u64) -> Result<Pair, MakeError> {
        let key = KeyPair::generate()?;
        let mut params = params(now, (now + LIFE).min(self.certificate.span.until));
        let dns = |name: &String| Ok(SanType::DnsName(name.as_str().try_into()?));
        params.subject_alt_names = names.iter().map(dns).collect::<Result<_, rcgen::Error>>()?;
        if let Some(name) = names.first() {
            // A common name has at most 64 characters, and nobody reads it.
            params.distinguished_name.push(DnType::CommonName, name.chars().take(64).collect::<String>());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}
