//! The nodes of local modes that run now: each `sluice dev` notes its own, and `sluice check` finds them.
//! A note lies in the directory that a local mode has for itself, and goes away with it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// How the name of such a directory begins.
pub(crate) const DIRECTORY_PREFIX: &str = "sluice-dev-";

/// The note in it.
const FILE: &str = "nodes.json";

/// The longest note read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// The nodes of one local mode.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// The nodes of every local mode of this user that runs now.
pub(crate) fn running() -> Vec<String> {
    // Anybody may write beside, so only what is this user's own is believed.
    let Ok(own) = fs::metadata("/proc/self").map(|metadata| metadata.uid()) else { return Vec::new() };
    let mut nodes = noted(&std::env::temp_dir(), own);
    nodes.sort();
    nodes.dedup();
    nodes
}

fn noted(above: &Path, own: u32) -> Vec<String> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(DIRECTORY_PREFIX));
    ours.filter_map(|entry| read(&entry.path(), own)).flatten().collect()
}

fn read(directory: &Path, own: u32) -> Option<Vec<String>> {
    let directory_is_own = fs::symlink_metadata(directory).ok()?;
    let file = directory.join(FILE);
    let metadata = fs::symlink_metadata(&file).ok()?;
    let fits = directory_is_own.is_dir()
        && directory_is_own.uid() == own
        && metadata.is_file()
        && metadata.uid() == own
        && metadata.len() <= FILE_MAX;
    if !fits {
        return None;
    }
    let note: Note = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    // One that was killed left its directory behind.
    (note.pid > 0 && kill(Pid::from_raw(note.pid), None).is_ok()).then_some(note.nodes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn own() -> u32 {
        fs::metadata("/proc/self").unwrap().uid()
    }

    /// A local mode's directory below `above`.
    fn directory(above: &Path, name: &str) -> PathBuf {
        let directory = above.join(name);
        fs::create_dir(&directory).unwrap();
        directory
    }

    #[test]
    fn what_a_running_local_mode_noted_is_found() {
        let above = tempfile::tempdir().unwrap();
        let one = directory(above.path(), "sluice-dev-1");
        note(&one, &["a:1".to_owned()]).unwrap();
        note(&one, &["a:1".to_owned(), "a:2".to_owned()]).unwrap();
        assert_eq!(noted(above.path(), own()), ["a:1", "a:2"]);
    }

    #[test]
    fn what_others_wrote_or_the_dead_left_is_not() {
        let above = tempfile::tempdir().unwrap();
        note(&directory(above.path(), "sluice-dev-1"), &["a:1".to_owned()]).unwrap();
        note(&directory(above.path(), "other"), &["a:2".to_owned()]).unwrap();
        assert_eq!(noted(above.path(), own() + 1), [""; 0]);
        let dead = directory(above.path(), "sluice-dev-2");
        // Above the largest number of a process.
        fs::write(dead.join(FILE), r#"{"pid":2000000000,"nodes":["a:3"]}"#).unwrap();
        assert_eq!(noted(above.path(), own()), ["a:1"]);
    }
}
