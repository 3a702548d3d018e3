//! What became of a stream's reports and records on this node, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_identity::Denied;
use sluice_wire::code::Code;
use sluice_wire::status::StreamCounts;

use crate::admit::SourceRefused;
use crate::sink::Verdict;

/// One stream's counts since the node started; kept across reloads.
#[derive(Debug, Default)]
pub struct StreamCounters {
    answers: [AtomicU64; Code::ALL.len()],
    tally: Mutex<Tally>,
    /// Reports whose `cnt` was not the number of records found.
    pub count_mismatch: Count,
    /// Records without the key that their stream wants.
    pub key_missing: Count,
    sources_refused: [Count; SourceRefused::REASONS.len()],
    denied: [Count; Denied::REASONS.len()],
}

/// What became of a stream's records. At any moment
/// admitted = waiting + delivered + failed + unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records handed to the sink.
    pub admitted: u64,
    /// Of those: in a report that is not settled yet.
    pub waiting: u64,
    /// Of those: stored.
    pub delivered: u64,
    /// Of those: surely not stored.
    pub failed: u64,
    /// Of those: not known whether stored.
    pub unknown: u64,
    /// Bytes of the messages stored, without keys and headers.
    pub delivered_bytes: u64,
}

/// A number that only goes up.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl StreamCounters {
    /// Notes that so many records are handed to the sink.
    pub fn admit(&self, records: u64) {
        let mut tally = self.lock();
        tally.admitted += records;
        tally.waiting += records;
    }

    /// Notes what a report's records came to; `bytes` of them are stored.
    pub fn settle(&self, verdict: &Verdict, bytes: u64) {
        let mut tally = self.lock();
        tally.waiting -= verdict.stored + verdict.not_stored + verdict.unknown;
        tally.delivered += verdict.stored;
        tally.failed += verdict.not_stored;
        tally.unknown += verdict.unknown;
        tally.delivered_bytes += bytes;
    }

    /// The counts of one moment.
    #[must_use]
    pub fn tally(&self) -> Tally {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a report answered with `code`.
    pub fn answered(&self, code: Code) {
        if let Some(count) = self.answers.get(code.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a report that is not taken from whoever sent it.
    pub fn source_refused(&self, refused: SourceRefused) {
        if let Some(count) = self.sources_refused.get(refused.index()) {
            count.add(1);
        }
    }

    /// Reports not taken from whoever sent them by the reason's name, only the reasons that occurred.
    pub fn sources_refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.sources_refused.iter().map(Count::get);
        SourceRefused::REASONS.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Counts a report whose sender does not show what is wanted.
    pub fn denied(&self, denied: Denied) {
        let at = Denied::REASONS.iter().position(|name| *name == denied.name());
        if let Some(count) = at.and_then(|at| self.denied.get(at)) {
            count.add(1);
        }
    }

    /// Reports refused for what their sender shows, by the reason's name, only the reasons that occurred.
    pub fn denials(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.denied.iter().map(Count::get);
        Denied::REASONS.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Reports answered by code, only the codes that occurred.
    pub fn answers(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        Code::ALL
            .into_iter()
            .zip(&self.answers)
            .map(|(code, count)| (code, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }

    /// The numbers for `/status`.
    #[must_use]
    pub fn snapshot(&self) -> StreamCounts {
        let (mut accepted, mut refused, mut unknown) = (0, 0, 0);
        for (code, count) in self.answers() {
            match code {
                Code::Ok => accepted += count,
                Code::Unknown => unknown += count,
                _ => refused += count,
            }
        }
        let tally = self.tally();
        StreamCounts {
            reports_accepted: accepted,
            reports_refused: refused,
            reports_unknown: unknown,
            records_admitted: tally.admitted,
            records_delivered: tally.delivered,
            records_failed: tally.failed,
            records_unknown: tally.unknown,
        }
    }
}
