//! The thread that owns a connection's producer: it makes it, serves its deliveries, makes another
//! after a fatal error, and ends it so that every record it holds is settled.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};

use super::context::{Context, Shared};
use super::courier::Courier;

/// How long one round of serving deliveries lasts, and so how soon a wish is seen.
const ROUND: Duration = Duration::from_millis(50);
/// Between two attempts to make a producer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// A producer that lived so long was made well: the next one need not wait long.
const LONG_LIFE: Duration = Duration::from_secs(60);
/// How long records may time out, with none stored, before another producer is tried; doubled each time.
///
/// A producer whose brokers answer once with an empty list of brokers, as one does that was stopped and goes
/// on, forgets all of them and never asks again (librdkafka issue 5301, in 2.12.1).
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// How long a purged producer may take to give everything back.
const PURGE: Duration = Duration::from_secs(5);

pub(super) type Producer = BaseProducer<Context>;

/// What the driver, its connection and the topic checks share.
pub(super) struct Control {
    /// The producer that takes records now.
    pub(super) producer: ArcSwapOption<Producer>,
    /// Set: no more records come; finish within the flush time.
    pub(super) retire: AtomicBool,
    /// Set: give back at once what is not acknowledged.
    pub(super) purge: AtomicBool,
    /// Largest batch wanted, in bytes; a change makes another producer.
    pub(super) batch_bytes: AtomicUsize,
    /// Largest batch of the producer that takes records now.
    pub(super) batch_in_effect: AtomicUsize,
    /// Fatal errors since the start.
    pub(super) fatal_errors: AtomicU64,
}

impl Control {
    pub(super) fn new(batch_bytes: usize) -> Self {
        Self {
            producer: ArcSwapOption::empty(),
            retire: AtomicBool::new(false),
            purge: AtomicBool::new(false),
            batch_bytes: AtomicUsize::new(batch_bytes),
            batch_in_effect: AtomicUsize::new(batch_bytes),
            fatal_errors: AtomicU64::new(0),
        }
    }
}

/// The driver of one connection.
pub(super) struct Driver {
    pub(super) control: Arc<Control>,
    pub(super) shared: Arc<Shared>,
    pub(super) courier: Courier,
    /// Makes the configuration of a producer with batches of at most so many bytes.
    pub(super) config: Box<dyn Fn(usize) -> ClientConfig + Send>,
    /// How long a retired producer is flushed.
    pub(super) flush: Duration,
}

/// Why a producer is served no longer.
enum End {
    /// No more records come.
    Retired,
    /// Another batch size is wanted.
    BatchSize,
    /// librdkafka gave up.
    Fatal,
    /// Records time out and none is stored: another producer may find what this one lost.
    Stuck,
}

impl Driver {
    /// Puts the first producer into effect and runs on a thread of its own, until the connection is retired
    /// and everything handed over is settled.
    pub(super) fn start(self, first: Arc<Producer>) -> io::Result<std::thread::JoinHandle<()>> {
        self.control.producer.store(Some(Arc::clone(&first)));
        std::thread::Builder::new().name("kafka".to_owned()).spawn(move || self.run(first))
    }

