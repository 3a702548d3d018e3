//! Volumes as the kubelet mounts them, and a fleet's document as the parts that lie in one.
//! It writes what it is told to, complete or not: what a proxy makes of it is for the suites to see.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use sluice_wire::document::Document;
use sluice_wire::parts::{MAX_PART, PartHeader, file_name};

/// A mounted volume: every file is a link through `..data`, a link that is swapped in one step.
#[derive(Debug)]
pub struct Mount {
    directory: PathBuf,
    versions: Mutex<u32>,
}

impl Mount {
    /// A volume at `directory`, which may hold nothing else; without any file yet.
    ///
    /// # Panics
    /// When the directory can't be made.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).expect("a directory");
        Self { directory, versions: Mutex::new(0) }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes these its files.
    ///
    /// # Panics
    /// When they can't be written.
    pub fn put(&self, files: &[(String, Vec<u8>)]) {
        let mut versions = self.versions.lock().expect("nobody panicked");
        let (before, now) = (format!("..{versions}"), format!("..{}", *versions + 1));
        *versions += 1;
        std::fs::create_dir(self.directory.join(&now)).expect("a directory");
        for (name, bytes) in files {
            std::fs::write(self.directory.join(&now).join(name), bytes).expect("a file");
        }
        symlink(&now, self.directory.join("..data_tmp")).expect("a link");
        std::fs::rename(self.directory.join("..data_tmp"), self.directory.join("..data")).expect("a rename");
        for (name, _) in files {
            // The link of a file that was there before serves on.
            let _ = symlink(Path::new("..data").join(name), self.directory.join(name));
        }
        // The first version has none before it.
        let _ = std::fs::remove_dir_all(self.directory.join(before));
    }

    /// Makes parts its files, each by its place.
    pub fn put_parts(&self, parts: &[Vec<u8>]) {
        let named = parts.iter().enumerate().map(|(index, part)| (file_name(index), part.clone()));
        self.put(&named.collect::<Vec<_>>());
    }
}

/// The parts of a document, as an operator publishes them.
///
/// # Panics
/// When it has no form as JSON.
#[must_use]
pub fn parts(document: &Document) -> Vec<Vec<u8>> {
    let text = serde_json::to_vec(document).expect("a document is JSON");
    let compressed = zstd::encode_all(&*text, 3).expect("bytes can be compressed");
    let sha256 = hex(&compressed);
    let count = compressed.len().div_ceil(MAX_PART);
    let part = |(index, body): (usize, &[u8])| {
        let fleet = document.fleet.uid.clone();
        let header = PartHeader { fleet, revision: document.revision, index, count, sha256: sha256.clone() };
        [serde_json::to_vec(&header).expect("a header is JSON"), b"\n".to_vec(), body.to_vec()].concat()
    };
    compressed.chunks(MAX_PART).enumerate().map(part).collect()
}

/// SHA-256 in hexadecimal; of a counter, a text that no compressor shortens to less than half.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
