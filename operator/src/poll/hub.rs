//! Who waits for which groups, beside what is served: a change wakes those who wait for one of its groups.
//! It decides nothing about answers, and it keeps no waiter that is gone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::board::{Absent, Change, Claim, Served, Space};
use super::edition::Edition;
use super::state::State;
use super::wait::Waits;

/// What is served and who waits for a change of it; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<State<Arc<Notify>>>>);

impl Hub {
    /// Nothing of it leaves a half-made change behind, so a panic elsewhere spoils nothing.
    fn state(&self) -> MutexGuard<'_, State<Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes changes in at once, then wakes who waits for one of them.
    pub fn take(&self, changes: Vec<Change>) {
        let woken = self.state().take(changes);
        // Not under the lock, which each of them takes next.
        for waiter in woken {
            waiter.notify_one();
        }
    }

    /// Whether all of these spaces were looked at.
    pub fn holds<'a>(&self, spaces: impl Iterator<Item = &'a Space>) -> bool {
        self.state().board().holds(spaces)
    }

    /// What groups are served as, and the number of the space's last change; `None` while it was not looked at.
    #[must_use]
    pub fn served(&self, space: &Space, groups: &[String]) -> Option<(u64, Vec<Served>)> {
        self.state().board().served(space, groups)
    }

    /// A fleet's edition, and the number of the change that brought it.
    ///
    /// # Errors
    /// There is none.
    pub fn edition(&self, space: &Space) -> Result<(u64, Arc<Edition>), Absent> {
        self.state().board().edition(space)
    }

    /// How many groups have waiters, in all spaces.
    #[cfg(test)]
    pub(super) fn waited_for(&self) -> usize {
        self.state().waited_for()
    }
}

impl Waits for Hub {
    type Waiting = Waiting;

    fn register(&self, space: &Space, claims: &Arc<[Claim]>) -> Waiting {
        let woken = Arc::new(Notify::new());
        let number = self.state().register(space, claims, &woken);
        Waiting { hub: self.clone(), space: space.clone(), claims: Arc::clone(claims), number, woken }
    }

    fn due(&self, space: &Space, claims: &[Claim], revision: u64) -> BTreeSet<String> {
        self.state().board().due(space, claims, revision)
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
        self.hub.state().forget(&self.space, &self.claims, self.number);
    }
}
