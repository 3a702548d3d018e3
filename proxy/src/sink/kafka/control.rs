//! What the threads that own a connection's producers share with those who hand records over and with the
//! topic checks. It holds wishes and what is in effect; it makes and ends nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::context::Context;

/// A topic that takes no batches of so many bytes goes through the other producer.
pub(super) const NARROW: usize = 128 << 10;

pub(super) type Producer = BaseProducer<Context>;

/// A producer and the largest batch it makes, in bytes.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) producer: Arc<Producer>,
    pub(super) batch: usize,
}

/// One of a connection's two places for a producer.
#[derive(Default)]
pub(super) struct Lane {
    /// The producer that takes records now.
    pub(super) producer: ArcSwapOption<Producer>,
    /// Its largest batch, in bytes.
    pub(super) batch: AtomicUsize,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// For every topic without trouble.
    Main,
    /// For topics that would hold up the others, or whose batches must be small; nothing is there before the first
    /// of them.
    Quarantine,
}

/// Why a producer was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another batch size is wanted.
    BatchSize,
    /// librdkafka gave up.
    Fatal,
    /// Records timed out and none was stored.
    Stuck,
    /// It held the records of a topic that held up the others.
    SlowTopic,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::BatchSize, Self::Fatal, Self::Stuck, Self::SlowTopic];

    /// Its name as a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BatchSize => "batch_size",
            Self::Fatal => "fatal",
            Self::Stuck => "stuck",
            Self::SlowTopic => "slow_topic",
        }
    }
}

/// The wishes for a connection, and its producers.
pub(super) struct Control {
    main: Lane,
    quarantine: Lane,
    /// Set: no more records come; finish within the flush time.
    pub(super) retire: AtomicBool,
    /// Set: give back at once what is not acknowledged.
    pub(super) purge: AtomicBool,
    /// The smallest bound of a topic, in bytes; a change makes other producers.
    smallest: AtomicUsize,
    /// Fatal errors since the start.
    pub(super) fatal_errors: AtomicU64,
    replaced: [AtomicU64; Reason::ALL.len()],
    /// How many records a producer's queue holds at most.
    queue_limit: u64,
}

impl Control {
    pub(super) fn new(smallest: usize, queue_limit: u64) -> Self {
        Self {
            main: Lane::default(),
            quarantine: Lane::default(),
            retire: AtomicBool::new(false),
            purge: AtomicBool::new(false),
            smallest: AtomicUsize::new(smallest),
            fatal_errors: AtomicU64::new(0),
            replaced: Default::default(),
            queue_limit,
        }
    }

    pub(super) fn lane(&self, place: Place) -> &Lane {
        match place {
            Place::Main => &self.main,
            Place::Quarantine => &self.quarantine,
        }
    }

    /// Records in the fuller of the two producers' queues, on their way included, and how many it holds at most.
    pub(super) fn queue(&self) -> Option<(u64, u64)> {
        let held = |lane: &Lane| lane.producer.load().as_ref().map(|producer| producer.in_flight_count());
        let used = [&self.main, &self.quarantine].into_iter().filter_map(held).max()?;
        Some((u64::try_from(used).unwrap_or_default(), self.queue_limit))
    }

    /// Sets the smallest bound of a topic, in bytes.
    pub(super) fn bound(&self, smallest: usize) {
        self.smallest.store(smallest, Ordering::Relaxed);
    }

    /// The smallest bound of a topic, in bytes.
    pub(super) fn smallest(&self) -> usize {
        self.smallest.load(Ordering::Relaxed)
    }

    /// The largest batch that a producer is to make there, in bytes. Main's has a floor, because small batches
    /// would slow every topic: narrower topics go through the other producer.
    pub(super) fn batch_of(&self, place: Place) -> usize {
        match place {
            Place::Main => self.smallest().max(NARROW),
            Place::Quarantine => self.smallest(),
        }
    }

    /// Whether there are topics too narrow for main.
    pub(super) fn has_narrow(&self) -> bool {
        self.smallest() < NARROW
    }

    /// Whether every producer that takes records makes batches as they are wanted.
    pub(super) fn has_wanted_batches(&self) -> bool {
        let has = |place| self.lane(place).batch.load(Ordering::Relaxed) == self.batch_of(place);
        let none_needed = || !self.has_narrow() && self.quarantine.producer.load().is_none();
        has(Place::Main) && (has(Place::Quarantine) || none_needed())
    }

    pub(super) fn count_replaced(&self, reason: Reason) {
        if let Some(count) = self.replaced.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often producers were replaced, by reason.
    pub(super) fn replaced(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL
            .into_iter()
            .zip(&self.replaced)
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }
}
