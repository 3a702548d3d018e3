//! Decides, of each document that comes, whether it is put into effect: from the mount, from an operator, or the
//! last good copy. Later revisions win, wherever they come from. It reads no file and asks nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_wire::document::Document;
use sluice_wire::status::ConfigSource;
use tokio::sync::watch;

use super::apply::Applier;
use super::effect::{Effect, Verdict};
use super::parts::Set;
use super::patience::Patience;
use super::source::{Content, Trouble, Whole};
use super::watch::read_apart;
use crate::secrets::Secrets;

/// Between two attempts at sinks that could not be started for a reason that may pass by itself.
const RETRY: Duration = Duration::from_secs(30);

/// What was found at one look.
#[derive(PartialEq, Eq)]
pub(super) struct Found {
    pub(super) content: Content,
    pub(super) secrets: Secrets,
}

/// What is remembered from one document to the next.
pub(super) struct Turns {
    pub(super) applier: Applier,
    last: Option<Found>,
    /// The document in effect, as it was found: other Secrets are put into effect with it.
    effect: watch::Sender<Option<Effect>>,
    /// Where the document came from that was refused last and is newer than the one in effect.
    fault: Option<ConfigSource>,
    patience: Patience,
    /// When a document or Secrets were last tried.
    tried: Instant,
}

impl Turns {
    pub(super) fn new(applier: Applier, effect: watch::Sender<Option<Effect>>) -> Self {
        let (patience, tried) = (Patience::default(), Instant::now());
        Self { applier, last: None, effect, fault: None, patience, tried }
    }

    /// Begins with what is mounted or, where that is nothing or an older revision of the same fleet, with the last
    /// good copy.
    pub(super) async fn begin(&mut self, found: Found, copy: Option<Set>) {
        if let Some(copy) = copy {
            let mounted = match found.content.whole.as_ref().map(|whole| (whole, whole.claim())) {
                Some((_, Some((fleet, revision)))) => Some((fleet.to_owned(), revision)),
                Some((whole, None)) => {
                    read_apart(whole).await.ok().map(|read| (read.fleet.uid, read.revision))
                }
                None => None,
            };
            let newer = |(fleet, revision): &(String, u64)| *fleet == copy.fleet && *revision < copy.revision;
            if mounted.as_ref().is_none_or(newer) {
                self.resume(Arc::new(copy), &found.secrets).await;
            }
        }
        self.take(found).await;
        // Nothing may be in effect; whoever goes on from here knows that now.
        self.effect.send_modify(|_| ());
    }

    /// Puts the last good copy into effect. One that can't be used is as if there were none.
    async fn resume(&mut self, copy: Arc<Set>, secrets: &Secrets) {
        let whole = Arc::new(Whole::Set(copy));
        match read_apart(&whole).await {
            Ok(document) if self.applier.apply(&document, secrets) => {
                self.is_in_effect(whole, &document, ConfigSource::Copy);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error, "the last good configuration can't be used"),
        }
    }

    /// Takes what an operator brought.
    pub(super) async fn offer(&mut self, set: Arc<Set>) -> Verdict {
        if !self.applier.wants(&set.fleet, set.revision) {
            return Verdict::NoNews;
        }
        let whole = Arc::new(Whole::Set(set));
        let source = ConfigSource::Operator;
        let read = read_apart(&whole).await;
        let secrets = self.last.as_ref().map(|last| &last.secrets);
        let applied = match (&read, secrets) {
            (Ok(document), Some(secrets)) => self.applier.apply(document, secrets),
            (Ok(document), None) => self.applier.apply(document, &Secrets::default()),
            (Err(error), _) => {
                self.applier.refuse(error);
                false
            }
        };
        match read {
            Ok(document) if applied => {
                self.is_in_effect(whole, &document, source);
                Verdict::InEffect
            }
            _ => {
                self.fault = Some(source);
                Verdict::Refused
            }
        }
    }

