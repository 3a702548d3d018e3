//! Who waits for which groups, beside what is served: a change wakes those who wait for one of its groups.
//! It decides nothing about answers, and it keeps no waiter that is gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::board::{Board, Change, Claim, Served, Space};

/// Waiters of a group, by number.
type Waiters = BTreeMap<u64, Arc<Notify>>;

#[derive(Debug, Default)]
struct State {
    board: Board,
    waiters: BTreeMap<Space, HashMap<String, Waiters>>,
    next: u64,
}

impl State {
    fn wake(&self, space: &Space, group: Option<&str>) {
        let Some(groups) = self.waiters.get(space) else { return };
        let woken = groups.iter().filter(|(name, _)| group.is_none_or(|group| group == name.as_str()));
        for waiter in woken.flat_map(|(_, waiters)| waiters.values()) {
            waiter.notify_one();
        }
    }
}

/// What is served and who waits for a change of it; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<State>>);

impl Hub {
    /// Nothing of it leaves a half-made change behind, so a panic elsewhere spoils nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes changes in at once, then wakes who waits for one of them.
    pub fn take(&self, changes: Vec<Change>) {
        let mut state = self.state();
        let changed: BTreeSet<_> = changes.into_iter().map(|change| state.board.take(change)).collect();
        for (space, group) in &changed {
            state.wake(space, group.as_deref());
        }
    }

    /// Whether all of these spaces were looked at.
    pub fn holds<'a>(&self, spaces: impl Iterator<Item = &'a Space>) -> bool {
        self.state().board.holds(spaces)
    }

    /// What groups are served as, and the number of the space's last change; `None` while it was not looked at.
    #[must_use]
    pub fn served(&self, space: &Space, groups: &[String]) -> Option<(u64, Vec<Served>)> {
        self.state().board.served(space, groups)
    }

    /// The groups of which a client has to be told that they changed.
    #[must_use]
    pub fn due(&self, space: &Space, claims: &[Claim]) -> BTreeSet<String> {
        self.state().board.due(space, claims)
    }

    /// From now on every change of one of these groups is noted for the waiter, whether it waits already or not.
    #[must_use]
    pub fn register(&self, space: &Space, claims: &Arc<[Claim]>) -> Waiting {
        let woken = Arc::new(Notify::new());
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let groups = state.waiters.entry(space.clone()).or_default();
        for claim in claims.iter() {
            groups.entry(claim.group.clone()).or_default().insert(number, Arc::clone(&woken));
        }
        Waiting { hub: self.clone(), space: space.clone(), claims: Arc::clone(claims), number, woken }
    }

    /// How many groups have waiters, in all spaces.
    #[cfg(test)]
    pub(super) fn waited_for(&self) -> usize {
        self.state().waiters.values().map(HashMap::len).sum()
    }
}

/// A registered waiter; it is forgotten when dropped.
#[derive(Debug)]
pub struct Waiting {
    hub: Hub,
    space: Space,
    claims: Arc<[Claim]>,
    number: u64,
    woken: Arc<Notify>,
}

impl Waiting {
    /// Ends when one of the groups has changed since it was registered or this ended last.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        let Some(groups) = state.waiters.get_mut(&self.space) else { return };
        for claim in self.claims.iter() {
            if let Some(waiters) = groups.get_mut(&claim.group) {
                waiters.remove(&self.number);
                if waiters.is_empty() {
                    groups.remove(&claim.group);
                }
            }
        }
        if groups.is_empty() {
            state.waiters.remove(&self.space);
        }
    }
}
