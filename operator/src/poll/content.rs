//! What a group is served as: its bytes, their digest, and the time that clients compare.
//! It reads none of it.

use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::hex;

/// What a group without content is served as, and the MD5 of that.
pub(super) const NOTHING: (&[u8], &str) = (b"[]", "d751713988987e9331980363e24189ce");

/// A group's content: a JSON array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// As it was written, byte for byte.
    pub bytes: Bytes,
    /// The MD5 of those bytes, 32 hexadecimal digits.
    pub md5: Arc<str>,
}

impl Content {
    /// Content with its digest.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { md5: hex::digits(&Md5::digest(&bytes)).into(), bytes }
    }

    /// That of a group which has none: an empty array.
    #[must_use]
    pub fn nothing() -> Self {
        Self { bytes: Bytes::from_static(NOTHING.0), md5: NOTHING.1.into() }
    }
}

/// What a group is served as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its content.
    pub content: Content,
    /// Since when it has it, in the numbers of its source; clients apply what has a greater one than theirs.
    pub last_modify_time: u64,
}