    /// Takes what one look found.
    pub(super) async fn take(&mut self, found: Found) {
        let new_content = self.last.as_ref().is_none_or(|last| last.content != found.content);
        let new_secrets = self.last.as_ref().is_none_or(|last| last.secrets != found.secrets);
        self.wait(&found.content);
        if new_content || new_secrets {
            self.tried = Instant::now();
            // For a document that is in effect the Secrets alone are news.
            let tried = found.content.whole.as_ref().filter(|whole| new_content || !self.runs(whole));
            let applied = match tried {
                Some(whole) => self.apply(whole, &found.secrets).await,
                None => false,
            };
            if let (true, Some(Trouble::Refused(error))) = (new_content, &found.content.trouble) {
                self.refuse(error);
            }
            if new_secrets && !applied {
                self.renew(&found.secrets).await;
            }
        } else if self.tried.elapsed() >= RETRY && self.applier.sinks.may_start_later() {
            self.tried = Instant::now();
            self.renew(&found.secrets).await;
        }
        self.last = Some(found);
    }

    /// Whether this is the document in effect.
    fn runs(&self, whole: &Arc<Whole>) -> bool {
        self.effect.borrow().as_ref().is_some_and(|effect| effect.whole == *whole)
    }

    fn source(&self) -> Option<ConfigSource> {
        self.effect.borrow().as_ref().map(|effect| effect.source)
    }

    /// Tells what is waited for once it has taken long, or at once while nothing is in effect.
    fn wait(&mut self, content: &Content) {
        let elsewhere = self.source().is_some_and(|source| source != ConfigSource::Mounted);
        let waiting = match &content.trouble {
            Some(Trouble::Waiting(waiting)) => {
                let newer = |(fleet, revision): &(String, u64)| self.applier.wants(fleet, *revision);
                Some(waiting).filter(|waiting| waiting.newest.as_ref().map_or(!elsewhere, newer))
            }
            _ => None,
        };
        let in_effect = self.effect.borrow().is_some() || content.whole.is_some();
        let Some(waiting) = waiting else {
            self.patience.restore();
            return self.applier.wait_for(None);
        };
        if !self.patience.has_begun() {
            tracing::debug!(reason = waiting.message, "a configuration is not whole yet");
        }
        let told = self.patience.is_over(Instant::now(), in_effect);
        self.applier.wait_for(told.then_some(&*waiting.message));
    }

    /// Puts a mounted document into effect; true where it is in effect then.
    async fn apply(&mut self, whole: &Arc<Whole>, secrets: &Secrets) -> bool {
        // A mount may lag behind, and one node's behind another's: what is older is no error there.
        if whole.claim().is_some_and(|(fleet, revision)| self.is_no_news(fleet, revision)) {
            tracing::debug!(?whole, "an older configuration is ignored");
            self.is_newest();
            return false;
        }
        let document = match read_apart(whole).await {
            Ok(document) => document,
            Err(error) => {
                self.refuse(&error);
                return false;
            }
        };
        let elsewhere = self.source().is_some_and(|source| source != ConfigSource::Mounted);
        if elsewhere && self.is_no_news(&document.fleet.uid, document.revision) {
            tracing::debug!(revision = document.revision, "an older configuration is ignored");
            self.is_newest();
            return false;
        }
        let applied = self.applier.apply(&document, secrets);
        if applied {
            self.is_in_effect(Arc::clone(whole), &document, ConfigSource::Mounted);
        } else {
            self.fault = Some(ConfigSource::Mounted);
        }
        applied
    }

    /// Whether this revision or a later one of the same fleet is in effect.
    fn is_no_news(&self, fleet: &str, revision: u64) -> bool {
        !self.applier.wants(fleet, revision)
    }

    fn is_in_effect(&mut self, whole: Arc<Whole>, document: &Document, source: ConfigSource) {
        self.fault = None;
        self.applier.state.set_source(source);
        let (fleet, revision) = (document.fleet.uid.clone(), document.revision);
        self.effect.send_replace(Some(Effect { whole, source, fleet, revision }));
    }

    /// The mount holds nothing newer. What an operator brought and could not be used stays told.
    fn is_newest(&mut self) {
        if self.fault != Some(ConfigSource::Operator) {
            self.fault = None;
            self.applier.is_newest();
        }
    }

    fn refuse(&mut self, error: &str) {
        self.fault = Some(ConfigSource::Mounted);
        self.applier.refuse(error);
    }

    /// Puts other Secrets into effect with the document that is. A newer one that can't be used stays told.
    async fn renew(&mut self, secrets: &Secrets) {
        let good = self.effect.borrow().as_ref().map(|effect| Arc::clone(&effect.whole));
        let Some(good) = good else { return };
        match read_apart(&good).await {
            Ok(document) => self.applier.renew(&document, secrets),
            Err(error) => self.applier.refuse(&error),
        }
    }
}

#[cfg(test)]
mod tests;
