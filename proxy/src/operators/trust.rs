//! TLS towards operators: authorities out of a file, read again at each connection and used anew where they are others.
//! A certificate is checked for the name that was asked for, whatever address was dialled.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::OperatorError;

/// The longest file of authorities, in bytes.
const LONGEST: u64 = 1 << 20;

/// What certificates are checked against.
#[derive(Debug)]
pub(super) struct Trust {
    path: PathBuf,
    held: Mutex<Option<Held>>,
}

/// Authorities as they were read, and what was made of them.
#[derive(Clone, Debug)]
struct Held {
    pem: Arc<[u8]>,
    config: Arc<ClientConfig>,
}

impl Trust {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, held: Mutex::default() }
    }

    /// Speaks TLS on a connection, as a client of `host`.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, OperatorError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| OperatorError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let connector = TlsConnector::from(self.config().await?);
        connector.connect(name, stream).await.map_err(OperatorError::Tls)
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, OperatorError> {
        let (path, held) = (self.path.clone(), self.held());
        let made = tokio::task::spawn_blocking(move || renewed(&path, held)).await;
        let held = made.unwrap_or_else(|error| Err(error.to_string())).map_err(OperatorError::Authorities)?;
        let config = Arc::clone(&held.config);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(config)
    }

    fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is held, or where the file's content is another, what is made of that.
fn renewed(path: &Path, held: Option<Held>) -> Result<Held, String> {
    let described = |error: io::Error| format!("{}: {error}", path.display());
    let mut pem = Vec::new();
    File::open(path).map_err(described)?.take(LONGEST + 1).read_to_end(&mut pem).map_err(described)?;
    if pem.len() as u64 > LONGEST {
        return Err(format!("{}: longer than {LONGEST} bytes", path.display()));
    }
    if let Some(held) = held.filter(|held| *held.pem == *pem) {
        return Ok(held);
    }
    let config = config(&pem).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Held { pem: pem.into(), config: Arc::new(config) })
}

fn config(pem: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    // Both ends are this product's own, so there is nothing older to speak.
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
