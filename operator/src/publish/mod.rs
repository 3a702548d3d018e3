//! Hands a fleet's document to its proxies: as a file that is replaced whole, and in [`cluster`] as ConfigMaps.
//! It numbers documents and writes only what changed; what stands in them it does not decide.

pub mod cluster;
pub mod groups;
pub mod parts;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sluice_wire::document::Document;

use crate::resolve::FleetKey;

/// Publishes documents into a directory, one file a fleet.
#[derive(Debug)]
pub struct Publisher {
    directory: PathBuf,
    last: BTreeMap<FleetKey, Document>,
}

/// What publishing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// A new document was written, with this revision.
    New(u64),
    /// Nothing but the revision would have changed, so nothing was written; this one stands.
    Same(u64),
}

impl Publisher {
    /// Publishes into `directory`, which exists and is nobody else's.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), last: BTreeMap::new() }
    }

    /// Where a fleet's document is.
    #[must_use]
    pub fn path(&self, (namespace, name): &FleetKey) -> PathBuf {
        // Neither a namespace nor a fleet's name holds a dot, so no two fleets share a file.
        self.directory.join(format!("{namespace}.{name}.json"))
    }

    /// Publishes `document` under the next revision, which is at least `now_ms`, unless it says what the
    /// last one said. Its own revision is ignored.
    ///
    /// # Errors
    /// The file can't be written; the last document stands.
    pub fn publish(&mut self, mut document: Document, now_ms: u64) -> io::Result<Published> {
        let key = (document.fleet.namespace.clone(), document.fleet.name.clone());
        let last = self.last.get(&key);
        document.revision = last.map_or(0, |last| last.revision);
        if last == Some(&document) {
            return Ok(Published::Same(document.revision));
        }
        document.revision = now_ms.max(document.revision + 1);
        let text = serde_json::to_vec_pretty(&document)?;
        replace(&self.path(&key), &text)?;
        let revision = document.revision;
        self.last.insert(key, document);
        Ok(Published::New(revision))
    }

    /// Forgets a fleet and removes its document. Its next revision is then bound by the clock alone.
    ///
    /// # Errors
    /// The file is there and can't be removed.
    pub fn remove(&mut self, key: &FleetKey) -> io::Result<()> {
        self.last.remove(key);
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes beside `path`, then renames, so that a reader sees the old or the new text and nothing between.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("next");
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    drop(file);
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests;
