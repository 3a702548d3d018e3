//! The thread that owns a producer: it makes it, serves its deliveries, makes another after a fatal error
//! or for a topic that holds up the others, and ends it so that every record it holds is settled.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaResult;
use rdkafka::producer::{Producer as _, PurgeConfig};
use sluice_wire::status::NotReady;

use super::context::{Context, Pulse, Shared};
use super::control::{Control, Lane, Made, Place, Producer, Reason};
use super::courier::Courier;
use super::ending::{finish, finish_apart};
use super::outcome;
use super::refresh::Refresh;
use super::watch::Watch;

/// How long one round of serving deliveries lasts, and so how soon a wish is seen.
pub(super) const ROUND: Duration = Duration::from_millis(50);
/// Between two attempts to make a producer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// A producer that lived so long was made well: the next one need not wait long.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// How long records may time out, with none stored, before another producer is tried; doubled each time.
///
/// A producer whose brokers answer once with an empty list of brokers, as one does that was stopped and goes
/// on, forgets all of them and never asks again (librdkafka issue 5301, in 2.12.1).
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// How long a producer that is to take over may take to reach a broker.
const REACH: Duration = Duration::from_secs(3);
/// How long after that librdkafka asks for the producer id without which it sends nothing, at the latest
/// (`rd_kafka_idemp_pid_timer_restart`: every 500 ms).
const PRODUCER_ID: Duration = Duration::from_millis(600);

/// The driver of one of a connection's producers.
#[derive(Clone)]
pub(super) struct Driver {
    pub(super) place: Place,
    pub(super) control: Arc<Control>,
    pub(super) shared: Arc<Shared>,
    pub(super) courier: Courier,
    /// Makes the configuration of a producer with batches of at most so many bytes.
    pub(super) config: Arc<dyn Fn(usize) -> ClientConfig + Send + Sync>,
    /// How long a retired producer is flushed.
    pub(super) flush: Duration,
    /// How long a broker may take over one request.
    pub(super) request_timeout: Duration,
    /// How long a record may wait for others to be sent with.
    pub(super) linger: Duration,
}

/// Why a producer is served no longer.
enum End {
    /// No more records come.
    Retired,
    /// Another is to be made.
    Replace(Reason),
    /// Another is ready to take over.
    TakeOver(Made),
}

/// What a driver remembers from producer to producer.
struct Memory {
    /// How long records may time out without one being stored.
    patience: Duration,
    /// In main only.
    watch: Option<Watch>,
    refresh: Refresh,
    /// A producer being made ready to take over.
    next: Option<JoinHandle<Option<Made>>>,
    /// Threads that end replaced producers, and quarantine's.
    threads: Vec<JoinHandle<()>>,
}

impl Driver {
    /// Puts the first producer into effect and runs on a thread of its own, until the connection is retired
    /// and everything handed over is settled.
    pub(super) fn start(self, first: Made) -> io::Result<JoinHandle<()>> {
        let lane = self.control.lane(self.place);
        lane.producer.store(Some(Arc::clone(&first.producer)));
        lane.batch.store(first.batch, Ordering::Relaxed);
        let control = Arc::clone(&self.control);
        let place = self.place;
        let thread = std::thread::Builder::new().name("kafka".to_owned()).spawn(move || self.run(first));
        if thread.is_err() {
            // Without a thread nobody would settle what this producer takes.
            let lane = control.lane(place);
            lane.producer.store(None);
            lane.batch.store(0, Ordering::Relaxed);
        }
        thread
    }

    fn lane(&self) -> &Lane {
        self.control.lane(self.place)
    }

    fn run(self, first: Made) {
        let watch = || Watch::new(Arc::clone(&self.shared), self.request_timeout, self.linger);
        let mut memory = Memory {
            patience: PATIENCE.0,
            watch: (self.place == Place::Main).then(watch),
            refresh: Refresh::new(),
            next: None,
            threads: Vec::new(),
        };
        let (mut current, mut backoff) = (Some(first), BACKOFF.0);
        while let Some(made) = current {
            self.put_into_effect(&made, &mut memory);
            let begin = Instant::now();
            let reason = match self.serve(&made, &mut memory) {
                End::Retired => break,
                End::TakeOver(next) => {
                    self.control.count_replaced(Reason::SlowTopic);
                    current = Some(next);
                    continue;
                }
                End::Replace(reason) => reason,
            };
            self.control.count_replaced(reason);
            if reason == Reason::Stuck {
                memory.patience = (memory.patience * 2).min(PATIENCE.1);
            } else if reason == Reason::Fatal {
                self.lane().producer.store(None);
                // What is in flight can't be told any more; it comes back as unknown.
                made.producer.purge(PurgeConfig::default().queue().inflight());
                finish(made.producer, Duration::ZERO, &self.control);
                backoff = if begin.elapsed() > LONG_LIFE { BACKOFF.0 } else { (backoff * 2).min(BACKOFF.1) };
                self.pause(backoff);
            }
            current = self.make();
        }
        self.end(memory);
    }

