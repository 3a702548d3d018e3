//! How much of what anybody may send is there at once: bodies on their way, objects as values, and edits of fleets.
//! Whoever finds no place until its time is over is told to come again.

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::review::MOST_VALUES;

/// A body is long from so many bytes on.
const LONG_BODY: usize = 64 << 10;
/// Long bodies that are there at once.
const LONG_BODIES: usize = 4;
/// A review has many values from so many on.
const MANY: usize = 2 << 10;
/// Values of such reviews that are there at once: the most of one review, which has an object and what it was. Typed, the
/// largest take 3 KiB each.
const OF_MANY: usize = 2 * MOST_VALUES;
/// The same of all others, which wait for none of these.
const OF_FEW: usize = 2 * MOST_VALUES;

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much is looked at already; try again soon")]
pub(super) struct NoRoom;

/// Room for reviews.
#[derive(Debug)]
pub(super) struct Rooms {
    bodies: Semaphore,
    of_many: Semaphore,
    of_few: Semaphore,
    edits: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            bodies: Semaphore::new(LONG_BODIES),
            of_many: Semaphore::new(OF_MANY),
            of_few: Semaphore::new(OF_FEW),
            edits: Semaphore::new(1),
        }
    }
}

impl Rooms {
    /// Room for a body that says that it is so long. Who sends a long one slowly keeps other long ones waiting, and nobody else.
    pub(super) async fn body(
        &self,
        length: Option<usize>,
        by: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, NoRoom> {
        if length.is_some_and(|length| length <= LONG_BODY) {
            return Ok(None);
        }
        until(by, self.bodies.acquire()).await.map(Some)
    }

    /// Room to look at so many values.
    pub(super) async fn values(&self, count: usize, by: Instant) -> Result<SemaphorePermit<'_>, NoRoom> {
        let (room, most) = if count > MANY { (&self.of_many, OF_MANY) } else { (&self.of_few, OF_FEW) };
        let wanted = u32::try_from(count.clamp(1, most)).map_err(|_| NoRoom)?;
        until(by, room.acquire_many(wanted)).await
    }

    /// The one turn to hold a fleet's edit against its streams.
    pub(super) async fn edit(&self, by: Instant) -> Result<SemaphorePermit<'_>, NoRoom> {
        until(by, self.edits.acquire()).await
    }
}

async fn until<'a>(
    by: Instant,
    turn: impl Future<Output = Result<SemaphorePermit<'a>, AcquireError>>,
) -> Result<SemaphorePermit<'a>, NoRoom> {
    match timeout_at(by, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(NoRoom),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn long_bodies_wait_for_each_other_alone() {
        let rooms = Rooms::default();
        let mut held = Vec::new();
        for length in [None, Some(LONG_BODY + 1), None, Some(7 << 20)] {
            held.push(rooms.body(length, soon()).await.unwrap().unwrap());
        }
        assert_eq!(rooms.body(None, soon()).await.unwrap_err(), NoRoom);
        assert!(rooms.body(Some(LONG_BODY), soon()).await.unwrap().is_none());
        drop(held);
        assert!(rooms.body(None, soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_values_are_there_at_once_and_few_wait_for_no_many() {
        let rooms = Rooms::default();
        let many = rooms.values(2 * MOST_VALUES, soon()).await.unwrap();
        assert_eq!(rooms.values(MANY + 1, soon()).await.unwrap_err(), NoRoom);
        let mut few = Vec::new();
        for _ in 0..OF_FEW / MANY {
            few.push(rooms.values(MANY, soon()).await.unwrap());
        }
        assert_eq!(rooms.values(0, soon()).await.unwrap_err(), NoRoom);
        drop((many, few.pop()));
        assert!(rooms.values(MANY, soon()).await.is_ok() && rooms.values(MANY + 1, soon()).await.is_ok());
    }
}
