//! Who puts a proxy into a pod that asks for one: what is asked, and what is answered.
//! First it is looked for what the pod names, which may take a while; then all of the pod is looked at, which takes room.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use json_patch::Patch;
use serde_json::Value;
use sluice_crds::{DataStream, ProxyFleet};
use tokio::time::Instant;

/// A pod that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// The namespace that it is to be in, by the request: a pod of a workload does not say it itself.
    pub namespace: &'a str,
    /// All of it.
    pub pod: &'a Value,
    /// Whether nothing comes of it.
    pub dry_run: bool,
}

/// What is done to a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injection {
    /// What is changed of it.
    pub patch: Patch,
    /// What whoever makes it should know.
    pub warnings: Vec<String>,
}

/// What a pod names, as far as it is there.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// The fleet.
    pub fleet: Option<Arc<ProxyFleet>>,
    /// The stream, where the pod names one.
    pub stream: Option<Arc<DataStream>>,
}

/// What a pod names, or why that can't be said; `None` where it asks for no proxy.
pub type Looked<'a> = BoxFuture<'a, Result<Option<Named>, String>>;

/// Puts proxies into pods. It writes nothing.
pub trait Injector: fmt::Debug + Send + Sync {
    /// What a pod in `namespace` names, of which `head` has the labels and annotations; it is found out by then.
    ///
    /// # Errors
    /// Why that can't be said, and what to do.
    fn look<'a>(&'a self, namespace: &'a str, head: &'a Value, by: Instant) -> Looked<'a>;

    /// What is to be done to a pod that names this.
    ///
    /// # Errors
    /// Why it can't be made as it is, and what to do.
    fn inject(&self, pod: Pod<'_>, named: &Named) -> Result<Injection, String>;
}
