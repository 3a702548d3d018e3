//! Finds what a pod names that asks for a sidecar: in what is watched, or, where that has it not, with the API server, since it
//! may have been made just now. What is then put into the pod is worked out elsewhere.

use std::fmt;
use std::sync::Arc;

use kube::api::ListParams;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_crds::{DataStream, ProxyFleet};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::index::Index;
use super::inject::{Injection, Injector, Looked, Named, Pod};
use crate::build::objects::Context;
use crate::inject::{self, Asked, Found};
use crate::names::Name;

/// How many such questions are asked at once.
const LOOKS: usize = 4;

/// Puts sidecars into pods.
pub(super) struct Sidecars {
    index: watch::Receiver<Index>,
    client: Client,
    context: Context,
    /// Looks with the API server: whoever reaches the port can ask for what is not there.
    looks: Semaphore,
}

impl fmt::Debug for Sidecars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidecars").finish_non_exhaustive()
    }
}

impl Sidecars {
    /// Finds in `index`, or through `client`.
    pub(super) fn new(index: watch::Receiver<Index>, client: Client, context: Context) -> Self {
        Self { index, client, context, looks: Semaphore::new(LOOKS) }
    }

    async fn fleet(&self, name: &Name, by: Instant) -> Result<Option<Arc<ProxyFleet>>, String> {
        let known = self.index.borrow().fleet(name).cloned();
        match known {
            Some(known) => Ok(Some(known)),
            None => self.live(name, by).await,
        }
    }

    /// A stream that is about to come to the fleet may be known as it was before.
    async fn stream(&self, name: &Name, fleet: &str, by: Instant) -> Result<Option<Arc<DataStream>>, String> {
        let known = self.index.borrow().stream_of(name).cloned();
        let is_there =
            |stream: &Arc<DataStream>| stream.spec.fleet.as_ref().is_some_and(|of| of.name == fleet);
        match known.filter(is_there) {
            Some(known) => Ok(Some(known)),
            None => self.live(name, by).await,
        }
    }

    async fn live<K>(&self, (namespace, name): &Name, by: Instant) -> Result<Option<Arc<K>>, String>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope> + Clone + DeserializeOwned + fmt::Debug,
        K::DynamicType: Default,
    {
        // Whoever asks writes both: as a path and as a selector they say no more than a name can.
        if !is_name(namespace, b"-", 63) || !is_name(name, b"-.", 253) {
            return Ok(None);
        }
        let Ok(Ok(_turn)) = timeout_at(by, self.looks.acquire()).await else {
            return Err(format!("{namespace}/{name} can't be read now, try again: too many ask"));
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        // To list the one is a right that the operator has already.
        let one = ListParams::default().fields(&format!("metadata.name={name}"));
        match timeout_at(by, api.list(&one)).await {
            Ok(Ok(found)) => Ok(found.items.into_iter().next().map(Arc::new)),
            Ok(Err(error)) => Err(format!("{namespace}/{name} can't be read now, try again: {error}")),
            Err(_) => Err(format!("{namespace}/{name} can't be read now, try again: no answer in time")),
        }
    }

    async fn named(&self, namespace: &str, head: &Value, by: Instant) -> Result<Option<Named>, String> {
        let Some(Asked { fleet, stream }) = inject::asked(head) else { return Ok(None) };
        let in_its_namespace = |name: &str| (namespace.to_owned(), name.to_owned());
        let found = self.fleet(&in_its_namespace(&fleet), by).await?;
        let on = match stream.as_deref() {
            Some(stream) => self.stream(&in_its_namespace(stream), &fleet, by).await?,
            None => None,
        };
        Ok(Some(Named { fleet: found, stream: on }))
    }
}

/// Whether a text can be a name: lower-case letters, digits and some marks.
pub(super) fn is_name(text: &str, marks: &[u8], longest: usize) -> bool {
    let may = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || marks.contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(may)
}

impl Injector for Sidecars {
    fn look<'a>(&'a self, namespace: &'a str, head: &'a Value, by: Instant) -> Looked<'a> {
        Box::pin(self.named(namespace, head, by))
    }

    fn inject(&self, Pod { namespace, pod, .. }: Pod<'_>, named: &Named) -> Result<Injection, String> {
        let found = Found { fleet: named.fleet.as_deref(), stream: named.stream.as_deref() };
        let patch =
            inject::inject(pod, namespace, found, &self.context).map_err(|refusal| refusal.to_string())?;
        let patch = serde_json::from_value(json!(patch)).map_err(|error| error.to_string())?;
        Ok(Injection { patch, warnings: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_never_becomes_a_path_or_a_selector() {
        for name in ["shop", "a-1", &"a".repeat(63)] {
            assert!(is_name(name, b"-", 63), "{name}");
        }
        let long = "a".repeat(64);
        for odd in
            ["", "x/datastreams?limit=0&x=", "a.b", "..", "A", "a b", "a%2f", "a,metadata.namespace=b", &long]
        {
            assert!(!is_name(odd, b"-", 63), "{odd}");
        }
    }
}
