//! The last good copy: what an operator brought and was put into effect, kept for the next start. It is one line of JSON
//! and the document in a zstd frame, like a part. Where it can't be kept or read, the node goes on without.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sluice_wire::document::FleetRef;
use sluice_wire::parts::{MAX_DOCUMENT, MAX_HEADER, PartHeader};
use sluice_wire::status::ConfigSource;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::effect::Exchange;
use super::parts::{Set, digest};
use super::source::Whole;
use crate::args::FleetName;

/// The copy's name in its directory.
const NAME: &str = "configuration";
/// What is written before it takes that name.
const BESIDE: &str = "configuration.next";
/// Between two copies.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest copy: compressed, a document is hardly longer than it was.
const LONGEST: u64 = (MAX_HEADER + 1 + MAX_DOCUMENT + (1 << 20)) as u64;

/// Keeps the copy.
#[derive(Debug)]
pub struct Keeper {
    directory: PathBuf,
    exchange: Exchange,
    /// What was kept last.
    kept: Option<Arc<Set>>,
    /// Whether the last copy failed, which is logged once.
    failing: bool,
}

impl Keeper {
    /// Keeps what comes to be in effect in this directory, which is made when it is missing.
    #[must_use]
    pub fn new(directory: PathBuf, exchange: Exchange) -> Self {
        Self { directory, exchange, kept: None, failing: false }
    }

    /// Keeps every document that an operator brought, at most one a second, until `stop`; then the last one.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let changed = tokio::select! {
                () = stop.cancelled() => break,
                changed = self.exchange.effects.changed() => changed,
            };
            if changed.is_err() {
                break;
            }
            self.keep().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(INTERVAL) => {}
            }
        }
        self.keep().await;
    }

    async fn keep(&mut self) {
        let effect = self.exchange.effects.borrow_and_update().clone();
        let set = match effect {
            Some(effect) if effect.source == ConfigSource::Operator => match &*effect.whole {
                Whole::Set(set) => Arc::clone(set),
                Whole::Text(_) => return,
            },
            _ => return,
        };
        if self.kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &set)) {
            return;
        }
        let (directory, keeping) = (self.directory.clone(), Arc::clone(&set));
        let written = tokio::task::spawn_blocking(move || write(&directory, &keeping)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => (self.kept, self.failing) = (Some(set), false),
            Err(error) => {
                if !self.failing {
                    let directory = self.directory.display();
                    tracing::warn!(%directory, %error, "the configuration can't be kept for the next start");
                }
                self.failing = true;
            }
        }
    }
}

/// Writes a copy in place of the one before: whole, or not at all.
fn write(directory: &Path, set: &Set) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let header = PartHeader {
        fleet: set.fleet.clone(),
        revision: set.revision,
        index: 0,
        count: 1,
        sha256: digest(set.compressed()),
    };
    let beside = directory.join(BESIDE);
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(&header)?)?;
    file.write_all(b"\n")?;
    file.write_all(set.compressed())?;
    file.sync_all()?;
    fs::rename(&beside, directory.join(NAME))?;
    // The name is as safe as what it names.
    File::open(directory)?.sync_all()
}

/// The copy in a directory, where there is one.
///
/// # Errors
/// Words that say why it can't be used, another fleet's included.
pub(super) fn read(directory: &Path, fleet: Option<&FleetName>) -> Result<Option<Set>, String> {
    let path = directory.join(NAME);
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| wrong(&error))?,
    };
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    let set = whole(&bytes).map_err(|what| wrong(&what))?;
    let text = set.text().map_err(|what| wrong(&what))?;
    let Named { fleet: of } = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    let of = FleetName { namespace: of.namespace, name: of.name };
    match fleet.filter(|fleet| **fleet != of) {
        Some(fleet) => Err(wrong(&format!("it is of fleet {of}, not of {fleet}"))),
        None => Ok(Some(set)),
    }
}

#[derive(Deserialize)]
struct Named {
    fleet: FleetRef,
}

fn whole(bytes: &[u8]) -> Result<Set, String> {
    let end = bytes.iter().take(MAX_HEADER + 1).position(|byte| *byte == b'\n').ok_or("no header")?;
    let (header, body) = bytes.split_at(end);
    let header: PartHeader = serde_json::from_slice(header).map_err(|error| format!("header: {error}"))?;
    let body = body.get(1..).unwrap_or_default();
    if bytes.len() as u64 > LONGEST || digest(body) != header.sha256 {
        return Err("it is not what its SHA-256 says".to_owned());
    }
    Ok(Set::of(header.fleet, header.revision, body.to_owned()))
}

#[cfg(test)]
mod tests;
