//! The keys with which pods' tokens are verified: fetched from the API server, held for who asks who a caller is.
//! It sees no token. Only the operator asks the API server for keys, and never about a token.
//!
//! | module | holds |
//! |---|---|
//! | `fetch` | what the API server publishes: its keys and its issuer |
//! | `keep` | when that is fetched |

mod fetch;
#[cfg(test)]
pub(crate) mod fixture;
mod keep;

use std::sync::Arc;

use kube::Client;
use sluice_identity::Verifier;
use sluice_wire::auth::TokenKeys;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use fetch::FetchError;

/// Whom tokens for the operator are meant for.
pub const AUDIENCE: &str = "sluice-operator";

/// What tokens are verified with; clones are the same.
#[derive(Clone, Debug)]
pub struct Tokens {
    verifiers: watch::Receiver<Option<Arc<Verifier>>>,
    again: Arc<Notify>,
}

impl Tokens {
    /// Nothing yet, and where it is put.
    fn empty() -> (Self, watch::Sender<Option<Arc<Verifier>>>) {
        let (sender, verifiers) = watch::channel(None);
        (Self { verifiers, again: Arc::new(Notify::new()) }, sender)
    }

    /// What verifies now; none while no keys were fetched.
    #[must_use]
    pub fn verifier(&self) -> Option<Arc<Verifier>> {
        self.verifiers.borrow().clone()
    }

    /// The keys as a fleet's configuration has them; none while no keys were fetched.
    #[must_use]
    pub fn keys(&self) -> Option<TokenKeys> {
        let verifier = self.verifier()?;
        let (issuer, keys) = verifier.parts();
        Some(TokenKeys { issuer: issuer.cloned(), jwks: keys.to_jwks() })
    }

    /// Ends when what verifies is another.
    ///
    /// # Errors
    /// It will not be another any more.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.verifiers.changed().await
    }

    /// A token has a key that is not known: the API server may have a new one.
    pub fn look_again(&self) {
        self.again.notify_one();
    }

    /// Ends when somebody wants the keys to be looked at again, or has wanted it since the last time.
    pub(crate) async fn asked(&self) {
        self.again.notified().await;
    }

    /// What a test puts in.
    #[cfg(test)]
    pub(crate) fn fixed(verifier: Option<Verifier>) -> (Self, watch::Sender<Option<Arc<Verifier>>>) {
        let (tokens, sender) = Self::empty();
        sender.send_replace(verifier.map(Arc::new));
        (tokens, sender)
    }
}

/// Holds what the API server publishes, and a task that keeps it current until `stop`.
pub fn start(client: Client, stop: CancellationToken) -> (Tokens, impl Future<Output = ()>) {
    let (tokens, sender) = Tokens::empty();
    let fetch = move || {
        let client = client.clone();
        async move { fetch::published(&client).await }
    };
    (tokens.clone(), keep::keep(fetch, tokens, sender, stop))
}
