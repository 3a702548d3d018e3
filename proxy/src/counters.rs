//! What became of a stream's reports and records on this node, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering};

use sluice_wire::code::Code;
use sluice_wire::status::StreamCounts;

/// One stream's counts since the node started; kept across reloads.
#[derive(Debug, Default)]
pub struct StreamCounters {
    answers: [AtomicU64; Code::ALL.len()],
    /// Records handed to the sink.
    pub admitted: Count,
    /// Of those: stored.
    pub delivered: Count,
    /// Of those: surely not stored.
    pub failed: Count,
    /// Of those: not known whether stored.
    pub unknown: Count,
    /// Bytes of the records stored, without keys and headers.
    pub delivered_bytes: Count,
    /// Reports whose `cnt` was not the number of records found.
    pub count_mismatch: Count,
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
    /// Counts a report answered with `code`.
    pub fn answered(&self, code: Code) {
        if let Some(count) = self.answers.get(code.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
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
        StreamCounts {
            reports_accepted: accepted,
            reports_refused: refused,
            reports_unknown: unknown,
            records_admitted: self.admitted.get(),
            records_delivered: self.delivered.get(),
            records_failed: self.failed.get(),
            records_unknown: self.unknown.get(),
        }
    }
}
