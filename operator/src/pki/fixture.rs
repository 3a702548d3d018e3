//! A certificate that is served and the bundle that it is trusted by, for tests of other modules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;

use super::Bundle;
use super::authority::Authority;
use super::bundle::bundle;
use super::leaf::Leaf;
use super::secret;

/// A leaf of a new authority, for `host`.
pub(crate) fn served(host: &str) -> (Arc<ServerConfig>, Bundle) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let made = secret::new_authority(None, "ca", Authority::make("test", now).unwrap());
    let authority = Authority::read(&made.data.unwrap()).unwrap();
    let pair = authority.sign(&[host.to_owned()], now).unwrap();
    let made = secret::new_leaf(None, "tls", pair, &authority.certificate, &[]);
    let leaf = Leaf::read(&made.data.unwrap(), &BTreeMap::new()).unwrap();
    let bundle = bundle(Some(&authority.certificate), Some(&leaf), now).unwrap();
    (Arc::new(leaf.config().unwrap()), bundle)
}

/// A client that trusts `bundle`.
pub(crate) fn client(bundle: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
