//! The task that has the API server trust the operator's certificate: it watches both configurations by name, and while
//! this operator leads it puts the bundle into each webhook that has another one, whoever emptied it.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::configuration::{Configuration, change};
use crate::lead::Term;
use crate::marks::MANAGER;
use crate::pki::Bundle;
use crate::watch::cluster::version;

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first and the longest pause after a write that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// So long somebody else is waited for: to make a configuration, or to lead and to write into it. It is longer than a
/// Lease lasts that nobody renews.
const OTHERS: Duration = Duration::from_secs(20);
/// Between two looks when nothing happens.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// What is to be seen to, and who is told.
pub(crate) struct Asks {
    /// The name of both configurations.
    pub(crate) configuration: String,
    /// Whom the API server is to trust.
    pub(crate) bundles: watch::Receiver<Option<Bundle>>,
    /// Whether this operator may write.
    pub(crate) terms: watch::Receiver<Option<Term>>,
    /// The bundle that every webhook has.
    pub(crate) out: watch::Sender<Option<Bundle>>,
    /// Set once webhooks can be called, or once it is not this operator that keeps them from it.
    pub(crate) ready: watch::Sender<bool>,
}

/// How a configuration stands to a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// It was not looked for yet.
    Unknown,
    /// It is not there: nobody is to be trusted by it.
    Absent,
    /// It has another bundle, or there is none yet.
    Differs,
    /// Every webhook of it has the bundle.
    In,
}

/// Why a write did not come about.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Silent,
    #[error("this operator leads no more")]
    NotLeading,
}

/// A configuration as it was seen last: none until it was looked for, then what was found.
struct Seen<K> {
    api: Api<K>,
    found: Option<Option<K>>,
}

impl<K: Configuration> Seen<K> {
    fn new(client: &Client) -> Self {
        Self { api: Api::all(client.clone()), found: None }
    }

    /// A watch that breaks is begun again with growing pauses.
    fn watched(&self, name: &str) -> BoxStream<'static, watcher::Result<Option<K>>> {
        watch_object(self.api.clone(), name).default_backoff().boxed()
    }

    fn take(&mut self, event: watcher::Result<Option<K>>) {
        match event {
            Ok(found) => self.put(found),
            Err(error) => {
                let kind = K::kind(&());
                tracing::warn!(%kind, %error, "a watch of webhooks broke and is begun again");
            }
        }
    }

    /// What is older than what is known, as a watch tells it after the answer to a write, changes nothing.
    fn put(&mut self, found: Option<K>) {
        let number = |seen: &K| version(seen.meta().resource_version.as_deref());
        let known = self.found.as_ref().and_then(Option::as_ref).map(number);
        if known.zip(found.as_ref().map(number)).is_none_or(|(known, found)| known < found) {
            self.found = Some(found);
        }
    }

    fn stand(&self, bundle: Option<&Bundle>) -> Stand {
        match (&self.found, bundle) {
            (None, _) => Stand::Unknown,
            (Some(None), _) => Stand::Absent,
            (Some(Some(_)), None) => Stand::Differs,
            (Some(Some(seen)), Some(bundle)) => {
                if change(seen, bundle).is_some() {
                    Stand::Differs
                } else {
                    Stand::In
                }
            }
        }
    }

    /// Writes what is missing, if something is.
    async fn write(&mut self, bundle: &Bundle, term: &Term) -> Result<(), WriteError> {
        let Some(seen) = self.found.as_ref().and_then(Option::as_ref) else { return Ok(()) };
        let Some(change) = change(seen, bundle) else { return Ok(()) };
        let name = seen.meta().name.clone().unwrap_or_default();
        if !term.may_write() {
            return Err(WriteError::NotLeading);
        }
        let patched = tokio::select! {
            biased;
            () = term.end() => return Err(WriteError::NotLeading),
            patched = timeout(PATIENCE, patch(&self.api, &name, change)) => patched.map_err(|_| WriteError::Silent)??,
        };
        tracing::info!(kind = %K::kind(&()), name, "the API server is told whom to trust");
        self.put(Some(patched));
        Ok(())
    }
}