    fn run(self, first: Arc<Producer>) {
        let mut ending: Vec<std::thread::JoinHandle<()>> = Vec::new();
        let mut current = Some((first, self.control.batch_bytes.load(Ordering::Relaxed)));
        let (mut backoff, mut patience) = (BACKOFF.0, PATIENCE.0);
        while let Some((producer, batch)) = current {
            let before = self.control.producer.swap(Some(Arc::clone(&producer)));
            self.control.batch_in_effect.store(batch, Ordering::Relaxed);
            ending.extend(
                before
                    .filter(|before| !Arc::ptr_eq(before, &producer))
                    .and_then(|before| self.finish_apart(before)),
            );
            ending.retain(|thread| !thread.is_finished());
            let begin = Instant::now();
            match self.serve(&producer, batch, &mut patience) {
                End::BatchSize => {}
                End::Stuck => patience = (patience * 2).min(PATIENCE.1),
                End::Fatal => {
                    self.control.producer.store(None);
                    // What is in flight can't be told any more; it comes back as unknown.
                    producer.purge(PurgeConfig::default().queue().inflight());
                    finish(producer, Duration::ZERO, &self.control);
                    backoff =
                        if begin.elapsed() > LONG_LIFE { BACKOFF.0 } else { (backoff * 2).min(BACKOFF.1) };
                    self.pause(backoff);
                }
                End::Retired => break,
            }
            current = self.make();
        }
        if let Some(last) = self.control.producer.swap(None) {
            finish(last, self.flush, &self.control);
        }
        for thread in ending {
            if thread.join().is_err() {
                tracing::error!(sink = self.shared.sink, "ending a producer failed");
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
    pub(super) fn make_one(&self, batch: usize) -> KafkaResult<Arc<Producer>> {
        let context = Context { shared: Arc::clone(&self.shared), courier: Some(self.courier.clone()) };
        Producer::from_config_and_context(&(self.config)(batch), context).map(Arc::new)
    }

    /// Tries to make a producer until it works or the connection is retired.
    fn make(&self) -> Option<(Arc<Producer>, usize)> {
        let mut backoff = BACKOFF.0;
        while !self.retired() {
            let batch = self.control.batch_bytes.load(Ordering::Relaxed);
            match self.make_one(batch) {
                Ok(producer) => return Some((producer, batch)),
                Err(error) => self.shared.set_trouble(&format!("can't make a producer: {error}")),
            }
            self.pause(backoff);
            backoff = (backoff * 2).min(BACKOFF.1);
        }
        None
    }

    /// Serves deliveries until the producer is to be replaced or ended. `patience` is how long records may
    /// time out without one being stored.
    fn serve(&self, producer: &Producer, batch: usize, patience: &mut Duration) -> End {
        let mut timing_out: Option<Instant> = None;
        self.shared.timed_out.store(false, Ordering::Relaxed);
        loop {
            producer.poll(ROUND);
            let timed_out = self.shared.timed_out.swap(false, Ordering::Relaxed);
            if self.shared.stored.swap(false, Ordering::Relaxed) {
                (timing_out, *patience) = (None, PATIENCE.0);
            } else if timed_out {
                timing_out.get_or_insert_with(Instant::now);
            }
            if timing_out.is_some_and(|since| since.elapsed() >= *patience) {
                tracing::warn!(sink = self.shared.sink, "nothing is acknowledged, making another producer");
                return End::Stuck;
            }
            if self.retired() {
                return End::Retired;
            }
            if self.control.batch_bytes.load(Ordering::Relaxed) != batch {
                return End::BatchSize;
            }
            if let Some((code, reason)) = producer.client().fatal_error() {
                self.control.fatal_errors.fetch_add(1, Ordering::Relaxed);
                self.shared.set_trouble(&format!("fatal error, making another producer: {code}: {reason}"));
                return End::Fatal;
            }
        }
    }

    /// Finishes a replaced producer beside the new one; here and now where no thread can be had.
    fn finish_apart(&self, producer: Arc<Producer>) -> Option<std::thread::JoinHandle<()>> {
        let (flush, control, spare) = (self.flush, Arc::clone(&self.control), Arc::clone(&producer));
        let thread = std::thread::Builder::new()
            .name("kafka-ending".to_owned())
            .spawn(move || finish(producer, flush, &control));
        if thread.is_err() {
            finish(spare, flush, &self.control);
        }
        thread.ok()
    }
}

/// Gives a producer `flush` to deliver what it holds, takes the rest back, and drops it here, where
/// blocking harms nobody.
fn finish(producer: Arc<Producer>, flush: Duration, control: &Control) {
    let deadline = Instant::now() + flush;
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        if control.purge.load(Ordering::Relaxed) {
            break;
        }
        // Errors only by running out of time, which the loop itself watches.
        let _ = producer.flush(ROUND);
    }
    producer.purge(PurgeConfig::default().queue().inflight());
    let deadline = Instant::now() + PURGE;
    // Others hold the producer only while they hand over one report.
    while (producer.in_flight_count() > 0 || Arc::strong_count(&producer) > 1) && Instant::now() < deadline {
        producer.poll(Duration::from_millis(5));
    }
    drop(producer);
}
