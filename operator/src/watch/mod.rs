//! Reads a directory of resources, again and again, by content; in [`cluster`], watches an API server.
//! It says what stands in the files and keeps the last good of a broken one; it checks no resource.

pub mod cluster;
mod parse;
pub(crate) mod scopes;
mod tree;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ObjectRef, Problem, Reason};

/// Largest size of a file, in bytes.
pub const FILE_MAX: u64 = 1 << 20;

/// Largest number of files read of a directory.
pub const FILES_MAX: usize = 1_000;

/// An object as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file, as people are told.
    pub file: String,
    /// Which object it is.
    pub id: ObjectRef,
    /// All of it.
    pub value: Value,
}

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// A label is no text, or the labels are no list of them, which an API server refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("labels must be text; put numbers and the like in quotes")]
pub struct NotText {
    /// Which field.
    pub field: String,
}

/// A Namespace as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The file, as people are told.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Result<Labels, NotText>,
}

/// What a directory or a list of files holds, in the order of file names and of documents in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The files there are, as people are told.
    pub files: Vec<String>,
    /// The objects, those of a broken file as they were last.
    pub objects: Vec<Source>,
    /// Documents of other API groups: file and what it is. They are left alone.
    pub foreign: Vec<(String, String)>,
    /// The Namespaces among these.
    pub namespaces: Vec<Namespace>,
    /// What can't be read.
    pub problems: Vec<Problem>,
}

/// A directory that is watched.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    files: BTreeMap<PathBuf, Known>,
    unreadable: Option<String>,
    polled: bool,
}

/// A file as it was read last.
#[derive(Debug)]
struct Known {
    hash: Option<[u8; 32]>,
    good: parse::Parsed,
    problem: Option<Problem>,
}

impl Directory {
    /// Watches the `*.yaml`, `*.yml` and `*.json` files of `path`, not those of directories below it.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), files: BTreeMap::new(), unreadable: None, polled: false }
    }

    /// Reads the directory. Gives what it holds at the first call and whenever a content has changed since.
    pub fn poll(&mut self) -> Option<Snapshot> {
        let first = !std::mem::replace(&mut self.polled, true);
        let changed = match list(&self.path) {
            Ok(paths) => {
                let was_unreadable = self.unreadable.take().is_some();
                self.refresh(&paths) || was_unreadable
            }
            Err(error) => {
                let message = Some(error.to_string());
                let changed = self.unreadable != message;
                self.unreadable = message;
                changed
            }
        };
        (changed || first).then(|| self.snapshot())
    }

    fn refresh(&mut self, paths: &[PathBuf]) -> bool {
        let before = self.files.len();
        self.files.retain(|path, _| paths.contains(path));
        let mut changed = self.files.len() != before;
        for path in paths {
            let known = self.files.remove(path);
            let (known, is_new) = read(path, &shown(path), known);
            changed |= is_new;
            self.files.insert(path.clone(), known);
        }
        changed
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        if let Some(message) = &self.unreadable {
            snapshot.problems.push(whole(
                &self.path.display().to_string(),
                Reason::Unreadable,
                message.clone(),
            ));
        }
        for (path, known) in &self.files {
            collect(&mut snapshot, &shown(path), &known.good, known.problem.as_ref());
        }
        snapshot
    }
}

/// Reads `files` once, in the order given.
#[must_use]
pub fn read_files(files: &[PathBuf]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for path in files {
        let shown = path.display().to_string();
        let (known, _) = read(path, &shown, None);
        collect(&mut snapshot, &shown, &known.good, known.problem.as_ref());
    }
    snapshot
}

fn collect(snapshot: &mut Snapshot, file: &str, good: &parse::Parsed, problem: Option<&Problem>) {
    snapshot.files.push(file.to_owned());
    let objects = good.objects.iter().cloned();
    snapshot.objects.extend(objects.map(|(id, value)| Source { file: file.to_owned(), id, value }));
    snapshot.foreign.extend(good.foreign.iter().map(|what| (file.to_owned(), what.clone())));
    let namespaces = good.namespaces.iter().cloned();
    snapshot.namespaces.extend(namespaces.map(|(name, labels)| Namespace {
        file: file.to_owned(),
        name,
        labels,
    }));
    snapshot.problems.extend(problem.cloned());
}

/// The files to read, in order.
///
/// # Errors
/// The directory can't be read, or holds too many files.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if is_resource_file(&path) {
            paths.push(path);
        }
    }
    if paths.len() > FILES_MAX {
        return Err(io::Error::other(format!("more than {FILES_MAX} files; split the directory")));
    }
    paths.sort();
    Ok(paths)
}

/// By its name, and not a hidden file: editors keep their own copies under such names.
fn is_resource_file(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && extension.is_some_and(|name| ["yaml", "yml", "json"].contains(&name)) && !path.is_dir()
}

/// Reads a file; what it held before stays when it can't be read now. True: it is not as before.
fn read(path: &Path, shown: &str, before: Option<Known>) -> (Known, bool) {
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(error) => return broken(before, None, whole(shown, Reason::Unreadable, error.to_string())),
    };
    let hash: [u8; 32] = Sha256::digest(&text).into();
    let before = match before {
        Some(known) if known.hash == Some(hash) => return (known, false),
        before => before,
    };
    match parse::parse(&text) {
        Ok(good) => (Known { hash: Some(hash), good, problem: None }, true),
        Err(error) => {
            let problem = Problem { field: error.place, ..whole(shown, Reason::Syntax, error.message) };
            broken(before, Some(hash), problem)
        }
    }
}

/// What a file is that was `before` and now has a problem.
fn broken(before: Option<Known>, hash: Option<[u8; 32]>, problem: Problem) -> (Known, bool) {
    let changed = before.as_ref().is_none_or(|known| known.problem.as_ref() != Some(&problem));
    let good = before.map(|known| known.good).unwrap_or_default();
    (Known { hash, good, problem: Some(problem) }, changed)
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_MAX {
        return Err(io::Error::other("larger than 1 MiB; split the file"));
    }
    Ok(text)
}

fn whole(shown: &str, reason: Reason, message: String) -> Problem {
    Problem { file: shown.to_owned(), object: None, field: String::new(), reason, message }
}

/// A file of a directory is told by its name alone.
fn shown(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
