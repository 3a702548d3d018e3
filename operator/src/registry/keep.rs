//! The task that keeps the register: it takes in heartbeats and changes, asks silent nodes, and gives the roll.
//! What follows from what happened, the register decides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::beats::Said;
use super::directory::Directory;
use super::register::Register;
use super::roll::Roll;
use super::scrape::{Shown, scrape};
use super::{QUEUE, Registry};
use crate::telemetry::Metrics;

/// How often it is looked who is silent; changes of load are told as often.
const TICK: Duration = Duration::from_millis(250);
/// Nodes that are asked at the same time.
const AT_ONCE: usize = 64;

/// What the task is given and what it gives besides the registry.
#[derive(Debug)]
pub struct Ends {
    /// Which nodes there are; `None` before that is known.
    pub directory: watch::Receiver<Option<Arc<Directory>>>,
    /// Uids of nodes whose status says something new. When it is full, or nobody takes them, they are asked as usual.
    pub news: mpsc::Sender<String>,
    /// Set when every ready node had the time to tell of itself.
    pub warm: watch::Sender<bool>,
    /// What it counts.
    pub metrics: Metrics,
}

/// The registry, and the task that keeps it until `stop`.
pub fn start(ends: Ends, stop: CancellationToken) -> (Registry, impl Future<Output = ()> + Send) {
    let (beats, heard) = mpsc::channel(QUEUE);
    let (roll, rolls) = watch::channel(Arc::default());
    let registry = Registry { directory: ends.directory.clone(), roll: rolls, beats };
    let keeper = Keeper { register: Register::default(), scrapes: JoinSet::new(), roll, ends };
    (registry, keeper.run(heard, stop))
}

type Scraped = (Arc<str>, Option<Shown>);

struct Keeper {
    register: Register,
    scrapes: JoinSet<Scraped>,
    roll: watch::Sender<Arc<Roll>>,
    ends: Ends,
}

impl Keeper {
    async fn run(mut self, mut heard: mpsc::Receiver<(Arc<str>, Said)>, stop: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.take();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.ends.directory.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.take();
                    self.tell();
                }
                Some((uid, said)) = heard.recv() => self.hear(&uid, said),
                Some(scraped) = self.scrapes.join_next() => if let Ok((uid, shown)) = scraped {
                    self.register.shown(&uid, shown.as_ref(), Instant::now());
                },
                _ = tick.tick() => {
                    self.ask();
                    self.tell();
                }
            }
        }
        self.scrapes.shutdown().await;
    }

    fn take(&mut self) {
        let directory = self.ends.directory.borrow_and_update().clone();
        if let Some(directory) = directory {
            self.register.take(directory, Instant::now());
        }
    }

    fn hear(&mut self, uid: &Arc<str>, said: Said) {
        if self.register.heard(uid, said, Instant::now()) {
            // Full: it is asked again soon anyway.
            let _ = self.ends.news.try_send(uid.to_string());
        }
    }

    fn ask(&mut self) {
        let room = AT_ONCE.saturating_sub(self.scrapes.len());
        for (uid, admin) in self.register.due(room, Instant::now()) {
            self.scrapes.spawn(question(uid, admin));
        }
    }

    /// Gives the roll if it is another.
    fn tell(&mut self) {
        if let Some(roll) = self.register.roll(Instant::now()) {
            let warm = roll.warm;
            self.roll.send_replace(Arc::new(roll.clone()));
            self.ends.warm.send_if_modified(|known| std::mem::replace(known, warm) != warm);
            self.ends.metrics.nodes(self.register.census());
        }
    }
}

async fn question(uid: Arc<str>, admin: SocketAddr) -> Scraped {
    let shown = scrape(admin).await;
    (uid, shown)
}
