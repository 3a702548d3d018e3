//! What is served, by space and group: labelled ConfigMaps' content, and fleets' editions.
//! It holds no clock and no waiter, and it makes no time of its own: each comes with a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::content::NOTHING;
pub use super::content::{Content, Served};
use super::edition::Edition;

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

    /// A fleet's configuration. No namespace has a slash in its name.
    #[must_use]
    pub fn fleet(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }

    /// All fleets: nothing is served under it, but that they were looked at is waited for like that of any space.
    #[must_use]
    pub fn fleets() -> Self {
        Self("/".into())
    }

    /// Its name in logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// A fleet's configuration; `None`: parts of it are there, and no complete set was seen.
    Fleet {
        /// Which space.
        space: Space,
        /// The newest that is complete.
        edition: Option<Arc<Edition>>,
    },
    /// A fleet is no more.
    FleetGone {
        /// Which space.
        space: Space,
    },
    /// All fleets that there are were told.
    FleetsListed,
}

/// Why a fleet is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It may be there: not all is seen yet.
    NotYet,
    /// There is none.
    NoFleet,
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
    /// Editions with the number of the change that brought each.
    fleets: BTreeMap<Space, Option<(u64, Arc<Edition>)>>,
    fleets_listed: bool,
    /// How many editions there were.
    editions: u64,
}

/// Where waiters have to look again: a space, and of it one group or all.
pub type Place = (Space, Option<String>);

impl Board {
    /// Takes a change in, and says where waiters have to look again.
    pub fn take(&mut self, change: Change) -> Vec<Place> {
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
                vec![(space, None)]
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
                vec![(space, Some(group))]
            }
            Change::Fleet { space, edition } => self.take_fleet(&space, edition),
            Change::FleetGone { space } => {
                // What is no more differs from nothing a client has, so nobody has to look.
                self.fleets.remove(&space);
                Vec::new()
            }
            Change::FleetsListed => {
                self.fleets_listed = true;
                Vec::new()
            }
        }
    }

    fn take_fleet(&mut self, space: &Space, edition: Option<Arc<Edition>>) -> Vec<Place> {
        let known = self.fleets.entry(space.clone()).or_default();
        let Some(edition) = edition else { return Vec::new() };
        let changed = edition.changed(known.as_ref().map(|(_, edition)| &**edition));
        self.editions += 1;
        *known = Some((self.editions, edition));
        changed.into_iter().map(|group| (space.clone(), Some(group.to_owned()))).collect()
    }

    /// Whether all of these spaces were looked at.
    pub fn holds<'a>(&self, mut spaces: impl Iterator<Item = &'a Space>) -> bool {
        let all_fleets = Space::fleets();
        spaces.all(|space| self.shelves.contains_key(space) || (self.fleets_listed && *space == all_fleets))
    }

    /// A fleet's edition, and the number of the change that brought it.
    ///
    /// # Errors
    /// There is none.
    pub fn edition(&self, space: &Space) -> Result<(u64, Arc<Edition>), Absent> {
        match self.fleets.get(space) {
            Some(Some((version, edition))) => Ok((*version, Arc::clone(edition))),
            None if self.fleets_listed => Err(Absent::NoFleet),
            _ => Err(Absent::NotYet),
        }
    }

    /// What groups are served as, and the number of the space's last change; `None` while it was not looked at.
    #[must_use]
    pub fn served(&self, space: &Space, groups: &[String]) -> Option<(u64, Vec<Served>)> {
        let shelf = self.shelves.get(space)?;
        Some((shelf.version, groups.iter().map(|group| shelf.served(group)).collect()))
    }

    /// The groups of which a client has to be told that they changed. Of a fleet that was shown to it at a higher
    /// `revision` there are none: this replica is behind.
    #[must_use]
    pub fn due(&self, space: &Space, claims: &[Claim], revision: u64) -> BTreeSet<String> {
        let fleet = self.fleets.get(space).and_then(Option::as_ref);
        let is_due = |claim: &&Claim| match (self.shelves.get(space), fleet) {
            (Some(shelf), _) => shelf.is_due(claim),
            (None, Some((_, edition))) => edition.revision >= revision && is_due(edition, claim),
            (None, None) => false,
        };
        claims.iter().filter(is_due).map(|claim| claim.group.clone()).collect()
    }
}

/// As that of a shelf; a group that fleets don't have never changes.
fn is_due(edition: &Edition, claim: &Claim) -> bool {
    edition.group(&claim.group).is_some_and(|served| {
        *served.content.md5 != *claim.md5 && served.last_modify_time >= claim.last_modify_time
    })
}

#[cfg(test)]
mod tests;
