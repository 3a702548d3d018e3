//! Tells what is wrong with ConfigMaps, as Events on them: the operator that leads does.
//! Each fault is told once for a form of its ConfigMap, and never in a term that has ended.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::book::{Fault, Faults, Place};
use crate::lead::Term;
use crate::marks::MANAGER;

/// Tells faults of several namespaces.
pub struct Teller {
    recorder: Recorder,
    terms: watch::Receiver<Option<Term>>,
    faults: Vec<watch::Receiver<Faults>>,
    /// What was told in this term, by uid.
    told: BTreeMap<String, (String, Fault)>,
}

impl Teller {
    /// Tells through `client`, in the name of `instance`, what comes over `faults`.
    #[must_use]
    pub fn new(
        client: Client,
        instance: &str,
        terms: watch::Receiver<Option<Term>>,
        faults: Vec<watch::Receiver<Faults>>,
    ) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client, reporter), terms, faults, told: BTreeMap::new() }
    }

    /// Runs until `stop`, or until nothing is left that could change.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let term = self.terms.borrow_and_update().clone();
            let faults: Faults =
                self.faults.iter_mut().flat_map(|one| one.borrow_and_update().clone()).collect();
            match term {
                Some(term) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = term.end() => {}
                    () = self.tell(faults) => {}
                },
                None => self.told.clear(),
            }
            let mut changes: FuturesUnordered<_> =
                self.faults.iter_mut().map(watch::Receiver::changed).collect();
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.terms.changed() => if changed.is_err() { return },
                changed = changes.next() => if !matches!(changed, Some(Ok(()))) { return },
            }
        }
    }

    async fn tell(&mut self, faults: Faults) {
        self.told.retain(|uid, _| faults.contains_key(uid));
        for (uid, (place, fault)) in faults {
            let told = (place.version.clone(), fault.clone());
            if self.told.get(&uid) != Some(&told) {
                self.record(&uid, &place, &fault).await;
                self.told.insert(uid, told);
            }
        }
    }

    /// One that can't be written is in the log all the same.
    async fn record(&self, uid: &str, place: &Place, fault: &Fault) {
        let (reason, note) = (fault.reason(), fault.note());
        tracing::warn!(
            namespace = place.namespace,
            name = place.name,
            reason,
            note,
            "a ConfigMap is not served as it is"
        );
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Serve".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &place.reference(uid)).await {
            tracing::debug!(%error, reason, "an Event could not be written");
        }
    }
}
