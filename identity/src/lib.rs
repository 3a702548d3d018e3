//! Who sent a request, by a service account's token, verified offline against the keys that the API server publishes.
//! It opens no connection and logs no token.

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
