//! A certificate authority of the test's own, with a broker's and a client's certificate.
//! Nothing of it is kept: each test makes its own.

use crate::tls::{Authority, Pair, SERVER};

/// PEM texts.
#[derive(Debug)]
pub struct Certificates {
    authority: Authority,
    broker: Pair,
    client: Pair,
}

impl Certificates {
    /// Makes all of them; the broker's is for `localhost`.
    ///
    /// # Panics
    /// When a key can't be made.
    #[must_use]
    pub fn generate() -> Self {
        let authority = Authority::generate();
        let [broker, client] = [SERVER, "proxy"].map(|name| authority.issue(name));
        Self { authority, broker, client }
    }

    /// The authority's certificate.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.certificate()
    }

    /// The broker's key and chain, one after the other, as Kafka's PEM store wants them.
    #[must_use]
    pub fn broker_keystore(&self) -> String {
        format!("{}{}{}", self.broker.key, self.broker.certificate, self.authority.certificate())
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
