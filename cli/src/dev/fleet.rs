//! Keeps one fleet's proxy running until told otherwise: starts it, starts it again, lets it leave.
//! What is served and shown is decided elsewhere.

use std::time::Duration;

use sluice_operator::resolve::FleetKey;
use sluice_wire::status::{Announcement, NodeState, NodeStatus};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::child::{Child, ChildError, Happening, Spec};
use crate::http;

/// How long an answer of `/status` may take.
const STATUS_WITHIN: Duration = Duration::from_secs(1);

/// How often `/status` is asked once the proxy is ready, and until then.
const STATUS_EVERY: Duration = Duration::from_secs(1);
const STATUS_AT_FIRST: Duration = Duration::from_millis(100);

/// Who ran this long starts again without a wait.
const RAN_WELL: Duration = Duration::from_secs(30);

/// What a fleet's proxy is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Run.
    Run,
    /// Finish within this time, then leave.
    Drain(Duration),
    /// Leave now.
    Kill,
}

/// What happened to a fleet's proxy.
#[derive(Debug)]
pub(super) enum Event {
    /// It listens.
    Up(Announcement),
    /// It is not running, and why.
    Down(String),
    /// It says of itself.
    Status(Box<NodeStatus>),
    /// It does not answer, and why.
    Silent(String),
    /// It logged a line.
    Log(String),
    /// It left as it was told to.
    Left,
}

/// A fleet, and what happened.
pub(super) type Events = mpsc::Sender<(FleetKey, Event)>;

/// Keeps one proxy running.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) fleet: FleetKey,
    pub(super) spec: Spec,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) events: Events,
}

/// How long to wait before the next start: 250 ms, doubled up to 10 s.
#[derive(Debug)]
struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LAST: Duration = Duration::from_secs(10);

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LAST);
        wait
    }
}

impl Runner {
    /// Runs until told to leave, once `previous`, which has the port, has left.
    pub(super) async fn run(mut self, previous: Option<JoinHandle<()>>) {
        if let Some(previous) = previous {
            // How it ended is told; here it matters only that it did.
            let _ = previous.await;
        }
        let mut backoff = Backoff(Backoff::FIRST);
        while *self.phase.borrow_and_update() == Phase::Run {
            let started = Instant::now();
            let Err(error) = self.once().await else { break };
            if started.elapsed() >= RAN_WELL {
                backoff = Backoff(Backoff::FIRST);
            }
            self.tell(Event::Down(format!("{error}; it is started again"))).await;
            tokio::select! {
                () = sleep(backoff.next()) => {}
                // Whatever it is told, it is not to run any more.
                _ = self.phase.changed() => {}
            }
        }
        self.tell(Event::Left).await;
    }

    /// One life of the proxy. `Ok`: it was told to leave.
    async fn once(&mut self) -> Result<(), ChildError> {
        let mut child = Child::spawn(&self.spec)?;
        let announced = tokio::select! {
            announced = child.announced() => Some(announced),
            _ = self.phase.changed() => None,
        };
        let Some(announced) = announced else {
            self.leave(child).await;
            return Ok(());
        };
        let announcement = announced?;
        let mut statuses = JoinSet::new();
        statuses.spawn(ask(self.fleet.clone(), announcement.admin.clone(), self.events.clone()));
        self.tell(Event::Up(announcement)).await;
        loop {
            let happening = tokio::select! {
                happening = child.next() => happening,
                _ = self.phase.changed() => break,
            };
            match happening {
                Happening::Line(line) => self.tell(Event::Log(line)).await,
                Happening::Ended { how, last } => {
                    self.tell_all(last).await;
                    return Err(ChildError::Ended(how));
                }
            }
        }
        drop(statuses);
        self.leave(child).await;
        Ok(())
    }

    /// Lets the proxy leave, or makes it.
    async fn leave(&mut self, mut child: Child) {
        let grace = match *self.phase.borrow_and_update() {
            Phase::Drain(grace) => grace,
            Phase::Run | Phase::Kill => Duration::ZERO,
        };
        child.dismiss();
        let too_long = sleep(grace);
        tokio::pin!(too_long);
        loop {
            let happening = tokio::select! {
                happening = child.next() => happening,
                () = &mut too_long => break,
                _ = self.phase.changed() => break,
            };
            match happening {
                Happening::Line(line) => self.tell(Event::Log(line)).await,
                Happening::Ended { last, .. } => return self.tell_all(last).await,
            }
        }
        if !grace.is_zero() {
            self.tell(Event::Log("sluice-proxy did not leave in time and is killed".to_owned())).await;
        }
        child.kill();
        while let Happening::Line(_) = child.next().await {}
    }

    async fn tell_all(&self, lines: Vec<String>) {
        for line in lines {
            self.tell(Event::Log(line)).await;
        }
    }

    async fn tell(&self, event: Event) {
        // Nobody listens any more only when everything ends.
        let _ = self.events.send((self.fleet.clone(), event)).await;
    }
}

/// Asks a proxy for its status, again and again.
async fn ask(fleet: FleetKey, admin: String, events: Events) {
    loop {
        let (event, pause) = match status(&admin).await {
            Ok(status) if status.state == NodeState::Ready => (Event::Status(Box::new(status)), STATUS_EVERY),
            Ok(status) => (Event::Status(Box::new(status)), STATUS_AT_FIRST),
            Err(why) => (Event::Silent(why), STATUS_EVERY),
        };
        if events.send((fleet.clone(), event)).await.is_err() {
            return;
        }
        sleep(pause).await;
    }
}

async fn status(admin: &str) -> Result<NodeStatus, String> {
    let body = http::get(admin, "/status", STATUS_WITHIN).await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&body).map_err(|error| format!("its status can't be read: {error}"))
}

#[cfg(test)]
mod tests;
