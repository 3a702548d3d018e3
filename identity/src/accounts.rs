//! Producers by the tokens of their service accounts: verified once, known until they end.
//! It never asks the API server, and a token that holds for longer than two hours is not taken, for it can't be taken back.

use std::sync::Arc;

use sluice_wire::auth::{AUDIENCE, MAX_LIFETIME, TokenKeys};

use crate::{BadKeys, Denied, Keys, Remembered, ServiceAccount, Verifier};

/// Knows producers by their tokens.
#[derive(Debug)]
pub struct Accounts {
    verifier: Arc<Verifier>,
    known: Remembered<ServiceAccount>,
}

impl Accounts {
    /// Verifies with what `verifier` has, whomever that is for.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self { verifier: Arc::new(verifier.for_audience(AUDIENCE)), known: Remembered::default() }
    }

    /// Verifies with the keys of a configuration.
    ///
    /// # Errors
    /// [`BadKeys`].
    pub fn from_keys(keys: &TokenKeys) -> Result<Self, BadKeys> {
        let set = Keys::from_jwks(&serde_json::to_vec(&keys.jwks)?)?;
        Ok(Self::new(&Verifier::new(AUDIENCE, keys.issuer.clone(), set)))
    }

    /// Whether it verifies with the same as another.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.verifier == other.verifier
    }

    /// Whose token it is, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`Denied::Refused`].
    pub fn of(&self, token: &str, now: u64) -> Result<Arc<ServiceAccount>, Denied> {
        let verify = || {
            let verified = self.verifier.account(token, MAX_LIFETIME, now)?;
            Ok((verified.account, verified.until))
        };
        Ok(self.known.of(&self.verifier, token, now, verify)?)
    }
}
