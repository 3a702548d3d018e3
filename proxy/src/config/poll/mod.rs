//! Takes the configuration from the operators by long polling: one of them is asked, and answers when something
//! changes. Nothing it brings is ever needed: without operators the node runs what it has, and what is mounted.

mod ask;
mod backoff;
mod base;
mod counts;
mod error;
mod pieces;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_wire::polling::{Changed, Fetched, Update};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::backoff::{Backoff, spread};
use self::base::Base;
pub use self::counts::PollCounts;
use self::error::PollError;
use super::effect::{Exchange, Offer, Verdict};
use super::parts::Set;
use crate::args::FleetName;
use crate::operators::{Connection, Operators};

/// A connection is left after this time and by chance up to twice it, so that nodes spread over operators that came
/// later.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// How long the first look at what is mounted is waited for.
const BEGINNING: Duration = Duration::from_secs(10);
/// An operator that has nothing to tell holds a poll longer than this, or is asked less often.
const HASTY: Duration = Duration::from_secs(1);

/// What an answer comes to.
enum Heard {
    /// Nothing changed.
    Nothing,
    /// This is what there is now.
    Next(Box<(Base, Arc<Set>)>),
    /// Something changed, and is to be fetched; where `whole`, all that there is.
    Names { whole: bool },
}

/// Asks one operator after another for what changes.
#[derive(Debug)]
pub struct Poller {
    operators: Operators,
    fleet: FleetName,
    exchange: Exchange,
    state: Arc<super::ConfigState>,
    base: Base,
    backoff: Backoff,
}

impl Poller {
    /// For the configuration of this fleet, given to `exchange`; what becomes of polls is counted in `state`.
    #[must_use]
    pub fn new(
        operators: Operators,
        fleet: FleetName,
        exchange: Exchange,
        state: Arc<super::ConfigState>,
    ) -> Self {
        Self { operators, fleet, exchange, state, base: Base::default(), backoff: Backoff::default() }
    }

