//! Who sent a request to one of the operator's listeners. What a caller may do is judged where it is asked for.

use std::net::IpAddr;
use std::sync::Arc;

use sluice_identity::PodIdentity;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The address it came from.
    pub ip: IpAddr,
    /// How far it is trusted.
    pub trust: Trust,
}

/// How far a caller is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anyone who reaches the plain port.
    Anyone,
    /// The pod whose token came over TLS.
    Pod(Arc<PodIdentity>),
    /// A process of the same machine, in local mode: proxies there have no token.
    Local,
}
