//! Kafka: one connection a sink, an idempotent producer with acks=all in it, and one apart for topics in trouble.
//! A record is stored when the broker acknowledged it; nothing else is called stored.
//!
//! | file | holds |
//! |---|---|
//! | `client` | librdkafka's configuration |
//! | `properties` | what of it a fleet may set |
//! | `control`, `driver`, `ending` | the producers, the threads that own them, and their end |
//! | `guard`, `breaker`, `ages` | a topic's breaker, and how long its records are in flight |
//! | `watch`, `trial` | the looks that find topics whose slowness is their own |
//! | `context`, `courier` | what librdkafka calls back, and how that reaches the requests |
//! | `refresh` | questions for topics whose records were refused |
//! | `outcome`, `login` | what its errors mean for a record, and what is told of a login that is refused |
//! | `topics`, `checker` | which topics are there, and the task that looks |
//! | `asking`, `settings` | what its client is told of brokers, and of a topic's settings |

mod ages;
mod asking;
mod breaker;
mod checker;
mod client;
mod context;
mod control;
mod courier;
mod driver;
mod ending;
mod guard;
mod login;
mod outcome;
mod properties;
mod refresh;
mod settings;
mod topics;
mod trial;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use sluice_wire::document::KafkaSink;
use sluice_wire::status::NotReady;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use breaker::Why;
pub use client::Capacity;
pub use control::Reason;
pub use guard::Pass;
pub use properties::{PropertyError, check as check_properties};
pub use topics::{Topic, Wanted};

use crate::secrets::{SecretError, Secrets};
use crate::sink::{BreakerOpen, Cause, Delivery, Health, Message, Meta, Outcome, Trouble, each_header};
use checker::Checker;
use context::{InFlight, Shared};
use control::{Control, Place};
use driver::Driver;

/// Largest batch of several records, in bytes (librdkafka's own default).
const BATCH_BYTES: usize = 1_000_000;

/// A running connection to a Kafka cluster.
pub struct Connection {
    shared: Arc<Shared>,
    control: Arc<Control>,
    stop: CancellationToken,
    /// The connection that this one replaced, for what it knew of topics.
    like: Option<Arc<Shared>>,
}

/// Why a connection can't be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A Secret, or a key of it.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// librdkafka does not take the configuration.
    #[error("{0}")]
    Refused(String),
    /// No thread could be started.
    #[error("can't start a thread: {0}")]
    Thread(std::io::Error),
}

/// What librdkafka's refusals of a Secret's content have in common: only Secrets hold PEM and logins.
const OF_SECRETS: [&str; 4] = [".pem", "rivate key", "sasl.username", "sasl.password"];

impl StartError {
    /// Of which kind the trouble is.
    #[must_use]
    pub fn reason(&self) -> NotReady {
        match self {
            Self::Secret(_) => NotReady::SecretUnusable,
            Self::Refused(why) if OF_SECRETS.iter().any(|sign| why.contains(sign)) => {
                NotReady::SecretUnusable
            }
            Self::Refused(_) | Self::Thread(_) => NotReady::Other,
        }
    }
}

/// What a connection runs on; ended by [`Tasks::join`] after [`Connection::retire`].
#[derive(Debug, Default)]
pub struct Tasks {
    driver: Option<std::thread::JoinHandle<()>>,
    checker: Option<JoinHandle<()>>,
    courier: Option<JoinHandle<()>>,
}

