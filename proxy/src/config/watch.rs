//! Looks at the configuration and the Secrets again and again, and applies what changed. Content decides,
//! not times: a ConfigMap's swap of links and an editor's rename look alike.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_wire::document::Document;
use tokio_util::sync::CancellationToken;

use super::apply::Applier;
use super::check::{Problem, check};
use super::patience::Patience;
use super::source::{Content, Source, Trouble, Whole};
use crate::secrets::Secrets;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Between two attempts at sinks that could not be started for a reason that may pass by itself.
const RETRY: Duration = Duration::from_secs(30);

/// Watches one configuration and one directory of Secrets.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// The document's file, or the directory of its parts.
    pub config: PathBuf,
    /// The Secrets' directory.
    pub secrets: PathBuf,
}

/// What was found at one look.
#[derive(PartialEq, Eq)]
struct Found {
    content: Content,
    secrets: Secrets,
}

/// What is remembered from look to look.
struct Turns {
    applier: Applier,
    last: Option<Found>,
    /// The document in effect, as it was found: other Secrets are put into effect with it.
    good: Option<Arc<Whole>>,
    patience: Patience,
    /// When a document or Secrets were last tried.
    tried: Instant,
}

impl Watcher {
    /// Applies what is there now and every change, until `stop`.
    pub async fn run(self, applier: Applier, stop: CancellationToken) -> Applier {
        let (patience, tried) = (Patience::default(), Instant::now());
        let mut turns = Turns { applier, last: None, good: None, patience, tried };
        let mut source = None;
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return turns.applier,
                _ = tick.tick() => {}
            }
            let mut looking = source.take().unwrap_or_else(|| Source::new(&self.config));
            let secrets = self.secrets.clone();
            let look = tokio::task::spawn_blocking(move || {
                let found = Found { content: looking.look(), secrets: Secrets::read(&secrets) };
                (looking, found)
            });
            let Ok((looked, found)) = look.await else { continue };
            source = Some(looked);
            turns.take(found).await;
        }
    }
}

impl Turns {
    async fn take(&mut self, found: Found) {
        let new_content = self.last.as_ref().is_none_or(|last| last.content != found.content);
        let new_secrets = self.last.as_ref().is_none_or(|last| last.secrets != found.secrets);
        self.wait(&found.content);
        if new_content || new_secrets {
            self.tried = Instant::now();
            // For a document that is in effect the Secrets alone are news.
            let tried = found.content.whole.as_ref().filter(|_| new_content || !self.is_in_effect(&found));
            let applied = match tried {
                Some(whole) => self.apply(whole, &found.secrets).await,
                None => false,
            };
            if let (true, Some(Trouble::Refused(error))) = (new_content, &found.content.trouble) {
                self.applier.refuse(error);
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

    fn is_in_effect(&self, found: &Found) -> bool {
        self.good.is_some() && self.good == found.content.whole
    }

    /// Tells what is waited for once it has taken long, or at once while nothing is in effect.
    fn wait(&mut self, content: &Content) {
        let waiting = match &content.trouble {
            Some(Trouble::Waiting(waiting)) => {
                let newer = |(fleet, revision): &(String, u64)| self.applier.wants(fleet, *revision);
                Some(waiting).filter(|waiting| waiting.newest.as_ref().is_none_or(newer))
            }
            _ => None,
        };
        let in_effect = self.good.is_some() || content.whole.is_some();
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

    /// Puts a document into effect; true where it is in effect then.
    async fn apply(&mut self, whole: &Arc<Whole>, secrets: &Secrets) -> bool {
        // A mount may lag behind, and one node's behind another's: what is older is no error there.
        if whole.claim().is_some_and(|(fleet, revision)| self.applier.is_outdated(fleet, revision)) {
            tracing::debug!(?whole, "an older configuration is ignored");
            self.applier.is_newest();
            return false;
        }
        let applied = match read_apart(whole).await {
            Ok(document) => self.applier.apply(&document, secrets),
            Err(error) => {
                self.applier.refuse(&error);
                false
            }
        };
        if applied {
            self.good = Some(Arc::clone(whole));
        }
        applied
    }

    /// Puts other Secrets into effect with the document that is.
    async fn renew(&mut self, secrets: &Secrets) {
        let Some(good) = &self.good else { return };
        match read_apart(good).await {
            Ok(document) => self.applier.renew(&document, secrets),
            Err(error) => self.applier.refuse(&error),
        }
    }
}

/// Reads and checks a document on a thread of its own, because a large one takes a while.
async fn read_apart(whole: &Arc<Whole>) -> Result<Document, String> {
    let whole = Arc::clone(whole);
    let read = tokio::task::spawn_blocking(move || read_whole(&whole)).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}

fn read_whole(whole: &Whole) -> Result<Document, String> {
    let document = read(&whole.text()?).map_err(|problem| problem.to_string())?;
    let said = (document.fleet.uid.as_str(), document.revision);
    match whole.claim().filter(|claim| *claim != said) {
        None => Ok(document),
        Some((fleet, revision)) => Err(format!(
            "the parts are of fleet {fleet:?} and revision {revision}, the document in them of {:?} and {}",
            said.0, said.1
        )),
    }
}

/// Reads and checks a document.
///
/// # Errors
/// A [`Problem`] that names the place, by line and column where it is no document at all.
pub fn read(bytes: &[u8]) -> Result<Document, Problem> {
    let document: Document = serde_json::from_slice(bytes).map_err(|error| Problem {
        place: format!("line {} column {}", error.line(), error.column()),
        reason: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
    })?;
    check(&document)?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_document_is_named_by_line_and_column() {
        let problem = read(b"{\n \"major\": x}").unwrap_err();
        assert_eq!(problem.place, "line 2 column 11");
    }

    #[test]
    fn a_missing_field_is_named() {
        let problem = read(br#"{"major": 1}"#).unwrap_err();
        assert!(problem.reason.contains("fleet"), "{problem}");
    }
}
