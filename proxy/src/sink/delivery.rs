//! A report on its way into a sink: what its records came to, and what it holds until they do.
//!
//! The bytes a report is charged with, and its counts, live here and not in the request's future: a
//! client that leaves early releases nothing before the sink does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::admit::Charge;
use crate::counters::StreamCounters;

/// What one record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kafka acknowledged it with acks=all, or its file was synced.
    Stored,
    /// It is surely not stored.
    NotStored(Cause),
    /// It may or may not be stored.
    Unknown,
}

/// Why a record is surely not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There was no room, or the record was taken back before it was sent.
    Busy,
    /// The sink refused it.
    Refused,
    /// The topic is not there.
    NoTopic,
}

/// What all records of a report came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records stored.
    pub stored: usize,
    /// Records surely not stored.
    pub not_stored: usize,
    /// Records that may or may not be stored.
    pub unknown: usize,
    /// Why the first of those not stored is not.
    pub cause: Option<Cause>,
}

impl Verdict {
    /// The outcome of the report as a whole: stored only if all its records are, not stored only if
    /// none is. Between the two a report can't be called either, and sending it again duplicates.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (self.stored, self.unknown, self.cause) {
            (_, 0, None) => Outcome::Stored,
            (0, 0, Some(cause)) => Outcome::NotStored(cause),
            _ => Outcome::Unknown,
        }
    }

    /// Whether it is known of every record that it is stored or not, and some are.
    #[must_use]
    pub fn is_partly_stored(&self) -> bool {
        self.stored > 0 && self.not_stored > 0 && self.unknown == 0
    }
}

/// A report whose records were handed to a sink.
#[derive(Debug)]
pub struct Delivery {
    open: AtomicUsize,
    result: Mutex<(Verdict, Option<oneshot::Sender<Verdict>>)>,
    counters: Arc<StreamCounters>,
    _charge: Charge,
}

impl Delivery {
    /// A delivery of `records` records, and where its verdict arrives.
    #[must_use]
    pub fn new(
        records: usize,
        counters: Arc<StreamCounters>,
        charge: Charge,
    ) -> (Arc<Self>, oneshot::Receiver<Verdict>) {
        let (sender, receiver) = oneshot::channel();
        counters.admitted.add(records as u64);
        let delivery = Self {
            open: AtomicUsize::new(records),
            result: Mutex::new((Verdict::default(), Some(sender))),
            counters,
            _charge: charge,
        };
        (Arc::new(delivery), receiver)
    }

    /// Notes what one record of `bytes` bytes came to. The verdict goes out with the last one.
    pub fn settle(&self, outcome: Outcome, bytes: usize) {
        if let Some(ready) = self.settle_quietly(outcome, bytes) {
            ready.send();
        }
    }

    /// The same, but the verdict, once it is ready, is left to the caller to send.
    #[must_use]
    pub fn settle_quietly(&self, outcome: Outcome, bytes: usize) -> Option<Ready> {
        {
            let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
            let verdict = &mut result.0;
            match outcome {
                Outcome::Stored => {
                    verdict.stored += 1;
                    self.counters.delivered.add(1);
                    self.counters.delivered_bytes.add(bytes as u64);
                }
                Outcome::NotStored(cause) => {
                    verdict.not_stored += 1;
                    verdict.cause.get_or_insert(cause);
                    self.counters.failed.add(1);
                }
                Outcome::Unknown => {
                    verdict.unknown += 1;
                    self.counters.unknown.add(1);
                }
            }
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = result.0;
        result.1.take().map(|sender| Ready { verdict, sender })
    }
}

/// A verdict on its way to the request that waits for it.
#[derive(Debug)]
pub struct Ready {
    verdict: Verdict,
    sender: oneshot::Sender<Verdict>,
}

impl Ready {
    /// Sends it. The request's future may have left; its report is settled all the same.
    pub fn send(self) {
        let _ = self.sender.send(self.verdict);
    }
}

impl Drop for Delivery {
    /// A sink that lets go of a record without a word leaves its outcome unknown.
    fn drop(&mut self) {
        for _ in 0..*self.open.get_mut() {
            self.settle(Outcome::Unknown, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::Budget;

    fn delivery(records: usize) -> (Arc<Delivery>, oneshot::Receiver<Verdict>, Arc<StreamCounters>) {
        let counters = Arc::new(StreamCounters::default());
        let (delivery, verdict) = Delivery::new(records, Arc::clone(&counters), Budget::new(1).open());
        (delivery, verdict, counters)
    }

    #[test]
    fn a_report_is_stored_only_if_all_its_records_are() {
        let (delivery, mut verdict, counters) = delivery(2);
        delivery.settle(Outcome::Stored, 3);
        assert!(verdict.try_recv().is_err());
        delivery.settle(Outcome::Stored, 3);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::Stored);
        assert_eq!((counters.delivered.get(), counters.delivered_bytes.get()), (2, 6));
    }

    #[test]
    fn a_report_is_not_stored_only_if_none_of_its_records_is() {
        let (delivery, mut verdict, _) = self::delivery(2);
        delivery.settle(Outcome::NotStored(Cause::Refused), 3);
        delivery.settle(Outcome::NotStored(Cause::Busy), 3);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::NotStored(Cause::Refused));

        let (delivery, mut verdict, counters) = self::delivery(2);
        delivery.settle(Outcome::Stored, 3);
        delivery.settle(Outcome::NotStored(Cause::Refused), 3);
        let partly = verdict.try_recv().unwrap();
        assert!(partly.is_partly_stored());
        assert_eq!(partly.outcome(), Outcome::Unknown);
        assert_eq!((counters.delivered.get(), counters.failed.get()), (1, 1));
    }

    #[test]
    fn one_unknown_record_makes_the_report_unknown() {
        let (delivery, mut verdict, _) = delivery(3);
        delivery.settle(Outcome::NotStored(Cause::Busy), 1);
        delivery.settle(Outcome::Unknown, 1);
        delivery.settle(Outcome::Stored, 1);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::Unknown);
    }

    #[test]
    fn a_delivery_let_go_of_is_unknown() {
        let (delivery, mut verdict, counters) = delivery(2);
        delivery.settle(Outcome::Stored, 1);
        drop(delivery);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::Unknown);
        assert_eq!((counters.delivered.get(), counters.unknown.get()), (1, 1));
    }

    #[test]
    fn the_charge_is_held_until_the_delivery_ends_though_nobody_waits() {
        let budget = Budget::new(100);
        let mut charge = budget.open();
        charge.grow(40).unwrap();
        let (delivery, verdict) = Delivery::new(1, Arc::default(), charge);
        drop(verdict);
        assert_eq!(budget.used(), 40);
        delivery.settle(Outcome::Stored, 1);
        drop(delivery);
        assert_eq!(budget.used(), 0);
    }
}