impl Connection {
    /// Makes a connection whose producer takes records at once. What `like`, a connection to the same
    /// brokers, knows of topics is taken over, so that replacing one refuses nothing.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] where a Secret is missing or librdkafka does not take the configuration.
    pub fn start(
        name: &str,
        sink: &KafkaSink,
        secrets: &Secrets,
        capacity: Capacity,
        like: Option<&Self>,
    ) -> Result<(Arc<Self>, Tasks), StartError> {
        let config = client::connect(sink, secrets)?;
        let (courier, carrying) = courier::Courier::start();
        let smallest = like.map_or(BATCH_BYTES, |like| like.control.smallest());
        let flush = Duration::from_millis(sink.delivery_timeout_ms);
        let shared = Arc::new(Shared::new(name, sink.sasl.as_ref(), flush));
        let control = Arc::new(Control::new(smallest, client::queue_records(capacity)));
        let (base, spec) = (config.clone(), sink.clone());
        let driver = Driver {
            place: Place::Main,
            control: Arc::clone(&control),
            shared: Arc::clone(&shared),
            courier,
            config: Arc::new(move |batch| client::producer(base.clone(), &spec, capacity, batch)),
            flush,
            request_timeout: client::request_timeout(sink),
            linger: client::linger(sink),
        };
        let first = driver
            .make_one(driver.control.batch_of(Place::Main))
            .map_err(|error| StartError::Refused(error.to_string()))?;
        let thread = driver.start(first).map_err(StartError::Thread)?;
        let stop = CancellationToken::new();
        let checker = Checker::new(Arc::clone(&shared), Arc::clone(&control), config, stop.clone());
        let connection = Self { shared, control, stop, like: like.map(|like| Arc::clone(&like.shared)) };
        let tasks = Tasks {
            driver: Some(thread),
            checker: Some(tokio::spawn(checker.run())),
            courier: Some(carrying),
        };
        Ok((Arc::new(connection), tasks))
    }

    /// A connection that takes nothing and says why; to be replaced when that is mended.
    #[must_use]
    pub fn broken(name: &str, why: &StartError) -> (Arc<Self>, Tasks) {
        let shared = Arc::new(Shared::new(name, None, Duration::ZERO));
        shared.set_trouble(why.reason(), &why.to_string());
        let control = Arc::new(Control::new(BATCH_BYTES, 0));
        let connection = Self { shared, control, stop: CancellationToken::new(), like: None };
        (Arc::new(connection), Tasks::default())
    }

    /// Says which topics are wanted now, and what of each.
    pub fn want(&self, wanted: BTreeMap<String, Wanted>) {
        self.shared.topics.want(wanted, self.like.as_ref().map(|like| &like.topics));
        let trouble = self.shared.trouble();
        for topic in self.shared.topics.all() {
            if let (None, Some(trouble)) = (topic.longest_record(), &trouble) {
                topic.missing(trouble.clone());
            }
        }
        self.shared.check.notify_one();
    }

    /// A stream's way to a topic that is wanted.
    #[must_use]
    pub fn outlet(self: &Arc<Self>, topic: &str) -> Option<Outlet> {
        let topic = self.shared.topics.get(topic)?;
        Some(Outlet { connection: Arc::clone(self), topic })
    }

    /// What is wrong with the connection, in words a person can act on.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.shared.trouble()
    }

    /// Why it goes on although another connection is asked for; `None` where it is what is asked for.
    #[must_use]
    pub fn outdated(&self) -> Option<Trouble> {
        self.shared.outdated()
    }

    /// Notes that; true where it is news.
    pub fn set_outdated(&self, why: Option<Trouble>) -> bool {
        self.shared.set_outdated(why)
    }

    /// Fatal producer errors since the connection was started.
    #[must_use]
    pub fn fatal_errors(&self) -> u64 {
        self.control.fatal_errors.load(Ordering::Relaxed)
    }

    /// How often its producers were replaced, by reason.
    pub fn replaced(&self) -> impl Iterator<Item = (Reason, u64)> {
        self.control.replaced()
    }

    /// Records in the fuller of its producers' queues, on their way included, and how many that holds at most; `None`
    /// where it takes none.
    #[must_use]
    pub fn queue(&self) -> Option<(u64, u64)> {
        self.control.queue()
    }

    /// No more records come: deliver what is held within the delivery timeout, then take the rest back.
    pub fn retire(&self) {
        self.stop.cancel();
        self.control.retire.store(true, Ordering::Relaxed);
    }

    /// Takes back at once what is not acknowledged yet; for a retired connection.
    pub fn purge(&self) {
        self.control.purge.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("sink", &self.shared.sink).finish_non_exhaustive()
    }
}

impl Tasks {
    /// Waits until the connection's thread and task have ended.
    pub async fn join(self) {
        let driver =
            tokio::task::spawn_blocking(move || self.driver.is_none_or(|thread| thread.join().is_ok()));
        if !driver.await.unwrap_or(false) {
            tracing::error!("the thread of a kafka connection failed");
        }
        for task in [self.checker, self.courier].into_iter().flatten() {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of a kafka connection failed");
            }
        }
    }
}