    /// Polls until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = async {
                self.wait_for_beginning().await;
                self.poll_on().await;
            } => {}
        }
    }

    /// Waits until it is known what the node begins with, so that this is not asked for.
    async fn wait_for_beginning(&mut self) {
        let effects = &mut self.exchange.effects;
        let _ = timeout(BEGINNING, effects.changed()).await;
        effects.mark_changed();
    }

    async fn poll_on(&mut self) {
        let mut addresses = self.operators.addresses();
        let mut failed = None;
        loop {
            let found = addresses.wait_for(|found| !found.is_empty()).await;
            let Some(address) = found.ok().and_then(|found| choose(&found, failed)) else { return };
            let (worked, result) = self.stay(address, &mut addresses).await;
            let pause = match result {
                Ok(()) => {
                    failed = None;
                    continue;
                }
                Err(PollError::Leaving) => return,
                Err(error) => {
                    failed = Some(address);
                    self.failed(address, &error);
                    if worked { spread(fastrand::f64()) } else { self.backoff.pause(fastrand::f64()) }
                }
            };
            sleep(pause).await;
        }
    }

    /// Polls one operator until it is time to leave it; whether it ever answered, and what went wrong.
    async fn stay(
        &mut self,
        address: SocketAddr,
        addresses: &mut watch::Receiver<BTreeSet<SocketAddr>>,
    ) -> (bool, Result<(), PollError>) {
        let mut worked = false;
        let result = async {
            let mut connection = self.operators.connect(address).await?;
            let until = Instant::now() + CONNECTION_LIFE.mul_f64(1.0 + fastrand::f64());
            while connection.is_open() && Instant::now() < until {
                let began = Instant::now();
                self.go_on_from_effect().await;
                let polled = tokio::select! {
                    polled = self.poll(&mut connection) => polled?,
                    // An operator that is going, or gone without a word.
                    Ok(_) = addresses.wait_for(|found| !found.contains(&address)) => return Ok(()),
                };
                worked = true;
                self.succeeded(polled);
                if polled == Verdict::NoNews && began.elapsed() < HASTY {
                    sleep(self.backoff.pause(fastrand::f64())).await;
                } else {
                    self.backoff.reset();
                }
            }
            if worked { Ok(()) } else { Err(PollError::Closed) }
        };
        let result = result.await;
        (worked, result)
    }

    /// Goes on from the document in effect where another source brought a later one.
    async fn go_on_from_effect(&mut self) {
        let effects = &mut self.exchange.effects;
        if !effects.has_changed().unwrap_or(false) {
            return;
        }
        let Some(effect) = effects.borrow_and_update().clone() else { return };
        if self.base.is_of(&effect) {
            return;
        }
        if let Ok(base) = tokio::task::spawn_blocking(move || Base::of(&effect)).await {
            self.base = base;
        }
    }

    /// One poll: waits for what changes, and passes it on. After a failure it waits briefly, so that it is soon known that
    /// an operator answers again.
    async fn poll(&mut self, connection: &mut Connection) -> Result<Verdict, PollError> {
        let briefly = self.state.polls.is_failing();
        let answer = ask::listen(connection, &self.fleet, &self.base, briefly).await?;
        let whole = match self.read(answer, heard).await? {
            Heard::Nothing => return Ok(Verdict::NoNews),
            Heard::Next(next) => return self.offer(*next).await,
            Heard::Names { whole } => whole,
        };
        let answer = ask::fetch(connection, &self.fleet, &self.base, whole).await?;
        match self.read(answer, fetched).await {
            Ok(next) => self.offer(next).await,
            Err(error) => {
                if !matches!(error, PollError::Behind { .. }) {
                    // Next time all of it is asked for.
                    self.base.forget();
                }
                Err(error)
            }
        }
    }

    /// Makes something of an answer on a thread of its own, because a large one takes a while.
    async fn read<T: Send + 'static>(
        &self,
        answer: Bytes,
        make: impl FnOnce(&Bytes, &Base, &FleetName) -> Result<T, PollError> + Send + 'static,
    ) -> Result<T, PollError> {
        let (base, fleet) = (self.base.clone(), self.fleet.clone());
        let made = tokio::task::spawn_blocking(move || make(&answer, &base, &fleet)).await;
        made.unwrap_or_else(|error| Err(PollError::Unusable(error.to_string())))
    }

    /// Passes a document on and waits for what becomes of it. A refused one is not asked for again: the next poll waits for
    /// what comes after it.
    async fn offer(&mut self, (base, set): (Base, Arc<Set>)) -> Result<Verdict, PollError> {
        let (verdict, told) = oneshot::channel();
        self.exchange.offers.send(Offer { set, verdict }).await.map_err(|_| PollError::Leaving)?;
        let verdict = told.await.map_err(|_| PollError::Leaving)?;
        self.base = base;
        Ok(verdict)
    }

    fn succeeded(&self, verdict: Verdict) {
        if self.state.polls.succeeded(verdict) {
            tracing::info!("an operator answers again");
        }
    }

    fn failed(&self, address: SocketAddr, error: &PollError) {
        if self.state.polls.has_failed() {
            tracing::debug!(%address, %error, "the configuration can't be polled");
        } else {
            tracing::warn!(%address, %error, "the configuration can't be polled, the one in effect stays");
        }
    }
}

/// What a listener's answer comes to.
fn heard(answer: &Bytes, base: &Base, fleet: &FleetName) -> Result<Heard, PollError> {
    let changed: Changed = serde_json::from_slice(answer)?;
    let Some(update) = changed.update else {
        let names = Heard::Names { whole: false };
        return Ok(if changed.data.is_empty() { Heard::Nothing } else { names });
    };
    match base.after(&update, fleet) {
        Ok(next) => Ok(Heard::Next(Box::new(next))),
        Err(error @ PollError::Behind { .. }) => Err(error),
        Err(error) => {
            tracing::debug!(%error, "an update is of no use, the configuration is fetched");
            Ok(Heard::Names { whole: true })
        }
    }
}

/// What was fetched.
fn fetched(answer: &Bytes, base: &Base, fleet: &FleetName) -> Result<(Base, Arc<Set>), PollError> {
    let fetched: Fetched = serde_json::from_slice(answer)?;
    let update: Update = ask::update(fetched)?;
    base.after(&update, fleet)
}

/// One of the operators by chance, if possible not the one that failed.
fn choose(found: &BTreeSet<SocketAddr>, failed: Option<SocketAddr>) -> Option<SocketAddr> {
    let others: Vec<_> = found.iter().filter(|address| Some(**address) != failed).collect();
    fastrand::choice(others).or_else(|| found.first()).copied()
}

#[cfg(test)]
mod tests;
