//! Whether a Secret with tokens is there that a stream names: asked of the API server, which has the last word, and briefly.
//! It is no more than a hint, so whatever goes wrong says nothing. Anybody may send a review: whether other Secrets are there
//! is not told, nor what this one holds, which is read with it and dropped.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sluice_crds::DataStream;
use tokio::time::{Instant, timeout};

use super::sidecars::is_name;
use crate::credentials::TYPE;

/// How long the API server may take: it waits for the review meanwhile, for 3 s.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many such questions are asked in a second: anybody may send a review.
const A_SECOND: u32 = 10;

/// Looks for Secrets.
pub(super) struct Secrets {
    client: Client,
    pace: Mutex<Pace>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// The Secret that a stream names and did not name `before`.
pub(super) fn newly_named(stream: &DataStream, before: Option<&DataStream>) -> Option<String> {
    let name = named(stream)?;
    (before.and_then(named) != Some(name)).then(|| name.to_owned())
}

impl Secrets {
    /// Asks with `client`.
    pub(super) fn new(client: Client) -> Self {
        Self { client, pace: Mutex::new(Pace { began: Instant::now(), asked: 0 }) }
    }

    /// What whoever writes a stream in `namespace` should know of this Secret.
    pub(super) async fn warning(&self, namespace: &str, name: &str) -> Option<String> {
        // Whoever asks writes both.
        if !is_name(namespace, b"-", 63) || !is_name(name, b"-.", 253) {
            return None;
        }
        if !self.pace.lock().unwrap_or_else(PoisonError::into_inner).may(Instant::now()) {
            return None;
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = timeout(PATIENCE, secrets.get_opt(name)).await.ok()?.ok()?;
        let has_tokens = found.is_some_and(|secret| secret.type_.as_deref() == Some(TYPE));
        (!has_tokens).then(|| {
            format!(
                "spec.auth.tokensSecret.name: there is no Secret {name} of type {TYPE} in namespace {namespace} yet; \
                 until it is made nobody can report"
            )
        })
    }
}

fn named(stream: &DataStream) -> Option<&str> {
    Some(stream.spec.auth.as_ref()?.tokens_secret.as_ref()?.name.as_str())
}

/// How many questions were asked in a second, and when that began.
struct Pace {
    began: Instant,
    asked: u32,
}

impl Pace {
    /// Whether one more may be asked, which then counts.
    fn may(&mut self, now: Instant) -> bool {
        if now.duration_since(self.began) >= Duration::from_secs(1) {
            *self = Self { began: now, asked: 0 };
        }
        let may = self.asked < A_SECOND;
        self.asked += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_questions_are_asked_in_a_second() {
        let began = Instant::now();
        let mut pace = Pace { began, asked: 0 };
        let asked = (0..50).filter(|_| pace.may(began)).count();
        assert_eq!(asked, 10);
        assert!(pace.may(began + Duration::from_secs(1)));
    }
}
