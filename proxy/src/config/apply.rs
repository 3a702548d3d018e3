//! Puts a checked document into effect in one step: limits, sinks, then the catalog that requests see.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_wire::document::{Document, SinkKind};

use crate::admit::{Budget, Gate};
use crate::catalog::{Catalog, Current};
use crate::secrets::Secrets;
use crate::sink::{SinkSet, kafka};
use crate::status::SinkView;

/// How the node's configuration is doing, for log, metric and status.
#[derive(Debug, Default)]
pub struct ConfigState {
    error: Mutex<Option<String>>,
    refused: AtomicU64,
    applied: AtomicU64,
}

impl ConfigState {
    /// Why the newest configuration is not in effect; `None` when it is.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    /// How it went.
    pub state: Arc<ConfigState>,
    /// Where the running sinks are found by `/status` and `/metrics`.
    pub view: SinkView,
    /// The running sinks.
    pub sinks: SinkSet,
}

impl Applier {
    /// Puts a checked document into effect, or says why not and leaves everything as it is.
    pub fn apply(&mut self, document: &Document, secrets: &Secrets) {
        let before = self.catalog.load_full();
        if let Some(before) = &before
            && document.revision < before.revision
        {
            self.refuse(&format!(
                "revision: {} is older than {}, which is in effect",
                document.revision, before.revision
            ));
            return;
        }
        let replaced = match self.sinks.update(&document.sinks, secrets, capacity(document)) {
            Ok(replaced) => replaced,
            Err(error) => return self.refuse(&error.to_string()),
        };
        self.view.set(&self.sinks);
        match Catalog::build(document, &self.sinks, before.as_deref()) {
            Ok(catalog) => self.put_into_effect(document, catalog),
            // A checked document names only its own sinks; this says so rather than trust it.
            Err(error) => self.refuse(&error.to_string()),
        }
        self.sinks.retire(replaced);
    }

    fn put_into_effect(&self, document: &Document, catalog: Catalog) {
        self.budget.set_limit(document.overload.max_inflight_bytes);
        self.gate.set_limit(document.overload.max_connections);
        self.catalog.store(Some(Arc::new(catalog)));
        self.state.applied.fetch_add(1, Ordering::Relaxed);
        self.state.set_error(None);
        tracing::info!(
            revision = document.revision,
            streams = document.streams.len(),
            sinks = document.sinks.len(),
            "configuration in effect"
        );
    }

    /// Notes a configuration that can't be used; the one in effect stays.
    pub fn refuse(&self, error: &str) {
        self.state.refused.fetch_add(1, Ordering::Relaxed);
        self.state.set_error(Some(error.to_owned()));
        let kept = self.catalog.load().as_ref().map(|catalog| catalog.revision);
        tracing::error!(error, revision_in_effect = kept, "configuration refused");
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
