//! In which order tests get the cluster: so many beside each other, and those that need it alone once no other waits.
//! So nobody stands still until the cluster is free, but once.

use std::io::Write as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many tests beside each other: each mostly waits, and on two cores more of them only wait for each other.
const BESIDE: usize = 5;

static QUEUE: Queue = Queue { turns: Mutex::new(Turns::NONE), changed: Condvar::new() };

struct Queue {
    turns: Mutex<Turns>,
    changed: Condvar,
}

/// Who has the cluster, and who waits for it beside others.
#[derive(Debug)]
struct Turns {
    beside: usize,
    alone: bool,
    waiting: usize,
}

impl Turns {
    const NONE: Self = Self { beside: 0, alone: false, waiting: 0 };

    fn has_place_beside(&self) -> bool {
        !self.alone && self.beside < BESIDE
    }

    fn is_free(&self) -> bool {
        !self.alone && self.beside == 0 && self.waiting == 0
    }
}

impl Queue {
    fn lock(&'static self) -> MutexGuard<'static, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(
        &'static self,
        turns: MutexGuard<'static, Turns>,
        may: fn(&Turns) -> bool,
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

    /// Waits until no other test has the cluster and none waits for a place beside others.
    pub(super) fn alone() -> Self {
        let mut turns = QUEUE.until(QUEUE.lock(), Turns::is_free);
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
                let test = std::thread::current().name().unwrap_or("a test").to_owned();
                let line = format!("cluster: {test} had it alone for {:.0?}\n", began.elapsed());
                // Where nothing can be shown, nothing is.
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
        QUEUE.changed.notify_all();
    }
}
