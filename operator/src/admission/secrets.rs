//! Whether a Secret with tokens is there that a stream names: asked of the API server, which has the last word, and briefly.
//! It is no more than a hint, so whatever goes wrong says nothing; what the Secret holds is not looked at.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sluice_crds::DataStream;
use tokio::time::timeout;

use super::sidecars::is_name;

/// How long the API server may take: it waits for the review meanwhile, for 3 s.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks for Secrets.
pub(super) struct Secrets(Client);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Asks with `client`.
    pub(super) const fn new(client: Client) -> Self {
        Self(client)
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
        let secrets: Api<Secret> = Api::namespaced(self.0.clone(), namespace);
        let found = timeout(PATIENCE, secrets.get_metadata_opt(name)).await.ok()?.ok()?;
        found.is_none().then(|| {
            format!("spec.auth.tokensSecret.name: there is no Secret {name} in namespace {namespace} yet; until it is made nobody can report")
        })
    }
}

fn named(stream: &DataStream) -> Option<&str> {
    Some(stream.spec.auth.as_ref()?.tokens_secret.as_ref()?.name.as_str())
}
