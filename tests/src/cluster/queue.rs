//! In which order tests get the cluster: so many beside each other, and those that need it alone once no other waits.
//! So nobody stands still until the cluster is free, but once. Those that are alone come in the order of their names, so
//! that what one leaves behind meets the same one in every run.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many tests beside each other: each mostly waits, and on two cores more of them only wait for each other.
const BESIDE: usize = 5;

static QUEUE: Queue = Queue { turns: Mutex::new(Turns::new()), changed: Condvar::new() };

struct Queue {
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// Who has the cluster, and who waits for it.
#[derive(Debug)]
struct Turns {
    beside: usize,
    alone: bool,
    waiting: usize,
    /// Tests that wait to be alone, the next one first.
    next: BTreeSet<String>,
}

impl Turns {
    const fn new() -> Self {
        Self { beside: 0, alone: false, waiting: 0, next: BTreeSet::new() }
    }

    fn has_place_beside(&self) -> bool {
        !self.alone && self.beside < BESIDE
    }

    fn is_free_for(&self, test: &str) -> bool {
        !self.alone
            && self.beside == 0
            && self.waiting == 0
            && self.next.first().is_some_and(|next| next == test)
    }
}

/// The test of this thread.
fn test() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

impl Queue {
    fn lock(&'static self) -> MutexGuard<'static, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(
        &'static self,
        turns: MutexGuard<'static, Turns>,
        may: impl Fn(&Turns) -> bool,
    ) -> MutexGuard<'static, Turns> {
        self.changed.wait_while(turns, |turns| !may(turns)).unwrap_or_else(PoisonError::into_inner)
    }
}

/// A test's turn, until it is dropped.
#[derive(Debug)]
pub(super) enum Turn {
    Beside,
    Alone(Instant),
}

impl Turn {
    /// Waits for a place beside other tests.
    pub(super) fn beside() -> Self {
        let mut turns = QUEUE.lock();
        turns.waiting += 1;
        turns = QUEUE.until(turns, Turns::has_place_beside);
        turns.waiting -= 1;
        turns.beside += 1;
        Self::Beside
    }

    /// Waits until no other test has the cluster, none waits for a place beside others, and none that waits to be alone
    /// comes first.
    pub(super) fn alone() -> Self {
        let (test, mut turns) = (test(), QUEUE.lock());
        assert!(turns.next.insert(test.clone()), "two tests of one name wait to be alone");
        turns = QUEUE.until(turns, |turns| turns.is_free_for(&test));
        turns.next.remove(&test);
        turns.alone = true;
        Self::Alone(Instant::now())
    }
}

impl Drop for Turn {
    /// Nothing costs a run of all suites more than what runs alone, so its time is shown, whatever becomes of the test.
    fn drop(&mut self) {
        let mut turns = QUEUE.lock();
        match self {
            Self::Beside => turns.beside -= 1,
            Self::Alone(began) => {
                turns.alone = false;
                let line = format!("cluster: {} had it alone for {:.0?}\n", test(), began.elapsed());
                // Where nothing can be shown, nothing is.
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
        QUEUE.changed.notify_all();
    }
}
