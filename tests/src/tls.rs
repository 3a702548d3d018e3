//! TLS as producers speak it: authorities and certificates of a test's own, and a client that sends any bytes.
//! It repairs nothing, and nothing of it is kept.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::http::{Answer, PATIENCE};

/// The name that certificates of servers are for.
pub const SERVER: &str = "localhost";

/// Who issues certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When a key can't be made.
    #[must_use]
    pub fn generate() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "sluice tests");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a DNS name or, with `://` in it, a URI.
    ///
    /// # Panics
    /// When it is neither.
    #[must_use]
    pub fn issue(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let text = name.try_into().expect("an ASCII name");
        let name = if name.contains("://") { SanType::URI(text) } else { SanType::DnsName(text) };
        params.subject_alt_names = vec![name];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// How a client connects.
#[derive(Clone, Debug)]
pub struct Client(Arc<ClientConfig>);

impl Client {
    /// One that trusts these authorities and has a certificate or none.
    ///
    /// # Panics
    /// When these are no PEM.
    #[must_use]
    pub fn new(authorities: &[&Authority], own: Option<&Pair>) -> Self {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(certificate(&authority.certificate)).expect("an authority");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
                config
                    .with_client_auth_cert(vec![certificate(&own.certificate)], key)
                    .expect("its certificate")
            }
        };
        Self(Arc::new(config))
    }

    /// A connection.
    ///
    /// # Errors
    /// Nobody listens, or one side does not take the other's certificate. With TLS 1.3 a client may learn only with its
    /// first answer that it is not let in.
    pub fn connect(&self, address: &str) -> io::Result<Connection> {
        self.connect_to(SERVER, address)
    }

    /// A connection to whoever has a certificate for `name`, wherever that is.
    ///
    /// # Errors
    /// As [`Self::connect`].
    ///
    /// # Panics
    /// When it is no name.
    pub fn connect_to(&self, name: &str, address: &str) -> io::Result<Connection> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let tls = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let mut stream = StreamOwned::new(tls, socket);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Connection { stream, read: Vec::new() })
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Errors
    /// As [`Self::connect`], or the connection ends before the answer does.
    pub fn exchange(&self, address: &str, request: &[u8]) -> io::Result<Answer> {
        self.connect(address)?.exchange(request)
    }
}

/// A connection to a proxy.
#[derive(Debug)]
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// The connection ends before the answer does.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some((answer, length)) = Answer::parse(&self.read) {
                self.read.drain(..length);
                return Ok(answer);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.read.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// The certificate that the other side showed, as its bytes.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.stream.conn.peer_certificates().and_then(<[_]>::first);
        shown.map(|certificate| certificate.to_vec()).unwrap_or_default()
    }
}

impl Pair {
    /// The certificate's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        certificate(&self.certificate).to_vec()
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM")
}
