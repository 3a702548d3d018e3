//! Who sends the requests of a listener: each listener has its own way to know.
//! What a caller may do is not judged here.

use std::net::IpAddr;

use http::HeaderMap;

use crate::caller::{Caller, Trust};

/// Why a caller is not known: words for its answer, which name no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Stranger(pub String);

/// Says who sends a listener's requests.
pub trait Callers: Send + Sync + 'static {
    /// Who sent a request with these headers from this address.
    ///
    /// # Errors
    /// The request does not say so in a way that can be believed; it is answered with 401.
    fn caller(&self, ip: IpAddr, headers: &HeaderMap) -> Result<Caller, Stranger>;
}

/// Callers of a plain listener: all are trusted alike.
#[derive(Clone, Debug)]
pub struct Plain(pub Trust);

impl Callers for Plain {
    fn caller(&self, ip: IpAddr, _headers: &HeaderMap) -> Result<Caller, Stranger> {
        Ok(Caller { ip, trust: self.0.clone() })
    }
}
