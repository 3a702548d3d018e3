//! One long poll: it registers, compares, waits, and is answered once.
//!
//! The order is what makes it miss nothing. A change before the comparison is seen by it; one after it finds the
//! poll registered and wakes it. [`Poll::step`] is the whole of it, so that tests can put anything between two steps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::board::{Claim, Space};
use super::hub::{Hub, Waiting};

/// Where polls wait: the hub, or what stands for it in a model.
pub trait Waits {
    /// A registered waiter; it is forgotten when dropped.
    type Waiting;

    /// From now on every change of one of these groups is noted for the waiter, whether it waits already or not.
    #[must_use]
    fn register(&self, space: &Space, claims: &Arc<[Claim]>) -> Self::Waiting;

    /// The groups of which a client has to be told that they changed; see [`super::board::Board::due`].
    #[must_use]
    fn due(&self, space: &Space, claims: &[Claim], revision: u64) -> BTreeSet<String>;
}

/// A client's question which of its groups have changed.
#[derive(Debug)]
pub struct Poll<H: Waits = Hub> {
    hub: H,
    space: Space,
    claims: Arc<[Claim]>,
    /// The highest revision of a fleet that the client was shown; 0 where it says none.
    revision: u64,
    /// Once it is registered.
    waiting: Option<H::Waiting>,
}

/// What to do after a step.
#[derive(Debug)]
pub enum Step<'a, W = Waiting> {
    /// The next one.
    Next,
    /// Wait until this wakes; then the next one.
    Wait(&'a W),
    /// Answer that these groups changed; there is nothing after it.
    Answer(BTreeSet<String>),
}

impl<H: Waits> Poll<H> {
    /// A poll of groups that a client has.
    #[must_use]
    pub fn new(hub: H, space: Space, claims: impl Into<Arc<[Claim]>>) -> Self {
        Self { hub, space, claims: claims.into(), revision: 0, waiting: None }
    }

    /// That of a client which was shown this revision of a fleet: it is told of none that is lower.
    #[must_use]
    pub fn knowing(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// Does the next step.
    pub fn step(&mut self) -> Step<'_, H::Waiting> {
        if self.waiting.is_none() {
            self.waiting = Some(self.hub.register(&self.space, &self.claims));
            return Step::Next;
        }
        let due = self.hub.due(&self.space, &self.claims, self.revision);
        match &self.waiting {
            Some(waiting) if due.is_empty() => Step::Wait(waiting),
            _ => Step::Answer(due),
        }
    }
}

impl Poll {
    /// The groups that changed: as soon as one has, or none when `hold` has passed or `over` has ended.
    pub async fn answer(mut self, hold: Duration, over: impl Future<Output = ()>) -> BTreeSet<String> {
        let ends = async {
            tokio::select! {
                () = tokio::time::sleep(hold) => {}
                () = over => {}
            }
        };
        let changed = async {
            loop {
                match self.step() {
                    Step::Next => {}
                    Step::Wait(waiting) => waiting.woken().await,
                    Step::Answer(due) => return due,
                }
            }
        };
        tokio::select! {
            biased;
            due = changed => due,
            () = ends => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests;
