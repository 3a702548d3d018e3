//! The nodes of local modes that run now: each `sluice dev` notes its own.
//! A note lies in the directory that a local mode has for itself, and goes away with it.

use std::fs;
use std::io;
use std::path::Path;

use nix::unistd::Pid;
use serde::Serialize;

/// How the name of such a directory begins.
pub(crate) const DIRECTORY_PREFIX: &str = "sluice-dev-";

/// The note in it.
const FILE: &str = "nodes.json";

/// The nodes of one local mode.
#[derive(Serialize)]
struct Note {
    /// Its process.
    pid: i32,
    /// `ip:port` of each node's metrics.
    nodes: Vec<String>,
}

/// Notes the nodes of this process, `ip:port` each, in its directory.
pub(crate) fn note(directory: &Path, nodes: &[String]) -> io::Result<()> {
    let note = Note { pid: Pid::this().as_raw(), nodes: nodes.to_vec() };
    let next = directory.join("nodes.next");
    fs::write(&next, serde_json::to_vec(&note)?)?;
    fs::rename(next, directory.join(FILE))
}
