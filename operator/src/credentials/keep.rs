//! When Secrets are read: at once when one is wanted, then every 15 s or so, a few at a time.
//! While one can't be read, the tokens that were read of it last hold; one that is gone holds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Credentials, Reading, Wanted, read};
use crate::clock;
use crate::names::Name;

/// Between two looks at one Secret, in milliseconds, so that not all are looked at together.
const EVERY_MS: std::ops::Range<u64> = 13_000..17_000;
/// Until the next look at one that could not be read, but for who may not read it, in milliseconds.
const AGAIN_MS: std::ops::Range<u64> = 1_000..3_000;
/// For how long one may not be read before that is told: what was read of it last holds.
const STALE: Duration = Duration::from_secs(60);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are looked at together.
const TOGETHER: usize = 8;
/// When there is nothing to look at.
const IDLE: Duration = Duration::from_secs(60);

/// What a look came to; `None`: there is no such Secret.
pub(super) type Got = Result<Option<Secret>, GetError>;

/// Why a Secret was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum GetError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Silent,
}

impl GetError {
    /// What the API server says where the Secret may not be read.
    fn forbidden(&self) -> Option<String> {
        match self {
            Self::Api(kube::Error::Api(status)) if status.code == 403 => Some(status.message.clone()),
            _ => None,
        }
    }
}

/// Asks the API server.
pub(super) async fn get(client: Client, namespace: &str, name: &str) -> Got {
    Ok(Api::<Secret>::namespaced(client, namespace).get_opt(name).await?)
}

/// Reads what is wanted.
pub(super) struct Keeper<G> {
    get: G,
    wanted: watch::Receiver<Wanted>,
    readings: watch::Sender<Credentials>,
    /// When each is to be looked at; what is being looked at is not among it.
    due: BTreeMap<Name, Instant>,
    looking: BTreeSet<Name>,
    /// Since when each can't be read that can't.
    failing: BTreeMap<Name, Instant>,
}

impl<G, R> Keeper<G>
where
    G: Fn(Name) -> R,
    R: Future<Output = Got> + Send + 'static,
{
    pub(super) fn new(get: G, wanted: watch::Receiver<Wanted>, readings: watch::Sender<Credentials>) -> Self {
        let (due, looking, failing) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { get, wanted, readings, due, looking, failing }
    }

    /// Runs until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut looks: JoinSet<(Name, Got)> = JoinSet::new();
        let mut known = Wanted::new();
        self.want(&mut known);
        loop {
            while looks.len() < TOGETHER
                && let Some(name) = self.next()
            {
                let look = timeout(PATIENCE, (self.get)(name.clone()));
                looks.spawn(async move { (name, look.await.unwrap_or(Err(GetError::Silent))) });
            }
            let full = looks.len() >= TOGETHER;
            let idle = Instant::now() + IDLE;
            // What is being looked at is due again when that has ended.
            let waiting = self.due.iter().filter(|(name, _)| !self.looking.contains(*name));
            let due = waiting.map(|(_, at)| *at).min().filter(|_| !full).unwrap_or(idle);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.want(&mut known),
                    Err(_) => return,
                },
                Some(looked) = looks.join_next() => if let Ok((name, got)) = looked { self.take(name, got) },
                () = sleep_until(due) => {}
            }
        }
    }

    /// Takes in what is wanted now: what is new, or wanted for other streams, is looked at at once.
    fn want(&mut self, known: &mut Wanted) {
        let wanted = self.wanted.borrow_and_update().clone();
        self.due.retain(|name, _| wanted.contains_key(name));
        self.readings.send_if_modified(|readings| {
            let before = readings.len();
            readings.retain(|name, _| wanted.contains_key(name));
            readings.len() != before
        });
        for (name, streams) in &wanted {
            if known.get(name) != Some(streams) {
                self.due.insert(name.clone(), Instant::now());
            }
        }
        *known = wanted;
    }

    /// One that is due and not being looked at.
    fn next(&mut self) -> Option<Name> {
        let now = Instant::now();
        let mut due = self.due.iter().filter(|(name, at)| **at <= now && !self.looking.contains(*name));
        let name = due.next()?.0.clone();
        self.due.remove(&name);
        self.looking.insert(name.clone());
        Some(name)
    }

    fn take(&mut self, name: Name, got: Got) {
        self.looking.remove(&name);
        let wanted = self.wanted.borrow();
        let Some(streams) = wanted.get(&name) else { return };
        let before = self.readings.borrow().get(&name).cloned();
        let failed = got.is_err();
        let forbidden = got.as_ref().err().and_then(GetError::forbidden);
        // That it may not be read is an answer like another, and mostly a setting.
        let pause = if failed && forbidden.is_none() { AGAIN_MS } else { EVERY_MS };
        let holds = matches!(before.as_deref(), Some(Reading::Tokens { .. }));
        let reading = match (got, forbidden) {
            (Ok(None), _) => Some(Reading::Missing),
            (Ok(Some(secret)), _) => Some(reading(&name.0, &secret, streams, before.as_deref())),
            (Err(_), Some(message)) if !holds => Some(Reading::Forbidden(message)),
            (Err(error), _) => {
                let (namespace, secret) = &name;
                tracing::warn!(namespace, secret, %error, "a Secret with tokens can't be read and is tried again");
                let since = *self.failing.entry(name.clone()).or_insert_with(Instant::now);
                let before = before.as_deref().filter(|_| since.elapsed() >= STALE);
                before.and_then(|before| stale(before, &error))
            }
        };
        if failed {
            self.failing.retain(|name, _| wanted.contains_key(name));
        } else {
            self.failing.remove(&name);
        }
        // It may be wanted for other streams since, and then is due already.
        let next = Instant::now() + Duration::from_millis(fastrand::u64(pause));
        self.due.entry(name.clone()).or_insert(next);
        if let Some(reading) = reading.filter(|reading| before.as_deref() != Some(reading)) {
            self.readings.send_modify(|readings| drop(readings.insert(name, Arc::new(reading))));
        }
    }
}

/// What was read before, with why it may be out of date.
fn stale(before: &Reading, error: &GetError) -> Option<Reading> {
    let Reading::Tokens { streams, .. } = before else { return None };
    let fault = format!("it can't be read any more, so what was read last holds: {error}");
    Some(Reading::Tokens { streams: streams.clone(), fault })
}

fn reading(
    namespace: &str,
    secret: &Secret,
    streams: &BTreeSet<String>,
    before: Option<&Reading>,
) -> Reading {
    let data = secret.data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice()));
    read((namespace, secret.type_.as_deref()), data, streams, (before, clock::millis()))
}

#[cfg(test)]
mod tests;
