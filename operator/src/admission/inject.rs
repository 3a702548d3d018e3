//! Who puts a proxy into a pod that asks for one. Here is what is asked and what is answered, and who answers as long as no
//! fleet has the mode for it.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use json_patch::Patch;
use serde_json::Value;

use crate::marks::INJECT;

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

/// Puts proxies into pods. It writes nothing.
pub trait Injector: fmt::Debug + Send + Sync {
    /// What is to be done to a pod.
    ///
    /// # Errors
    /// Why it can't be made as it is, and what to do.
    fn inject<'a>(&'a self, pod: Pod<'a>) -> BoxFuture<'a, Result<Injection, String>>;
}

/// No fleet has a proxy for pods: one that asks for it is refused, and never goes without.
#[derive(Debug)]
struct NoSidecars;

impl Injector for NoSidecars {
    fn inject<'a>(&'a self, Pod { namespace, pod, .. }: Pod<'a>) -> BoxFuture<'a, Result<Injection, String>> {
        let pointer = format!("/metadata/labels/{}", INJECT.replace('/', "~1"));
        let fleet = pod.pointer(&pointer).and_then(Value::as_str);
        let answer = fleet.map_or_else(
            || Ok(Injection::default()),
            |fleet| {
                Err(format!(
                    "label {INJECT}: ProxyFleet {namespace}/{fleet}: this fleet is not of mode Sidecar; take the label off"
                ))
            },
        );
        Box::pin(std::future::ready(answer))
    }
}

/// The one that puts no proxy into any pod.
#[must_use]
pub fn none() -> Arc<dyn Injector> {
    Arc::new(NoSidecars)
}
