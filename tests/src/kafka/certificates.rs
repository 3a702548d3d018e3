//! A certificate authority of the test's own, with a broker's and a client's certificate.
//! Nothing of it is kept: each test makes its own.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// PEM texts.
#[derive(Debug)]
pub struct Certificates {
    authority: String,
    broker: Pair,
    client: Pair,
}

#[derive(Debug)]
struct Pair {
    certificate: String,
    key: String,
}

impl Certificates {
    /// Makes all of them; the broker's is for `localhost`.
    ///
    /// # Panics
    /// When a key can't be made.
    #[must_use]
    pub fn generate() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "sluice tests");
        let authority = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { authority, broker: Pair::issue(&issuer, "localhost"), client: Pair::issue(&issuer, "proxy") }
    }

    /// The authority's certificate.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The broker's key and chain, one after the other, as Kafka's PEM store wants them.
    #[must_use]
    pub fn broker_keystore(&self) -> String {
        format!("{}{}{}", self.broker.key, self.broker.certificate, self.authority)
    }

    /// The client's certificate.
    #[must_use]
    pub fn client_certificate(&self) -> &str {
        &self.client.certificate
    }

    /// The client's key.
    #[must_use]
    pub fn client_key(&self) -> &str {
        &self.client.key
    }
}

impl Pair {
    fn issue(issuer: &Issuer<'_, KeyPair>, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, issuer).expect("a certificate").pem();
        Self { certificate, key: key.serialize_pem() }
    }
}
