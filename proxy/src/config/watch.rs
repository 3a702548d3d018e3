//! Looks at the configuration and the Secrets again and again, and passes on what is there, beside what operators
//! bring. Content decides, not times: a ConfigMap's swap of links and an editor's rename look alike.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_wire::document::Document;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::apply::Applier;
use super::check::{Problem, check};
use super::copy;
use super::effect::{Effect, Exchange, Offer};
use super::parts::Set;
use super::source::{Source, Whole};
use super::turns::{Found, Turns};
use crate::args::FleetName;
use crate::secrets::Secrets;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);

/// Where configurations are looked for.
#[derive(Clone, Debug)]
pub struct Places {
    /// The document's file, or the directory of its parts.
    pub config: PathBuf,
    /// The Secrets' directory.
    pub secrets: PathBuf,
    /// The directory with the last good copy.
    pub state: Option<PathBuf>,
    /// The fleet whose copy it must be.
    pub fleet: Option<FleetName>,
}

/// Watches one configuration and one directory of Secrets, and takes what operators bring.
#[derive(Debug)]
pub struct Watcher {
    places: Places,
    offers: mpsc::Receiver<Offer>,
    effect: watch::Sender<Option<Effect>>,
}

impl Watcher {
    /// A watcher, and the way to bring it documents.
    #[must_use]
    pub fn new(places: Places) -> (Self, Exchange) {
        // One at a time: whoever brings one waits for what becomes of it.
        let (sender, offers) = mpsc::channel(1);
        let (effect, effects) = watch::channel(None);
        (Self { places, offers, effect }, Exchange { offers: sender, effects })
    }

    /// Applies what is there now and every change, until `stop`.
    pub async fn run(mut self, applier: Applier, stop: CancellationToken) -> Applier {
        let mut turns = Turns::new(applier, self.effect);
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut source, mut begun) = (None, false);
        loop {
            tokio::select! {
                () = stop.cancelled() => return turns.applier,
                _ = tick.tick() => {}
                Some(offer) = self.offers.recv(), if begun => {
                    let verdict = turns.offer(offer.set).await;
                    // Nobody may wait for it any more.
                    let _ = offer.verdict.send(verdict);
                    continue;
                }
            }
            let mut looking = source.take().unwrap_or_else(|| Source::new(&self.places.config));
            let secrets = self.places.secrets.clone();
            let look = tokio::task::spawn_blocking(move || {
                let found = Found { content: looking.look(), secrets: Secrets::read(&secrets) };
                (looking, found)
            });
            let Ok((looked, found)) = look.await else { continue };
            source = Some(looked);
            if begun {
                turns.take(found).await;
            } else {
                turns.begin(found, last_good(&self.places).await).await;
                begun = true;
            }
        }
    }
}

/// The last good copy, where there is one that can be used.
async fn last_good(places: &Places) -> Option<Set> {
    let (directory, fleet) = (places.state.clone()?, places.fleet.clone());
    let read = tokio::task::spawn_blocking(move || copy::read(&directory, fleet.as_ref())).await;
    let read = read.unwrap_or_else(|error| Err(error.to_string()));
    read.inspect_err(|error| tracing::warn!(error, "the last good configuration is ignored")).ok().flatten()
}

/// Reads and checks a document on a thread of its own, because a large one takes a while.
pub(super) async fn read_apart(whole: &Arc<Whole>) -> Result<Document, String> {
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
