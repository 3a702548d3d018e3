//! Puts a checked document into effect in one step: limits, sinks, then the catalog that requests see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_wire::document::{Document, SinkKind};
use sluice_wire::status::ConfigSource;

use super::poll::PollCounts;
use crate::admit::{Budget, Gate};
use crate::catalog::{Catalog, Current};
use crate::https::Https;
use crate::secrets::Secrets;
use crate::sink::{SinkSet, kafka};
use crate::status::SinkView;

/// How the node's configuration is doing, for log, metric and status.
#[derive(Debug, Default)]
pub struct ConfigState {
    error: Mutex<Option<String>>,
    waiting: Mutex<Option<String>>,
    refused: AtomicU64,
    applied: AtomicU64,
    source: Mutex<Option<ConfigSource>>,
    /// What became of asking operators.
    pub polls: PollCounts,
}

impl ConfigState {
    /// Why the newest configuration is not in effect: what was wrong with it, else what is waited for. `None` when it
    /// is in effect.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let text = |of: &Mutex<Option<String>>| of.lock().unwrap_or_else(PoisonError::into_inner).clone();
        text(&self.error).or_else(|| text(&self.waiting))
    }

    /// Configurations refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Configurations put into effect since the start.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// Where the configuration in effect came from.
    #[must_use]
    pub fn source(&self) -> Option<ConfigSource> {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_source(&self, source: ConfigSource) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    fn set_error(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// Owns the sinks and puts configurations into effect.
#[derive(Debug)]
pub struct Applier {
    /// Where the catalog in effect is found.
    pub catalog: Current,
    /// The budget of bytes in flight.
    pub budget: Arc<Budget>,
    /// The limit on connections.
    pub gate: Arc<Gate>,
    /// The listener over TLS; `None` where the node has none.
    pub https: Option<Arc<Https>>,
    /// How it went.
    pub state: Arc<ConfigState>,
    /// Where the running sinks are found by `/status` and `/metrics`.
    pub view: SinkView,
    /// The running sinks.
    pub sinks: SinkSet,
}

impl Applier {
    /// Whether a later revision of this fleet is in effect. The numbers of two fleets say nothing of each other: one
    /// that was deleted and made again under its name has another uid and begins anew.
    #[must_use]
    pub fn is_outdated(&self, fleet: &str, revision: u64) -> bool {
        self.in_effect(|uid, current| uid == fleet && revision < current).unwrap_or(false)
    }

    /// Whether this revision would change what is in effect.
    #[must_use]
    pub fn wants(&self, fleet: &str, revision: u64) -> bool {
        self.in_effect(|uid, current| uid != fleet || revision > current).unwrap_or(true)
    }

    fn in_effect<R>(&self, look: impl FnOnce(&str, u64) -> R) -> Option<R> {
        self.catalog.load().as_ref().map(|catalog| look(&catalog.fleet.uid, catalog.revision))
    }

    /// Puts a checked document into effect, or says why not and leaves everything as it is. True where it is in
    /// effect then.
    pub fn apply(&mut self, document: &Document, secrets: &Secrets) -> bool {
        if self.is_outdated(&document.fleet.uid, document.revision) {
            let current = self.in_effect(|_, current| current).unwrap_or_default();
            self.refuse(&format!(
                "revision: {} is older than {current}, which is in effect",
                document.revision
            ));
            return false;
        }
        if let Err(error) = self.put_into_effect(document, secrets) {
            self.refuse(&error);
            return false;
        }
        self.state.applied.fetch_add(1, Ordering::Relaxed);
        self.state.set_error(None);
        tracing::info!(
            revision = document.revision,
            streams = document.streams.len(),
            sinks = document.sinks.len(),
            "configuration in effect"
        );
        true
    }

    /// Puts other Secrets into effect with the document that is. What is known of a newer one that can't be used stays.
    pub fn renew(&mut self, document: &Document, secrets: &Secrets) {
        if let Err(error) = self.put_into_effect(document, secrets) {
            self.refuse(&error);
        }
    }

    fn put_into_effect(&mut self, document: &Document, secrets: &Secrets) -> Result<(), String> {
        if let Some(https) = &self.https {
            https.update(document.listeners.https.as_ref(), secrets);
        }
        let replaced = self.sinks.update(&document.sinks, secrets, capacity(document));
        self.view.set(&self.sinks);
        let before = self.catalog.load_full();
        // A checked document names only its own sinks; this says so rather than trust it.
        let built = Catalog::build(document, &self.sinks, before.as_deref()).map(|catalog| {
            self.budget.set_limit(document.overload.max_inflight_bytes);
            self.gate.set_limit(document.overload.max_connections);
            self.catalog.store(Some(Arc::new(catalog)));
        });
        self.sinks.retire(replaced);
        built.map_err(|error| error.to_string())
    }

    /// Notes a configuration that can't be used; the one in effect stays.
    pub fn refuse(&self, error: &str) {
        self.state.refused.fetch_add(1, Ordering::Relaxed);
        self.state.set_error(Some(error.to_owned()));
        let kept = self.in_effect(|_, revision| revision);
        tracing::error!(error, revision_in_effect = kept, "configuration refused");
    }

    /// Notes that nothing newer than what is in effect is there.
    pub fn is_newest(&self) {
        self.state.set_error(None);
    }

    /// Notes what is waited for, if anything. The wait is logged once, however its words change.
    pub fn wait_for(&self, message: Option<&str>) {
        let mut waiting = self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.as_deref() == message {
            return;
        }
        if let (None, Some(message)) = (waiting.as_ref(), message) {
            let kept = self.in_effect(|_, revision| revision);
            tracing::warn!(reason = message, revision_in_effect = kept, "configuration is not there yet");
        }
        *waiting = message.map(str::to_owned);
    }
}

fn capacity(document: &Document) -> kafka::Capacity {
    let has_kafka = document.sinks.iter().any(|sink| matches!(sink.kind, SinkKind::Kafka(_)));
    let longest = document.streams.iter().map(|stream| stream.max_body_bytes).max().unwrap_or(0);
    kafka::Capacity {
        inflight_bytes: document.overload.max_inflight_bytes,
        // Steps of doubling, so that a new stream seldom means a new producer.
        longest_body: if has_kafka { longest.max(1 << 20).next_power_of_two() } else { 0 },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_wire::status::NotReady;

    use super::*;

    fn applier() -> Applier {
        Applier {
            catalog: Current::default(),
            budget: Budget::new(u64::MAX),
            gate: Gate::new(1),
            https: None,
            state: Arc::default(),
            view: SinkView::default(),
            sinks: SinkSet::default(),
        }
    }

    /// A document of these sinks, each with a stream of its name and a login out of a Secret of its name.
    fn document(revision: u64, sinks: &[&str]) -> Document {
        let sink = |name: &&str| {
            json!({"name": name, "kafka": {"bootstrapServers": "127.0.0.1:1", "deliveryTimeoutMs": 1_000,
                "sasl": {"mechanism": "PLAIN", "secret": name}}})
        };
        let stream = |name: &&str| {
            json!({"namespace": "shop", "name": name, "groupId": "g", "streamId": name, "sink": name, "topic": "t",
                "output": "Raw", "successCode": 0, "maxBodyBytes": 1})
        };
        serde_json::from_value(json!({
            "major": 1, "revision": revision, "fleet": {"namespace": "default", "name": "main"},
            "overload": {"maxInflightBytes": 1 << 20, "maxConnections": 1}, "drain": {"notifyMs": 0},
            "sinks": sinks.iter().map(sink).collect::<Vec<_>>(),
            "streams": sinks.iter().map(stream).collect::<Vec<_>>()
        }))
        .unwrap()
    }

    fn secrets(names: &[&str]) -> Secrets {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::create_dir(directory.path().join(name)).unwrap();
            for key in ["username", "password"] {
                std::fs::write(directory.path().join(name).join(key), "x").unwrap();
            }
        }
        Secrets::read(directory.path())
    }

    #[tokio::test]
    async fn a_secret_that_is_missing_holds_up_nothing_else_of_a_document() {
        let mut applier = applier();
        assert!(applier.apply(&document(1, &["ran"]), &secrets(&["ran"])));
        assert!(applier.apply(&document(2, &["ran", "new", "good"]), &secrets(&["good"])));
        assert_eq!((applier.state.error(), applier.state.refused()), (None, 0));
        let catalog = applier.catalog.load_full().unwrap();
        assert_eq!((catalog.revision, catalog.streams().count()), (2, 3));
        let why = |name: &str| catalog.find("g", name).unwrap().outlet.health().trouble.unwrap().reason;
        assert_eq!(why("new"), NotReady::SecretUnusable, "it never ran");
        assert_ne!(why("ran"), NotReady::SecretUnusable, "it goes on with what it had");
        for (name, sink) in applier.view.sinks() {
            let bad = sink.status(&name).reason == Some(NotReady::SecretUnusable);
            assert_eq!(bad, name != "good", "{name}");
        }
        applier.renew(&document(2, &["ran", "new", "good"]), &secrets(&["ran", "new", "good"]));
        for (name, sink) in applier.view.sinks() {
            assert_ne!(sink.status(&name).reason, Some(NotReady::SecretUnusable), "{name}");
        }
        applier.sinks.shutdown().await;
    }
}
