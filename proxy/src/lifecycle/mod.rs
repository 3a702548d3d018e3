//! Where the node is in its life, and the phases in which it leaves.
//! It knows of no request and no sink; others ask it and act.

mod signal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use signal::Stop;

/// Takes reports, asks for connections to end, is no longer ready.
const SETTLING: u8 = 1;
/// Tells producers to go elsewhere.
const NOTIFYING: u8 = 2;

/// Where the node is in its life. Clones are the same life.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    phase: Arc<AtomicU8>,
    closing: CancellationToken,
}

/// How long the phases of leaving take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Phase A: no longer ready, still serving.
    pub settle: Duration,
    /// Phase B: telling producers to go elsewhere.
    pub notify: Duration,
}

impl Lifecycle {
    /// Whether the node is leaving; answers then ask for the connection to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase.load(Ordering::Relaxed) >= SETTLING
    }

    /// Whether producers are to be told to go elsewhere.
    #[must_use]
    pub fn is_notifying(&self) -> bool {
        self.phase.load(Ordering::Relaxed) >= NOTIFYING
    }

    /// Cancelled when the node no longer accepts connections and idle ones are to be closed.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Goes through the phases; `hurry` ends each at once. Afterwards the node accepts no more.
    pub async fn leave(&self, drain: Drain, hurry: &CancellationToken) {
        for (name, phase, length) in
            [("settling", SETTLING, drain.settle), ("notifying", NOTIFYING, drain.notify)]
        {
            self.phase.store(phase, Ordering::Relaxed);
            tracing::info!(phase = name, seconds = length.as_secs_f32(), "draining");
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = hurry.cancelled() => {}
            }
        }
        self.closing.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_phases_follow_one_another() {
        let life = Lifecycle::default();
        let drain = Drain { settle: Duration::from_secs(5), notify: Duration::from_secs(15) };
        let leaving = tokio::spawn({
            let life = life.clone();
            async move { life.leave(drain, &CancellationToken::new()).await }
        });
        assert!(!life.is_draining());
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(life.is_draining() && !life.is_notifying());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(life.is_notifying() && !life.closing().is_cancelled());
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert!(life.closing().is_cancelled());
        leaving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_hurry_ends_every_phase() {
        let life = Lifecycle::default();
        let drain = Drain { settle: Duration::from_secs(500), notify: Duration::from_secs(500) };
        let hurry = CancellationToken::new();
        hurry.cancel();
        let start = tokio::time::Instant::now();
        life.leave(drain, &hurry).await;
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
