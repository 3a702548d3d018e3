//! From Secrets to what TLS serves with. Pure. Errors name Secrets and keys and never quote them.

use std::sync::Arc;

use sluice_wire::access::Https as Spec;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error as TlsError, RootCertStore, ServerConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::names;
use crate::secrets::{SecretError, Secrets};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITIES: &str = "ca.crt";

/// What is spoken inside TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// What to serve with.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// When its certificate expires, in seconds since 1970.
    pub(super) not_after: i64,
}

/// Why Secrets can't be served with.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaterialError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("key {key:?} of secret {secret:?} holds {what}")]
    Content { secret: String, key: &'static str, what: &'static str },
    #[error("{KEY:?} of secret {0:?} is not the key of the certificate in {CERTIFICATE:?}")]
    OtherKey(String),
    #[error("secret {secret:?} can't be served with: {source}")]
    Tls { secret: String, source: TlsError },
}

/// Reads what is named.
pub(super) fn load(spec: &Spec, secrets: &Secrets) -> Result<Loaded, MaterialError> {
    let chain = certificates(&spec.secret, CERTIFICATE, secrets)?;
    let not_after = chain.first().and_then(names::not_after).ok_or_else(|| {
        let what = "a certificate that can't be read";
        MaterialError::Content { secret: spec.secret.clone(), key: CERTIFICATE, what }
    })?;
    // The reader's own error quotes the line that it stumbled over.
    let key = PrivateKeyDer::from_pem_slice(secrets.text(&spec.secret, KEY)?.as_bytes()).map_err(|_| {
        MaterialError::Content { secret: spec.secret.clone(), key: KEY, what: "no private key in PEM" }
    })?;
    let of_tls = |source| match source {
        TlsError::InconsistentKeys(_) => MaterialError::OtherKey(spec.secret.clone()),
        source => MaterialError::Tls { secret: spec.secret.clone(), source },
    };
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(of_tls)?;
    let verified = match &spec.client_ca_secret {
        Some(secret) => versions.with_client_cert_verifier(verifier(secret, secrets)?),
        None => versions.with_no_client_auth(),
    };
    let mut config = verified.with_single_cert(chain, key).map_err(of_tls)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    if spec.client_ca_secret.is_some() {
        // A session that is resumed would not have its certificate looked at again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Ok(Loaded { config: Arc::new(config), not_after })
}

fn verifier(secret: &str, secrets: &Secrets) -> Result<Arc<dyn ClientCertVerifier>, MaterialError> {
    let unusable = || MaterialError::Content {
        secret: secret.to_owned(),
        key: AUTHORITIES,
        what: "a certificate that is no authority's, or none that is still valid",
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(secret, AUTHORITIES, secrets)? {
        // Neither is asked of a trust anchor again when a chain ends in it.
        let (_, parsed) = X509Certificate::from_der(&authority).map_err(|_| unusable())?;
        if !parsed.is_ca() {
            return Err(unusable());
        }
        if parsed.validity().is_valid() {
            roots.add(authority.clone()).map_err(|_| unusable())?;
        }
    }
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|_| unusable())
}

/// The certificates of a key, at least one.
fn certificates(
    secret: &str,
    key: &'static str,
    secrets: &Secrets,
) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(secrets.text(secret, key)?.as_bytes()).collect();
    read.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(|| MaterialError::Content {
        secret: secret.to_owned(),
        key,
        what: "no certificate in PEM",
    })
}
