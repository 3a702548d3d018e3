//! The task that looks at the node again and again, and has a voice for each operator there is.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::voice::Voice;
use super::{HeartbeatCounts, Now, Sender, Subject};
use crate::operators::Operators;

/// Between two looks at the node, and so how soon news is told.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks from one at every sink and stream to the next.
const LOOKS_AT_ALL: u32 = 10;
/// How long voices may take to tell that the node leaves.
const LAST_WORDS: Duration = Duration::from_millis(1_500);

/// The heartbeats of a node.
pub struct Heartbeats<S> {
    /// What is told of.
    pub subject: Arc<S>,
    /// Who tells.
    pub sender: Sender,
    /// Who is told.
    pub operators: Operators,
    /// How often.
    pub interval: Duration,
    /// What became of it.
    pub counts: Arc<HeartbeatCounts>,
}

/// The voices, by operator.
struct Choir {
    tasks: JoinSet<()>,
    gone: HashMap<SocketAddr, CancellationToken>,
    leaving: CancellationToken,
    now: watch::Receiver<Arc<Now>>,
}

impl<S: Subject> Heartbeats<S> {
    /// Tells until the node is `leaving`, and that last.
    pub async fn run(self, leaving: CancellationToken) {
        let mut addresses = self.operators.addresses();
        let mut changes = self.changes(0).await;
        let (tell, now) = watch::channel(Arc::new(self.look(changes)));
        let mut choir =
            Choir { tasks: JoinSet::new(), gone: HashMap::new(), leaving: CancellationToken::new(), now };
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = 0;
        loop {
            choir.be_for(&self, &addresses.borrow_and_update());
            tokio::select! {
                () = leaving.cancelled() => break,
                // Without whoever looks for addresses, those found last stay.
                Ok(()) = addresses.changed() => continue,
                _ = tick.tick() => {}
            }
            looks += 1;
            if looks >= LOOKS_AT_ALL {
                (looks, changes) = (0, self.changes(changes).await);
            }
            tell.send_if_modified(|told| renew(told, self.look(changes)));
        }
        tell.send_if_modified(|told| renew(told, self.look(changes)));
        choir.end().await;
    }

    fn look(&self, changes: u64) -> Now {
        Now { changes, ..self.subject.now() }
    }

    /// Looks at every sink and stream, on a thread of its own; those may be many.
    async fn changes(&self, before: u64) -> u64 {
        let subject = Arc::clone(&self.subject);
        tokio::task::spawn_blocking(move || subject.changes()).await.unwrap_or(before)
    }

    fn voice(&self, address: SocketAddr, now: watch::Receiver<Arc<Now>>) -> Voice {
        Voice {
            address,
            operators: self.operators.clone(),
            sender: Arc::new(self.sender.clone()),
            now,
            counts: Arc::clone(&self.counts),
            pace: Pace::new(self.interval, Instant::now()),
            connection: None,
            failing: false,
        }
    }
}

fn renew(told: &mut Arc<Now>, now: Now) -> bool {
    let is_other = **told != now;
    if is_other {
        *told = Arc::new(now);
    }
    is_other
}

impl Choir {
    /// Has a voice for each of these operators and for no other.
    fn be_for<S: Subject>(&mut self, heartbeats: &Heartbeats<S>, addresses: &BTreeSet<SocketAddr>) {
        self.gone.retain(|address, gone| {
            let stays = addresses.contains(address);
            if !stays {
                gone.cancel();
            }
            stays
        });
        for address in addresses {
            self.gone.entry(*address).or_insert_with(|| {
                let gone = CancellationToken::new();
                let voice = heartbeats.voice(*address, self.now.clone());
                self.tasks.spawn(voice.run(gone.clone(), self.leaving.clone()));
                gone
            });
        }
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "the heartbeats of an operator failed");
            }
        }
    }

    async fn end(mut self) {
        self.leaving.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(LAST_WORDS, all).await.is_err() {
            tracing::warn!("not every operator was told that the node leaves");
            self.tasks.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests;
