//! Reads a document out of mounted parts (`sluice_wire::parts`): bounded, and only from a complete set.
//! It does not judge what the document says, nor whether it is newer than the one in effect.

mod set;

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_wire::parts::{MAX_HEADER, MAX_PART, MAX_PARTS, file_name};

use super::source::{Content, Trouble, Waiting, Whole};
use set::{Assembled, Missing, assemble};
pub(super) use set::{Set, digest};

/// The longest file read, in bytes: header, line end and body.
const MAX_FILE: u64 = (MAX_HEADER + 1 + MAX_PART) as u64;

/// A directory of parts, and what it held at the last look.
#[derive(Debug)]
pub(super) struct Parts {
    directory: PathBuf,
    stamps: Option<[Option<Stamp>; MAX_PARTS]>,
    /// Whether the content was read again after the stamps were first seen.
    sure: bool,
    content: Content,
}

/// What tells, without reading it, that a file is the one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // Follows links, so a swap of Kubernetes' `..data` shows as other files.
        std::fs::metadata(path).ok().map(|file: Metadata| Self {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

impl Parts {
    pub(super) fn new(directory: &Path) -> Self {
        let content = Content::default();
        Self { directory: directory.to_owned(), stamps: None, sure: false, content }
    }

    /// What the directory holds now. Files are read only when they look like others, and once more after that: a
    /// second write within one tick of the file system's clock leaves no mark on them.
    pub(super) fn look(&mut self) -> Content {
        let stamps = std::array::from_fn(|index| Stamp::of(&self.path(index)));
        let known = self.stamps.as_ref() == Some(&stamps);
        if !(known && self.sure) {
            self.stamps = Some(stamps);
            let read = self.read();
            self.sure = known && read.is_ok();
            let content = read.unwrap_or_else(|error| Content::refused(error.to_string()));
            if content != self.content {
                self.content = content;
            }
        }
        self.content.clone()
    }

    fn path(&self, index: usize) -> PathBuf {
        self.directory.join(file_name(index))
    }

    fn read(&self) -> io::Result<Content> {
        let mut files = Vec::with_capacity(MAX_PARTS);
        for index in 0..MAX_PARTS {
            let path = self.path(index);
            let named = |error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
            files.push(read_file(&path).map_err(named)?);
        }
        if files.iter().all(Option::is_none) {
            let message = format!("{}: waiting for the first configuration", self.directory.display());
            let trouble = Some(Trouble::Waiting(Waiting { newest: None, message }));
            return Ok(Content { whole: None, trouble });
        }
        Ok(content(assemble(&files)))
    }
}

fn content(Assembled { whole, missing, damage }: Assembled) -> Content {
    let trouble = damage.map(Trouble::Refused).or_else(|| {
        missing.map(|missing| {
            let message = missing.to_string();
            let Missing { fleet, revision, .. } = missing;
            Trouble::Waiting(Waiting { newest: Some((fleet, revision)), message })
        })
    });
    Content { whole: whole.map(|set| Arc::new(Whole::Set(set))), trouble }
}

/// A file's content, one byte more than a part may have at most; `None` where there is no such file.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::set::tests::parts;
    use super::*;

    fn text(content: &Content) -> Option<Vec<u8>> {
        content.whole.as_ref().map(|whole| whole.text().unwrap().into_owned())
    }

    /// Puts files in place as the kubelet does: a new directory, and a link to it that is swapped.
    fn swap(directory: &Path, version: &str, files: &[Vec<u8>]) {
        let beside = directory.join(version);
        std::fs::create_dir(&beside).unwrap();
        for (index, file) in files.iter().enumerate() {
            std::fs::write(beside.join(file_name(index)), file).unwrap();
            let link = directory.join(file_name(index));
            let _ = std::os::unix::fs::symlink(Path::new("..data").join(file_name(index)), link);
        }
        std::os::unix::fs::symlink(version, directory.join("..data_tmp")).unwrap();
        std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    }

    #[test]
    fn an_empty_directory_is_waited_on() {
        let directory = tempfile::tempdir().unwrap();
        let content = Parts::new(directory.path()).look();
        assert!(content.whole.is_none());
        let Some(Trouble::Waiting(Waiting { newest: None, message })) = content.trouble else { panic!() };
        assert!(message.contains("waiting for the first configuration"), "{message}");
    }

    #[test]
    fn a_swap_of_links_is_seen_and_a_part_that_went_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let mut reader = Parts::new(directory.path());
        swap(directory.path(), "..1", &parts("uid", 1, b"one", 2));
        assert_eq!(text(&reader.look()).unwrap(), b"one");
        swap(directory.path(), "..2", &parts("uid", 2, b"two", 1));
        assert_eq!(text(&reader.look()).unwrap(), b"two");
        swap(directory.path(), "..3", &parts("uid", 3, b"three", 3)[..2]);
        let content = reader.look();
        assert!(content.whole.is_none());
        let Some(Trouble::Waiting(waiting)) = content.trouble else { panic!() };
        assert_eq!(waiting.newest, Some(("uid".to_owned(), 3)));
        assert_eq!(waiting.message, "waiting for part 3 of 3 of revision 3");
    }

    #[test]
    fn files_that_look_the_same_are_read_twice_and_then_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file_name(0));
        std::fs::write(&path, &parts("uid", 1, b"one", 1)[0]).unwrap();
        let mut reader = Parts::new(directory.path());
        let first = reader.look();
        assert!(!reader.sure);
        let second = reader.look();
        assert!(reader.sure);
        let same =
            |a: &Content, b: &Content| Arc::ptr_eq(a.whole.as_ref().unwrap(), b.whole.as_ref().unwrap());
        assert!(same(&first, &second) && same(&second, &reader.look()), "equal content is one object");
        std::fs::write(&path, &parts("uid", 2, b"two", 1)[0]).unwrap();
        assert_eq!(text(&reader.look()).unwrap(), b"two");
    }

    #[test]
    fn a_file_that_can_not_be_read_is_named_and_looked_at_again() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(file_name(0))).unwrap();
        let mut reader = Parts::new(directory.path());
        for _ in 0..3 {
            let Some(Trouble::Refused(error)) = reader.look().trouble else { panic!() };
            assert!(error.contains("0.part"), "{error}");
            assert!(!reader.sure);
        }
    }
}