    fn put_into_effect(&self, made: &Made, memory: &mut Memory) {
        let before = self.lane().producer.swap(Some(Arc::clone(&made.producer)));
        self.lane().batch.store(made.batch, Ordering::Relaxed);
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &made.producer)) {
            memory.threads.extend(finish_apart(before, self.flush, &self.control));
            if let Some(watch) = &mut memory.watch {
                watch.producer_replaced();
            }
        }
        memory.threads.retain(|thread| !thread.is_finished());
    }

    fn end(&self, memory: Memory) {
        if let Some(last) = self.lane().producer.swap(None) {
            finish(last, self.flush, &self.control);
        }
        memory.refresh.end();
        let unused = memory.next.and_then(|next| next.join().ok().flatten());
        drop(unused);
        for thread in memory.threads {
            if thread.join().is_err() {
                tracing::error!(sink = self.shared.sink, "a producer's thread failed");
            }
        }
    }

    fn retired(&self) -> bool {
        self.control.retire.load(Ordering::Relaxed)
    }

    fn pause(&self, length: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end && !self.retired() {
            std::thread::sleep(ROUND);
        }
    }

    /// Makes a producer with batches of at most so many bytes.
    pub(super) fn make_one(&self, batch: usize) -> KafkaResult<Made> {
        let (shared, courier) = (Arc::clone(&self.shared), Some(self.courier.clone()));
        let context = Context { shared, courier, pulse: Arc::default() };
        let producer = Producer::from_config_and_context(&(self.config)(batch), context).map(Arc::new)?;
        Ok(Made { producer, batch })
    }

    /// Tries to make a producer until it works or the connection is retired.
    fn make(&self) -> Option<Made> {
        let mut backoff = BACKOFF.0;
        while !self.retired() {
            match self.make_one(self.control.batch_of(self.place)) {
                Ok(made) => return Some(made),
                Err(error) => {
                    self.shared.set_trouble(NotReady::Other, &format!("can't make a producer: {error}"));
                }
            }
            self.pause(backoff);
            backoff = (backoff * 2).min(BACKOFF.1);
        }
        None
    }

    /// Serves deliveries until the producer is to be replaced or ended.
    fn serve(&self, made: &Made, memory: &mut Memory) -> End {
        let producer = &made.producer;
        let pulse = Arc::clone(&producer.client().context().pulse);
        let mut timing_out: Option<Instant> = None;
        loop {
            producer.poll(ROUND);
            if self.is_stuck(&pulse, &mut timing_out, &mut memory.patience) {
                tracing::warn!(sink = self.shared.sink, "nothing is acknowledged, making another producer");
                return End::Replace(Reason::Stuck);
            }
            if self.retired() {
                return End::Retired;
            }
            if self.control.batch_of(self.place) != made.batch {
                return End::Replace(Reason::BatchSize);
            }
            if let Some((code, reason)) = producer.client().fatal_error() {
                self.control.fatal_errors.fetch_add(1, Ordering::Relaxed);
                let message = format!("fatal error, making another producer: {code}: {reason}");
                self.shared.set_trouble(outcome::reason(Some(code)), &message);
                return End::Replace(Reason::Fatal);
            }
            if let Some(next) = self.look_over_topics(memory) {
                return End::TakeOver(next);
            }
        }
    }

    /// Whether records time out, none is stored, and patience has run out.
    fn is_stuck(&self, pulse: &Pulse, timing_out: &mut Option<Instant>, patience: &mut Duration) -> bool {
        let timed_out = pulse.timed_out.swap(false, Ordering::Relaxed);
        if pulse.stored.swap(false, Ordering::Relaxed) {
            (*timing_out, *patience) = (None, PATIENCE.0);
        } else if timed_out {
            timing_out.get_or_insert_with(Instant::now);
            // What is in quarantine is the trouble of its topics, not the connection's.
            if self.place == Place::Main {
                self.shared.suspect(NotReady::SinkUnreachable, "records are not acknowledged in time");
            }
        }
        timing_out.is_some_and(|since| since.elapsed() >= *patience)
    }

    /// Has the topics looked over, and another producer made ready where one is wanted. `Some` once it is.
    fn look_over_topics(&self, memory: &mut Memory) -> Option<Made> {
        let watch = memory.watch.as_mut()?;
        if self.control.has_narrow() {
            self.ensure_quarantine(&mut memory.threads);
        }
        let another_main = watch.look(Instant::now(), || self.ensure_quarantine(&mut memory.threads));
        memory.refresh.run(watch.refused(), &self.control);
        if another_main && memory.next.is_none() {
            memory.next = self.make_ready();
        }
        let next = memory.next.take_if(|next| next.is_finished())?.join().ok().flatten()?;
        // One made with batches that are no longer wanted would only be replaced again.
        (next.batch == self.control.batch_of(self.place)).then_some(next)
    }

    /// Makes a producer and has it find the brokers before it is to take anything, beside the one that serves.
    fn make_ready(&self) -> Option<JoinHandle<Option<Made>>> {
        let driver = self.clone();
        let mut topic = None;
        self.shared.topics.each(|any| topic = Some(any.name().to_owned()));
        let making = move || {
            let made = driver.make_one(driver.control.batch_of(driver.place)).ok()?;
            made.producer.client().fetch_metadata(topic.as_deref(), REACH).ok()?;
            driver.pause(PRODUCER_ID);
            Some(made)
        };
        std::thread::Builder::new().name("kafka-next".to_owned()).spawn(making).ok()
    }

    /// Makes sure that quarantine has a producer, or will have again by itself; false where it can't be had.
    fn ensure_quarantine(&self, threads: &mut Vec<JoinHandle<()>>) -> bool {
        if self.control.lane(Place::Quarantine).batch.load(Ordering::Relaxed) > 0 {
            return true;
        }
        let driver = Self { place: Place::Quarantine, ..self.clone() };
        let started = driver
            .make_one(self.control.batch_of(Place::Quarantine))
            .map_err(|error| error.to_string())
            .and_then(|first| driver.start(first).map_err(|error| error.to_string()));
        match started {
            Ok(thread) => {
                threads.push(thread);
                true
            }
            Err(error) => {
                tracing::error!(sink = self.shared.sink, error, "can't make a producer for quarantine");
                false
            }
        }
    }
}
