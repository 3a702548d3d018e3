//! Reads the document and the Secrets again and again, and applies what changed. Content is compared,
//! not times: a ConfigMap's swap of links and an editor's rename look alike.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_wire::document::Document;
use tokio_util::sync::CancellationToken;

use super::apply::Applier;
use super::check::{Problem, check};
use crate::secrets::Secrets;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// The largest document read, in bytes.
const MAX_DOCUMENT: u64 = 64 << 20;

/// Watches one document and one directory of Secrets.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// The document's file.
    pub document: PathBuf,
    /// The Secrets' directory.
    pub secrets: PathBuf,
}

/// What was found at one look.
#[derive(PartialEq, Eq)]
struct Found {
    document: Result<Vec<u8>, String>,
    secrets: Secrets,
}

impl Watcher {
    /// Applies what is there now and every change, until `stop`.
    pub async fn run(self, mut applier: Applier, stop: CancellationToken) -> Applier {
        let mut last = None;
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return applier,
                _ = tick.tick() => {}
            }
            let watcher = self.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || watcher.look()).await else { continue };
            if last.as_ref() == Some(&found) {
                continue;
            }
            match found.document.as_deref().map_err(Clone::clone).and_then(read_checked) {
                Ok(document) => applier.apply(&document, &found.secrets),
                Err(error) => applier.refuse(&error),
            }
            last = Some(found);
        }
    }

    fn look(&self) -> Found {
        Found { document: read_bounded(&self.document), secrets: Secrets::read(&self.secrets) }
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let describe = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path).map_err(describe)?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).map_err(describe)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(format!("{}: longer than {MAX_DOCUMENT} bytes", path.display()));
    }
    Ok(bytes)
}

fn read_checked(bytes: &[u8]) -> Result<Document, String> {
    read(bytes).map_err(|problem| problem.to_string())
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
