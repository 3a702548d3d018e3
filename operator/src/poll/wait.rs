//! One long poll: it registers, compares, waits, and is answered once.
//!
//! The order is what makes it miss nothing. A change before the comparison is seen by it; one after it finds the
//! poll registered and wakes it. [`Poll::step`] is the whole of it, so that tests can put anything between two steps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::board::{Claim, Space};
use super::hub::{Hub, Waiting};

/// A client's question which of its groups have changed.
#[derive(Debug)]
pub struct Poll {
    hub: Hub,
    space: Space,
    claims: Arc<[Claim]>,
    /// Once it is registered.
    waiting: Option<Waiting>,
}

/// What to do after a step.
#[derive(Debug)]
pub enum Step<'a> {
    /// The next one.
    Next,
    /// Wait until this wakes; then the next one.
    Wait(&'a Waiting),
    /// Answer that these groups changed; there is nothing after it.
    Answer(BTreeSet<String>),
}

impl Poll {
    /// A poll of groups that a client has.
    #[must_use]
    pub fn new(hub: Hub, space: Space, claims: Vec<Claim>) -> Self {
        Self { hub, space, claims: claims.into(), waiting: None }
    }

    /// Does the next step.
    pub fn step(&mut self) -> Step<'_> {
        if self.waiting.is_none() {
            self.waiting = Some(self.hub.register(&self.space, &self.claims));
            return Step::Next;
        }
        let due = self.hub.due(&self.space, &self.claims);
        match &self.waiting {
            Some(waiting) if due.is_empty() => Step::Wait(waiting),
            _ => Step::Answer(due),
        }
    }

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
