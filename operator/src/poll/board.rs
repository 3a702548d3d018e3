//! What is served, by space and group: content, digest and the time that clients compare.
//! It holds no clock and no waiter, and it makes no time of its own: each comes with a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::hex;

/// What a group without content is served as, and the MD5 of that.
const NOTHING: (&[u8], &str) = (b"[]", "d751713988987e9331980363e24189ce");
/// Groups of a space whose end is remembered one by one; beyond, all groups are given the newest one's time.
const MAX_ENDS: usize = 1_024;

/// What is served together, and apart from all else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(Arc<str>);

impl Space {
    /// The labelled ConfigMaps of a namespace.
    #[must_use]
    pub fn namespace(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name in logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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

/// Something that changed in a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The whole space was looked at, at the time `at`. What is not among `groups` has no content.
    Whole {
        /// Which space.
        space: Space,
        /// Contents; of `None` it is not known which there should be.
        groups: BTreeMap<String, Option<Content>>,
        /// When.
        at: u64,
    },
    /// One group of a space that was looked at before.
    One {
        /// Which space.
        space: Space,
        /// Which group.
        group: String,
        /// Its content; `None`: it has none any more.
        content: Option<Content>,
        /// When.
        at: u64,
    },
}

/// What a client says it has of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The group.
    pub group: String,
    /// The digest of what it has.
    pub md5: String,
    /// Since when.
    pub last_modify_time: u64,
}

/// The groups of a space.
#[derive(Debug, Default)]
struct Shelf {
    /// Those that were changed or have content; all others have had none since `at`.
    groups: BTreeMap<String, Served>,
    at: u64,
    /// Grows with every change.
    version: u64,
    /// How many of the groups have lost their content.
    ends: usize,
}

impl Shelf {
    fn served(&self, group: &str) -> Served {
        let absent = || Served { content: Content::nothing(), last_modify_time: self.at };
        self.groups.get(group).cloned().unwrap_or_else(absent)
    }

    /// Whether what is served differs from what a client has and is no older. What is older is not told: another
    /// replica has shown the client more than this one has seen.
    fn is_due(&self, claim: &Claim) -> bool {
        let served = self.groups.get(&claim.group);
        let (md5, time) =
            served.map_or((NOTHING.1, self.at), |served| (&*served.content.md5, served.last_modify_time));
        md5 != claim.md5 && time >= claim.last_modify_time
    }

    fn forget_ends(&mut self, at: u64) {
        self.at = at;
        self.ends = 0;
        self.groups.retain(|_, served| *served.content.md5 != *NOTHING.1 || served.last_modify_time == 0);
        for served in self.groups.values_mut().filter(|served| served.last_modify_time > 0) {
            served.last_modify_time = at;
        }
    }
}

/// All that is served.
#[derive(Debug, Default)]
pub struct Board {
    shelves: BTreeMap<Space, Shelf>,
}

impl Board {
    /// Takes a change in, and says of which groups waiters have to look again; `None`: of all of the space.
    pub fn take(&mut self, change: Change) -> (Space, Option<String>) {
        match change {
            Change::Whole { space, groups, at } => {
                let shelf = self.shelves.entry(space.clone()).or_default();
                let served = |(group, content): (String, Option<Content>)| {
                    // A time of 0 is older than any client's: such a group is never told to have changed.
                    let last_modify_time = if content.is_some() { at } else { 0 };
                    (group, Served { content: content.unwrap_or_else(Content::nothing), last_modify_time })
                };
                shelf.groups = groups.into_iter().map(served).collect();
                shelf.at = at;
                shelf.ends = 0;
                shelf.version += 1;
                (space, None)
            }
            Change::One { space, group, content, at } => {
                let shelf = self.shelves.entry(space.clone()).or_default();
                let ends = content.is_none();
                let content = content.unwrap_or_else(Content::nothing);
                let before = shelf.served(&group);
                if before.content != content || before.last_modify_time == 0 {
                    shelf.groups.insert(group.clone(), Served { content, last_modify_time: at });
                    shelf.version += 1;
                    shelf.ends += usize::from(ends);
                    if shelf.ends > MAX_ENDS {
                        shelf.forget_ends(at);
                    }
                }
                (space, Some(group))
            }
        }
    }

    /// Whether all of these spaces were looked at.
    pub fn holds<'a>(&self, mut spaces: impl Iterator<Item = &'a Space>) -> bool {
        spaces.all(|space| self.shelves.contains_key(space))
    }

    /// What groups are served as, and the number of the space's last change; `None` while it was not looked at.
    #[must_use]
    pub fn served(&self, space: &Space, groups: &[String]) -> Option<(u64, Vec<Served>)> {
        let shelf = self.shelves.get(space)?;
        Some((shelf.version, groups.iter().map(|group| shelf.served(group)).collect()))
    }

    /// The groups of which a client has to be told that they changed.
    #[must_use]
    pub fn due(&self, space: &Space, claims: &[Claim]) -> BTreeSet<String> {
        let Some(shelf) = self.shelves.get(space) else { return BTreeSet::new() };
        claims.iter().filter(|claim| shelf.is_due(claim)).map(|claim| claim.group.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
