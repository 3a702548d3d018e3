//! A report on its way into a sink: what its records came to, and what it holds until they do.
//!
//! The bytes a report is charged with, and its counts, live here and not in the request's future: a
//! client that leaves early releases nothing before the sink does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::admit::Hold;
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records stored.
    pub stored: u64,
    /// Records surely not stored.
    pub not_stored: u64,
    /// Records that may or may not be stored.
    pub unknown: u64,
    /// Why the first of those not stored is not.
    pub cause: Option<Cause>,
    /// The messages that are not stored, or may not be, in the order in which that became known.
    pub failures: Vec<Failure>,
}

/// A message that is not stored, or may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its place in the report, from 0.
    pub message: u32,
    /// What it came to; never [`Outcome::Stored`].
    pub outcome: Outcome,
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

    fn add(&mut self, message: u32, outcome: Outcome, records: u64) {
        match outcome {
            Outcome::Stored => self.stored += records,
            Outcome::NotStored(cause) => {
                self.not_stored += records;
                self.cause.get_or_insert(cause);
            }
            Outcome::Unknown => self.unknown += records,
        }
        if outcome != Outcome::Stored {
            self.failures.push(Failure { message, outcome });
        }
    }
}

/// A report whose messages were handed to a sink.
#[derive(Debug)]
pub struct Delivery {
    open: AtomicUsize,
    result: Mutex<Progress>,
    counters: Arc<StreamCounters>,
    _hold: Hold,
}

#[derive(Debug)]
struct Progress {
    verdict: Verdict,
    /// Bytes of the messages stored.
    bytes: u64,
    sender: Option<oneshot::Sender<Verdict>>,
}

impl Delivery {
    /// A delivery of so many messages with so many records in them, and where its verdict arrives.
    #[must_use]
    pub fn new(
        messages: usize,
        records: u64,
        counters: Arc<StreamCounters>,
        hold: impl Into<Hold>,
    ) -> (Arc<Self>, oneshot::Receiver<Verdict>) {
        let (sender, receiver) = oneshot::channel();
        counters.admit(records);
        let delivery = Self {
            open: AtomicUsize::new(messages),
            result: Mutex::new(Progress { verdict: Verdict::default(), bytes: 0, sender: Some(sender) }),
            counters,
            _hold: hold.into(),
        };
        (Arc::new(delivery), receiver)
    }

    /// The place of one message in this delivery; each message has one, and takes it once.
    pub fn ticket(self: &Arc<Self>, message: u32, records: u32) -> Ticket {
        Ticket { delivery: Some(Arc::clone(self)), message, records }
    }

    /// Notes what one message came to; with the last one the counts are made and the verdict is ready.
    fn note(&self, message: u32, records: u32, outcome: Outcome, bytes: usize) -> Option<Ready> {
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        result.verdict.add(message, outcome, u64::from(records));
        if outcome == Outcome::Stored {
            result.bytes += bytes as u64;
        }
        if self.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let verdict = std::mem::take(&mut result.verdict);
        self.counters.settle(&verdict, result.bytes);
        result.sender.take().map(|sender| Ready { verdict, sender })
    }
}

/// A message's place in a [`Delivery`]. One that is dropped leaves its message unknown: a sink let go of it
/// without a word.
#[derive(Debug)]
#[must_use = "a ticket that is dropped leaves its message unknown"]
pub struct Ticket {
    delivery: Option<Arc<Delivery>>,
    message: u32,
    records: u32,
}

impl Ticket {
    /// Notes what the message of `bytes` bytes came to. The verdict goes out with the last one.
    pub fn settle(self, outcome: Outcome, bytes: usize) {
        if let Some(ready) = self.settle_quietly(outcome, bytes) {
            ready.send();
        }
    }