/// One stream's way into its topic.
#[derive(Clone, Debug)]
pub struct Outlet {
    connection: Arc<Connection>,
    topic: Arc<Topic>,
}

impl Outlet {
    /// The longest record taken now, in bytes; `None` while the topic is not known to be there.
    #[must_use]
    pub fn longest_record(&self) -> Option<usize> {
        self.topic.longest_record()
    }

    /// What the checks of the topic found; before the first, what keeps it.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut health = self.topic.health();
        let trouble = self.connection.trouble().filter(|_| self.topic.last().is_none());
        if let (Some(found), Some(trouble)) = (&mut health.trouble, trouble) {
            if found.reason == NotReady::Checking {
                found.reason = trouble.reason;
            }
            if !found.message.contains(&trouble.message) {
                found.message = format!("{}: {}", found.message, trouble.message);
            }
        }
        let open = self.topic.guard.open().map(|why| BreakerOpen(why).into());
        health.notice = open.or(health.notice);
        health
    }

    /// Whether the topic's breaker is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.topic.guard.open().is_some()
    }

    /// Whether the topic's records go through the quarantine producer.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.topic.guard.is_quarantined()
    }

    /// Leave for one report, unless the topic's breaker is open.
    ///
    /// # Errors
    /// [`BreakerOpen`].
    pub fn admit(&self) -> Result<Pass, BreakerOpen> {
        self.topic.admit(Instant::now()).map_err(BreakerOpen)
    }

    /// Hands over the messages of a report.
    pub fn submit(&self, pass: &Pass, meta: &Meta<'_>, messages: &[Message<'_>], delivery: &Arc<Delivery>) {
        let tickets = (0..).zip(messages).map(|(index, message)| delivery.ticket(index, message.records));
        let producer = self.connection.control.lane(self.place(pass)).producer.load();
        let Some(producer) = producer.as_ref() else {
            tickets.for_each(|ticket| ticket.settle(Outcome::NotStored(Cause::Busy), 0));
            return;
        };
        let handed_over = Instant::now();
        let slot = self.connection.shared.clock.slot(handed_over);
        self.topic.guard.ages.hand_over(slot, u32::try_from(messages.len()).unwrap_or(u32::MAX));
        for (ticket, message) in tickets.zip(messages) {
            let (topic, probe) = (Arc::clone(&self.topic), pass.probe.clone());
            let held = Box::new(InFlight { ticket, topic, handed_over, slot, probe });
            let record: BaseRecord<'_, [u8], [u8], _> = BaseRecord::with_opaque_to(self.topic.name(), held)
                .payload(&*message.value)
                .timestamp(meta.received)
                .headers(headers(meta, message));
            let record = match &message.key {
                Some(key) => record.key(&**key),
                None => record,
            };
            if let Err((error, record)) = producer.send(record) {
                self.not_taken(&error, *record.delivery_opaque);
            }
        }
    }

    /// Where a report goes. In the moment before quarantine has its first producer, a narrow topic may use main.
    fn place(&self, pass: &Pass) -> Place {
        let there = || self.connection.control.lane(Place::Quarantine).producer.load().is_some();
        if pass.quarantine && (self.is_quarantined() || there()) { Place::Quarantine } else { Place::Main }
    }

    /// Settles a message that the producer would not take.
    fn not_taken(&self, error: &KafkaError, held: InFlight) {
        let code = error.rdkafka_error_code();
        if outcome::topic_is_gone(code) {
            self.connection.shared.topic_is_gone(self.topic.name());
        }
        self.topic.failed(held.slot, outcome::fault(code));
        let outcome = outcome::of_handover(code);
        tracing::debug!(topic = self.topic.name(), %error, ?outcome, "record not handed over");
        held.ticket.settle(outcome, 0);
    }
}

fn headers(meta: &Meta<'_>, message: &Message<'_>) -> OwnedHeaders {
    // The contract has eight; room is made at once, because each growth is an allocation.
    let room = 8 + message.headers.len() + meta.passed.len();
    let mut headers = Some(OwnedHeaders::new_with_capacity(room));
    each_header(meta, message, |key, value| {
        headers = headers.take().map(|headers| headers.insert(Header { key, value: Some(value) }));
    });
    headers.unwrap_or_default()
}
