//! What is served and who waits for a change of it, as a value: whoever holds it holds the lock.
//! How a waiter is woken is for others to say, so that a model can have its own way.

use std::collections::BTreeMap;

use super::board::{Board, Change, Claim, Place, Space};

/// Waiters of a group, by number.
type Waiters<W> = BTreeMap<u64, W>;

/// What is served and who waits; `W` is what wakes a waiter.
#[derive(Debug)]
pub struct State<W> {
    board: Board,
    waiters: BTreeMap<Space, BTreeMap<String, Waiters<W>>>,
    next: u64,
}

impl<W> Default for State<W> {
    fn default() -> Self {
        Self { board: Board::default(), waiters: BTreeMap::new(), next: 0 }
    }
}

impl<W: Clone> State<W> {
    /// What is served.
    #[must_use]
    pub const fn board(&self) -> &Board {
        &self.board
    }

    /// Takes changes in at once, and gives whom to wake: those who wait for one of them.
    #[must_use]
    pub fn take(&mut self, changes: Vec<Change>) -> Vec<W> {
        let mut places: Vec<Place> = changes.into_iter().flat_map(|change| self.board.take(change)).collect();
        places.sort_unstable();
        places.dedup();
        let mut woken = Waiters::new();
        for (space, group) in &places {
            let groups = self.waiters.get(space).into_iter().flatten();
            let these = groups.filter(|(name, _)| group.as_ref().is_none_or(|group| group == *name));
            woken.extend(
                these.flat_map(|(_, waiters)| waiters).map(|(number, waiter)| (*number, waiter.clone())),
            );
        }
        woken.into_values().collect()
    }

    /// From now on every change of one of these groups wakes the waiter, until it is forgotten by the number given.
    #[must_use]
    pub fn register(&mut self, space: &Space, claims: &[Claim], waiter: &W) -> u64 {
        let number = self.next;
        self.next += 1;
        let groups = self.waiters.entry(space.clone()).or_default();
        for claim in claims {
            groups.entry(claim.group.clone()).or_default().insert(number, waiter.clone());
        }
        number
    }

    /// Forgets a waiter.
    pub fn forget(&mut self, space: &Space, claims: &[Claim], number: u64) {
        let Some(groups) = self.waiters.get_mut(space) else { return };
        for claim in claims {
            if let Some(waiters) = groups.get_mut(&claim.group) {
                waiters.remove(&number);
                if waiters.is_empty() {
                    groups.remove(&claim.group);
                }
            }
        }
        if groups.is_empty() {
            self.waiters.remove(space);
        }
    }

    /// How many groups have waiters, in all spaces.
    #[must_use]
    pub fn waited_for(&self) -> usize {
        self.waiters.values().map(BTreeMap::len).sum()
    }
}
