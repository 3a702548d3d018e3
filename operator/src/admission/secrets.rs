//! Whether a Secret with tokens is there that a stream names: asked of the API server, which has the last word, and briefly.
//! It is no more than a hint, so whatever goes wrong says nothing. Anybody may send a review: whether other Secrets are there
//! is not told, nor what this one holds.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sluice_crds::DataStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::sidecars::is_name;
use crate::credentials::TYPE;

/// How long the API server may take: it waits for the review meanwhile, for 3 s.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many such questions are asked at once.
const LOOKS: usize = 4;

/// Looks for Secrets.
pub(super) struct Secrets {
    client: Client,
    looks: Semaphore,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Asks with `client`.
    pub(super) const fn new(client: Client) -> Self {
        Self { client, looks: Semaphore::const_new(LOOKS) }
    }

    /// What whoever writes a stream in `namespace` should know of the Secret that it names and did not name `before`.
    pub(super) async fn warning(
        &self,
        namespace: &str,
        stream: &DataStream,
        before: Option<&DataStream>,
    ) -> Option<String> {
        let name = named(stream)?;
        if before.and_then(named) == Some(name) {
            return None;
        }
        // Whoever asks writes the namespace.
        if !is_name(namespace, b"-", 63) || !is_name(name, b"-.", 253) {
            return None;
        }
        let is_there = timeout(PATIENCE, self.has_tokens(namespace, name)).await.ok()??;
        (!is_there).then(|| {
            format!(
                "spec.auth.tokensSecret.name: there is no Secret {name} of type {TYPE} in namespace {namespace} yet; \
                 until it is made nobody can report"
            )
        })
    }

    /// Whether there is such a Secret for tokens; `None` if that can't be said.
    async fn has_tokens(&self, namespace: &str, name: &str) -> Option<bool> {
        let _turn = self.looks.acquire().await.ok()?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = secrets.get_opt(name).await.ok()?;
        Some(found.is_some_and(|secret| secret.type_.as_deref() == Some(TYPE)))
    }
}

fn named(stream: &DataStream) -> Option<&str> {
    Some(stream.spec.auth.as_ref()?.tokens_secret.as_ref()?.name.as_str())
}
