//! Who sent a request, by a service account's token, verified offline against the keys that the API server publishes.
//! It opens no connection and logs no token; what a pod may do is for others to say.
//!
//! | module | holds |
//! |---|---|
//! | `keys` | the API server's public keys, out of its JSON Web Key Set |
//! | `token` | a token's parts, as bytes |
//! | `claims` | what a token says, and whom it names |
//! | `verifier` | the checks in their order |
//! | `known` | tokens that were verified before |
//! | `credential` | what a request shows: a token, or InLong's id and key |
//! | `guard` | what a stream wants to be shown |
//! | `accounts` | producers by their service accounts |
//!
//! Only what Kubernetes signs with is accepted: RS256 and ES256. An algorithm belongs to a key, never to the token that
//! names it, so that no public key is ever taken for a secret one.

mod accounts;
mod claims;
mod credential;
mod guard;
mod keys;
mod known;
mod sha256;
mod token;
mod verifier;

pub use accounts::Accounts;
pub use credential::{CHALLENGE, Credential};
pub use guard::{Denied, Guard, digest, mark};
pub use keys::{BadKeys, Keys};
pub use known::Remembered;
pub use token::MAX_TOKEN;
pub use verifier::{LEEWAY, Refused, Verified, VerifiedAccount, Verifier};

/// A pod, as its projected token names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodIdentity {
    /// The pod's namespace.
    pub namespace: String,
    /// The service account it runs as.
    pub service_account: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

#[cfg(test)]
mod tests;
