//! TLS between the operator's listener and simulated proxies: a certificate that signs itself, in a folder that both
//! sides are told of.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;

/// The name that it is for.
pub(crate) const HOST: &str = "operator.bench";
const CERTIFICATE: &str = "certificate.der";
const KEY: &str = "key.der";

/// Makes one.
pub(crate) fn make(folder: &Path) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
    std::fs::write(folder.join(CERTIFICATE), cert.der()).expect("a folder to write in");
    std::fs::write(folder.join(KEY), signing_key.serialize_der()).expect("a folder to write in");
}

fn certificate(folder: &Path) -> CertificateDer<'static> {
    std::fs::read(folder.join(CERTIFICATE)).expect("a certificate").into()
}

/// What the listener serves with, as the operator's own does.
pub(crate) fn server(folder: &Path) -> ServerConfig {
    let key = std::fs::read(folder.join(KEY)).expect("a key");
    let key = PrivateKeyDer::try_from(key).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(folder)], key)
        .expect("a key of the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// What clients connect with.
pub(crate) fn connector(folder: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(folder)).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
