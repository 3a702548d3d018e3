//! Where the document comes from: one file, or a directory of parts. It says what stands there at a look;
//! what to make of it is decided elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parts::{Parts, Set};

/// The largest document read, in bytes.
const MAX_DOCUMENT: u64 = sluice_wire::parts::MAX_DOCUMENT as u64;

/// A place where the configuration is looked for.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    parts: Parts,
}

/// What stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// A whole document, though there may be signs of a newer one.
    pub(super) whole: Option<Arc<Whole>>,
    /// Why there is none, or no newer one.
    pub(super) trouble: Option<Trouble>,
}

/// A document as it was found, not read yet.
#[derive(PartialEq, Eq)]
pub(super) enum Whole {
    /// JSON.
    Text(Vec<u8>),
    /// Complete parts.
    Set(Arc<Set>),
}

/// Why a document can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is no document; time alone does not mend it.
    Refused(String),
    /// It may come yet.
    Waiting(Waiting),
}

/// A document that is not whole yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Fleet's uid and revision, where a part of it tells.
    pub(super) newest: Option<(String, u64)>,
    /// What is waited for, in words.
    pub(super) message: String,
}

impl Source {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), parts: Parts::new(path) }
    }

    /// What stands there now.
    pub(super) fn look(&mut self) -> Content {
        if self.path.is_dir() {
            return self.parts.look();
        }
        match read_bounded(&self.path) {
            Ok(text) => Content { whole: Some(Arc::new(Whole::Text(text))), trouble: None },
            Err(error) => Content::refused(error),
        }
    }
}

impl Content {
    pub(super) fn refused(error: String) -> Self {
        Self { whole: None, trouble: Some(Trouble::Refused(error)) }
    }
}

impl Whole {
    /// The document as JSON.
    ///
    /// # Errors
    /// Words that say why it can't be unpacked.
    pub(super) fn text(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Set(set) => set.text().map(Cow::Owned),
        }
    }

    /// Fleet's uid and revision, where they are known without reading the document.
    pub(super) fn claim(&self) -> Option<(&str, u64)> {
        match self {
            Self::Text(_) => None,
            Self::Set(set) => Some((&set.fleet, set.revision)),
        }
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Whole").field(&self.claim()).finish()
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