async fn patch<K: Configuration>(api: &Api<K>, name: &str, change: Value) -> kube::Result<K> {
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(name, &params, &Patch::Strategic(change)).await
}

/// The task.
pub(super) struct Keeper {
    validating: Seen<ValidatingWebhookConfiguration>,
    mutating: Seen<MutatingWebhookConfiguration>,
    asks: Asks,
    /// Until when others are waited for.
    patience: Instant,
}

impl Keeper {
    pub(super) fn new(client: &Client, asks: Asks) -> Self {
        let patience = Instant::now() + OTHERS;
        Self { validating: Seen::new(client), mutating: Seen::new(client), asks, patience }
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut validating = self.validating.watched(&self.asks.configuration);
        let mut mutating = self.mutating.watched(&self.asks.configuration);
        let (mut pause, mut not_before) = (PAUSES.0, Instant::now());
        loop {
            let bundle = self.asks.bundles.borrow_and_update().clone();
            let term = self.asks.terms.borrow_and_update().clone();
            let differs = self.tell(bundle.as_ref(), term.is_some());
            let mut again = Instant::now() + LOOK;
            if let Some((bundle, term)) = bundle.zip(term).filter(|_| differs) {
                if Instant::now() >= not_before {
                    let written = tokio::select! {
                        () = stop.cancelled() => return,
                        written = self.write(&bundle, &term) => written,
                    };
                    match written {
                        Ok(()) => {
                            pause = PAUSES.0;
                            not_before = Instant::now() + pause;
                        }
                        Err(error) => {
                            tracing::warn!(%error, "the API server can't be told whom to trust yet");
                            not_before = Instant::now() + pause;
                            pause = (pause * 2).min(PAUSES.1);
                        }
                    }
                }
                again = not_before;
            }
            if Instant::now() < self.patience {
                again = again.min(self.patience);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Some(event) = validating.next() => self.validating.take(event),
                Some(event) = mutating.next() => self.mutating.take(event),
                changed = self.asks.terms.changed() => if changed.is_err() { return },
                Ok(()) = self.asks.bundles.changed() => {}
                () = sleep_until(again) => {}
            }
        }
    }

    /// Tells how things are; gives whether something is to be written.
    fn tell(&mut self, bundle: Option<&Bundle>, leads: bool) -> bool {
        let stands = [self.validating.stand(bundle), self.mutating.stand(bundle)];
        let out = stands.iter().all(|stand| matches!(stand, Stand::Absent | Stand::In));
        let out = bundle.filter(|_| out).cloned();
        self.asks.out.send_if_modified(|told| std::mem::replace(told, out.clone()) != out);
        let waited = Instant::now() >= self.patience;
        if stands.iter().all(|stand| is_ready(*stand, leads, waited)) {
            // For good: who empties a bundle must not take the operator from those who need it for other things.
            self.asks.ready.send_if_modified(|ready| !std::mem::replace(ready, true));
        }
        stands.contains(&Stand::Differs)
    }

    async fn write(&mut self, bundle: &Bundle, term: &Term) -> Result<(), WriteError> {
        self.validating.write(bundle, term).await?;
        self.mutating.write(bundle, term).await
    }
}

/// Whether an operator is ready where a configuration stands so. One that leads sees to it first. One that does not waits for
/// the leader, but not for ever: in an upgrade that may be an operator which does not know of webhooks.
const fn is_ready(stand: Stand, leads: bool, waited: bool) -> bool {
    match stand {
        Stand::In => true,
        Stand::Absent => waited,
        Stand::Unknown | Stand::Differs => waited && !leads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_ready_once_webhooks_can_be_called_and_another_waits_a_while() {
        for (stand, leads, waited, wanted) in [
            (Stand::In, true, false, true),
            (Stand::In, false, false, true),
            (Stand::Differs, true, true, false),
            (Stand::Differs, false, false, false),
            (Stand::Differs, false, true, true),
            (Stand::Unknown, true, true, false),
            (Stand::Absent, true, false, false),
            (Stand::Absent, true, true, true),
        ] {
            assert_eq!(is_ready(stand, leads, waited), wanted, "{stand:?} {leads} {waited}");
        }
    }
}