    /// The same, but the verdict, once it is ready, is left to the caller to send.
    #[must_use]
    pub fn settle_quietly(mut self, outcome: Outcome, bytes: usize) -> Option<Ready> {
        self.delivery.take()?.note(self.message, self.records, outcome, bytes)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(delivery) = self.delivery.take() else { return };
        if let Some(ready) = delivery.note(self.message, self.records, Outcome::Unknown, 0) {
            ready.send();
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::Budget;

    fn delivery(messages: u32) -> (Vec<Ticket>, oneshot::Receiver<Verdict>, Arc<StreamCounters>) {
        let counters = Arc::new(StreamCounters::default());
        let charge = Budget::new(1).open();
        let (delivery, verdict) =
            Delivery::new(messages as usize, u64::from(messages), Arc::clone(&counters), charge);
        ((0..messages).map(|message| delivery.ticket(message, 1)).rev().collect(), verdict, counters)
    }

    fn next(tickets: &mut Vec<Ticket>) -> Ticket {
        tickets.pop().unwrap()
    }

    #[test]
    fn a_report_is_stored_only_if_all_its_records_are() {
        let (mut tickets, mut verdict, counters) = delivery(2);
        next(&mut tickets).settle(Outcome::Stored, 3);
        assert!(verdict.try_recv().is_err());
        next(&mut tickets).settle(Outcome::Stored, 3);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::Stored);
        assert_eq!((counters.tally().delivered, counters.tally().delivered_bytes), (2, 6));
    }

    #[test]
    fn a_report_is_not_stored_only_if_none_of_its_records_is() {
        let (mut tickets, mut verdict, _) = delivery(2);
        next(&mut tickets).settle(Outcome::NotStored(Cause::Refused), 3);
        next(&mut tickets).settle(Outcome::NotStored(Cause::Busy), 3);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::NotStored(Cause::Refused));

        let (mut tickets, mut verdict, counters) = delivery(2);
        next(&mut tickets).settle(Outcome::Stored, 3);
        next(&mut tickets).settle(Outcome::NotStored(Cause::Refused), 3);
        let partly = verdict.try_recv().unwrap();
        assert!(partly.is_partly_stored());
        assert_eq!(partly.outcome(), Outcome::Unknown);
        let failure = Failure { message: 1, outcome: Outcome::NotStored(Cause::Refused) };
        assert_eq!(partly.failures, [failure]);
        assert_eq!((counters.tally().delivered, counters.tally().failed), (1, 1));
    }

    #[test]
    fn one_unknown_record_makes_the_report_unknown() {
        let (mut tickets, mut verdict, _) = delivery(3);
        next(&mut tickets).settle(Outcome::NotStored(Cause::Busy), 1);
        next(&mut tickets).settle(Outcome::Unknown, 1);
        next(&mut tickets).settle(Outcome::Stored, 1);
        assert_eq!(verdict.try_recv().unwrap().outcome(), Outcome::Unknown);
    }

    #[test]
    fn a_message_let_go_of_is_unknown() {
        let (mut tickets, mut verdict, counters) = delivery(2);
        next(&mut tickets).settle(Outcome::Stored, 1);
        drop(tickets);
        let verdict = verdict.try_recv().unwrap();
        assert_eq!(verdict.failures, [Failure { message: 1, outcome: Outcome::Unknown }]);
        assert_eq!((counters.tally().delivered, counters.tally().unknown), (1, 1));
    }

    #[test]
    fn a_message_of_several_records_counts_each() {
        let counters = Arc::new(StreamCounters::default());
        let (delivery, _verdict) = Delivery::new(1, 7, Arc::clone(&counters), Budget::new(1).open());
        assert_eq!((counters.tally().admitted, counters.tally().waiting), (7, 7));
        delivery.ticket(0, 7).settle(Outcome::Stored, 100);
        assert_eq!((counters.tally().delivered, counters.tally().waiting), (7, 0));
    }

    #[test]
    fn the_charge_is_held_until_the_delivery_ends_though_nobody_waits() {
        let budget = Budget::new(100);
        let mut charge = budget.open();
        charge.grow(40).unwrap();
        let (delivery, verdict) = Delivery::new(1, 1, Arc::default(), charge);
        drop(verdict);
        assert_eq!(budget.used(), 40);
        let ticket = delivery.ticket(0, 1);
        drop(delivery);
        ticket.settle(Outcome::Stored, 1);
        assert_eq!(budget.used(), 0);
    }
}
