//! Who puts a proxy into a pod that asks for one: what is asked, and what is answered.

use std::fmt;

use futures_util::future::BoxFuture;
use json_patch::Patch;
use serde_json::Value;

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

/// What is done to a pod, or why it can't be made as it is.
pub type Injected<'a> = BoxFuture<'a, Result<Injection, String>>;

/// Puts proxies into pods. It writes nothing.
pub trait Injector: fmt::Debug + Send + Sync {
    /// What is to be done to a pod.
    ///
    /// # Errors
    /// Why it can't be made as it is, and what to do.
    fn inject<'a>(&'a self, pod: Pod<'a>) -> Injected<'a>;
}
