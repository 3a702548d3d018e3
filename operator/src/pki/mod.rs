//! The operator's own authority, and the certificate that its replicas serve proxies with.
//! It signs nothing but that one certificate, and takes nothing for true that stands outside the operator's namespace:
//! who may write ConfigMaps elsewhere decides nothing about whom other namespaces trust.
//!
//! | module | holds |
//! |---|---|
//! | `certificate` | what is read of a certificate |
//! | `authority`, `leaf` | the two pairs of certificate and key: read, and made |
//! | `decide` | what is to be done, by what there is and the time; pure |
//! | `secret` | the Secrets in which both stand |
//! | `bundle` | whom proxies are to trust |
//! | `state` | both Secrets as they were seen, and as they are to be |
//! | `outs` | who has to have a bundle before a new authority signs |
//! | `keep` | the task: watches, decides, and writes while this operator leads |
//! | `given`, `files` | a certificate that somebody else keeps: read of files, and served; a task in place of all that |
//!
//! A new authority signs only once every namespace with a fleet has had it in its trust bundle for a while. Until then
//! the certificate of the former one is served, and the former one stays in the bundle until that certificate has
//! expired: so nothing that happens to the authority's Secret cuts a proxy off.

mod authority;
mod bundle;
mod certificate;
mod decide;
mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod given;
mod keep;
mod leaf;
mod outs;
mod secret;
mod state;

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

pub use files::Files;
pub use keep::Keeper;
pub use outs::Outs;
pub use state::Settings;

/// The text of a trust bundle: certificates as PEM.
pub type Bundle = Arc<str>;

/// What the rest of the operator has of it.
#[derive(Debug)]
pub struct Kept {
    /// What connections are served with; none while there is no certificate.
    pub configs: watch::Receiver<Option<Arc<ServerConfig>>>,
    /// The bundle that every namespace with a fleet is to have.
    pub bundles: watch::Receiver<Option<Bundle>>,
}

/// Why a pair is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the certificate is missing or can't be read")]
    Certificate,
    #[error("the key is missing, can't be read or is another's")]
    Key,
    #[error("the certificate is no authority's")]
    NoAuthority,
    #[error("no authority beside the certificate has signed it")]
    Unsigned,
}

/// Why a pair can't be made. It is a mistake in the product, or a system without random numbers.
#[derive(Debug, thiserror::Error)]
#[error("a certificate can't be made: {0}")]
pub(crate) struct MakeError(#[from] rcgen::Error);

#[cfg(test)]
mod tests;
