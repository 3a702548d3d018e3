//! Who of several operators may write: the holder of a Lease.
//! It says who holds it and until when; what a holder does is not its business.

mod lease;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use lease::{Seen, Step};

/// How long a holder that says nothing keeps the Lease.
pub const DURATION: Duration = Duration::from_secs(15);
/// After the last renewal that succeeded a holder writes no more.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks.
pub const RETRY: Duration = Duration::from_secs(2);
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// A time during which this operator may write.
#[derive(Clone, Debug)]
pub struct Term {
    /// Until when, unless it is renewed.
    until: watch::Receiver<Instant>,
    /// Cancelled when it has ended.
    ended: CancellationToken,
}

impl Term {
    /// Whether a write may be sent now. A process that stood still finds the time run out.
    #[must_use]
    pub fn may_write(&self) -> bool {
        !self.ended.is_cancelled() && Instant::now() < *self.until.borrow()
    }

    /// Ends when the term does: at its deadline, or when the Lease is lost or given back.
    pub async fn end(&self) {
        let mut until = self.until.clone();
        loop {
            let deadline = *until.borrow_and_update();
            tokio::select! {
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep_until(deadline.into()) => return,
                changed = until.changed() => if changed.is_err() { return },
            }
        }
    }

    /// A term that lasts, for tests.
    #[cfg(test)]
    #[must_use]
    pub fn lasting() -> Self {
        let (_, until) = watch::channel(Instant::now() + Duration::from_secs(3_600));
        Self { until, ended: CancellationToken::new() }
    }
}

/// Wants the Lease, holds it, gives it back.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    term: watch::Sender<Option<Term>>,
}

/// A term as its giver sees it.
struct Held {
    until: watch::Sender<Instant>,
    ended: CancellationToken,
}

impl Candidate {
    /// For the Lease `name` in `namespace`. `identity` is no other candidate's.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            term: watch::Sender::new(None),
        }
    }

    /// The current term, if it is this operator's.
    #[must_use]
    pub fn terms(&self) -> watch::Receiver<Option<Term>> {
        self.term.subscribe()
    }

    /// Takes the Lease when it is free and renews it until `stop`; then, once `released` says that the last
    /// write is done, gives it back.
    pub async fn run(self, stop: CancellationToken, released: CancellationToken) {
        let mut seen = Seen::default();
        let mut held: Option<Held> = None;
        while !stop.is_cancelled() {
            let asked = Instant::now();
            let step = tokio::time::timeout(PATIENCE, self.step(&mut seen)).await;
            match step {
                Ok(Ok(Step::Held)) => held = Some(self.hold(held, asked)),
                Ok(Ok(Step::Elsewhere)) => self.lose(held.take(), "another operator holds the lease"),
                Ok(Err(error)) => tracing::warn!(%error, "the lease can't be read or written"),
                Err(_) => tracing::warn!("the API server does not answer about the lease"),
            }
            if held.as_ref().is_some_and(|held| *held.until.borrow() <= Instant::now()) {
                self.lose(held.take(), "the lease was not renewed in time");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RETRY) => {}
            }
        }
        self.leave(held, seen, released).await;
    }

    async fn step(&self, seen: &mut Seen) -> kube::Result<Step> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let lease = lease::fresh(&self.name, &self.identity);
            return lease::won(self.api.create(&Default::default(), &lease).await);
        };
        seen.look(&lease, Instant::now());
        match lease::next(&lease, &self.identity, seen, Instant::now()) {
            Some(next) => lease::won(self.api.replace(&self.name, &Default::default(), &next).await),
            None => Ok(Step::Elsewhere),
        }
    }

    /// The time counts from before the renewal was sent, as everybody else's count begins no earlier.
    fn hold(&self, held: Option<Held>, asked: Instant) -> Held {
        let until = asked + RENEW_DEADLINE;
        if let Some(held) = held {
            held.until.send_replace(until);
            return held;
        }
        tracing::info!(identity = self.identity, "leading");
        let (sender, receiver) = watch::channel(until);
        let ended = CancellationToken::new();
        self.term.send_replace(Some(Term { until: receiver, ended: ended.clone() }));
        Held { until: sender, ended }
    }

    fn lose(&self, held: Option<Held>, why: &str) {
        if let Some(held) = held {
            tracing::warn!(why, "leading no more");
            held.ended.cancel();
            self.term.send_replace(None);
        }
    }

    async fn leave(&self, held: Option<Held>, mut seen: Seen, released: CancellationToken) {
        let Some(held) = held else { return };
        // The term goes on while the last writes are on their way: at most until its deadline.
        let term = self.term.borrow().clone();
        if let Some(term) = term {
            tokio::select! {
                () = released.cancelled() => {}
                () = term.end() => {}
            }
        }
        self.lose(Some(held), "this operator is told to stop");
        let given_back = tokio::time::timeout(PATIENCE, async {
            let lease = self.api.get(&self.name).await?;
            seen.look(&lease, Instant::now());
            if let Some(free) = lease::given_back(&lease, &self.identity) {
                self.api.replace(&self.name, &Default::default(), &free).await?;
            }
            kube::Result::Ok(())
        });
        if !matches!(given_back.await, Ok(Ok(()))) {
            tracing::warn!("the lease could not be given back; another operator takes it when it runs out");
        }
    }
}
