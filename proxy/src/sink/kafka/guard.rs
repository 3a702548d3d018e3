//! What stands between the streams of a topic and the producers: its breaker and the ages of its records.
//! While a topic has no trouble this costs a report one load of a flag; it logs, and sends nothing.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::ages::{Ages, Slot};
use super::breaker::{Breaker, Fault, Way, Why};
use super::topics::Topic;

const OPEN: u8 = 1;
const QUARANTINE: u8 = 2;
const REFUSALS: u8 = 4;
const REFUSED: u8 = 8;

/// A topic's breaker and the ages of its records.
#[derive(Debug, Default)]
pub(super) struct Guard {
    pub(super) ages: Ages,
    /// What of the breaker everybody must see at once.
    flags: AtomicU8,
    breaker: Mutex<Breaker>,
    /// The newest slot of which a record timed out; 0: none ever.
    timed_out: AtomicU32,
}

/// A report's leave to go to its topic.
#[derive(Debug)]
pub struct Pass {
    /// Through which producer.
    pub(super) quarantine: bool,
    /// Held by every message of a probe, so that the probe ends with the last of them.
    pub(super) probe: Option<Arc<Probe>>,
}

/// A probe under way; its end, whichever it is, lets the next one go.
#[derive(Debug)]
pub(super) struct Probe(Arc<Topic>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.guard.change(|breaker| breaker.probe_ended());
    }
}

impl Topic {
    /// Lets a report go, or says why not.
    pub(super) fn admit(self: &Arc<Self>, now: Instant) -> Result<Pass, Why> {
        let flags = self.guard.flags.load(Ordering::Relaxed);
        let quarantine = flags & QUARANTINE > 0 || self.is_narrow();
        if flags & OPEN == 0 {
            return Ok(Pass { quarantine, probe: None });
        }
        match self.guard.change(|breaker| breaker.admit(now)) {
            Way::Free => Ok(Pass { quarantine, probe: None }),
            Way::Probe => Ok(Pass { quarantine, probe: Some(Arc::new(Probe(Arc::clone(self)))) }),
            Way::Refused(why) => Err(why),
        }
    }

    /// A record of it that was handed over in this slot was stored.
    pub(super) fn stored(&self, slot: Slot, probe: bool) {
        self.guard.ages.settle(slot);
        self.guard.ages.stored(slot);
        let counting = self.guard.flags.load(Ordering::Relaxed) & REFUSALS > 0;
        if (probe || counting) && self.guard.change(|breaker| breaker.stored(probe, Instant::now())) {
            tracing::info!(topic = self.name(), "a probe was stored, the topic takes records again");
        }
    }

    /// A record of it that was handed over in this slot failed.
    pub(super) fn failed(&self, slot: Slot, fault: Option<Fault>) {
        self.guard.ages.settle(slot);
        if fault == Some(Fault::TimedOut) {
            self.guard.timed_out.fetch_max(slot, Ordering::Relaxed);
        }
        if let Some(fault) = fault {
            let opened = self.guard.change(|breaker| breaker.failed(fault, Instant::now()));
            self.tell(opened);
        }
    }

    /// Opens its breaker.
    pub(super) fn trip(&self, why: Why) {
        let opened = self.guard.change(|breaker| breaker.trip(why, Instant::now()));
        self.tell(opened);
    }

    fn tell(&self, opened: Option<Why>) {
        if let Some(why) = opened {
            tracing::warn!(topic = self.name(), reason = %why, "breaker opened, one report a second is tried");
        }
    }
}

impl Guard {
    /// Changes the breaker and shows what of it everybody must see.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut breaker);
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let flags = flag(breaker.open().is_some(), OPEN)
            | flag(breaker.is_quarantined(), QUARANTINE)
            | flag(breaker.counts_refusals(), REFUSALS)
            | flag(breaker.was_refused(), REFUSED);
        self.flags.store(flags, Ordering::Relaxed);
        result
    }

    /// Why the breaker is open, where it is.
    pub(super) fn open(&self) -> Option<Why> {
        if self.flags.load(Ordering::Relaxed) & OPEN == 0 {
            return None;
        }
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).open()
    }

    /// Whether records go through the quarantine producer.
    pub(super) fn is_quarantined(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & QUARANTINE > 0
    }

    /// Whether the topic is in quarantine because its records were refused.
    pub(super) fn was_refused(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & REFUSED > 0
    }

    /// The newest slot of which a record timed out; 0: none ever.
    pub(super) fn timed_out(&self) -> Slot {
        self.timed_out.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::topics::Wanted;
    use super::*;

    fn tripped() -> (Arc<Topic>, Instant) {
        let topic = Topic::new("t", Wanted::default());
        topic.trip(Why::Slow);
        (topic, Instant::now() + Duration::from_secs(2))
    }

    #[test]
    fn a_topic_without_trouble_lets_everything_go_to_main() {
        let topic = Topic::new("t", Wanted::default());
        let pass = topic.admit(Instant::now()).unwrap();
        assert!(!pass.quarantine && pass.probe.is_none());
    }

    #[test]
    fn a_probe_that_is_dropped_unsent_lets_the_next_one_go() {
        let (topic, later) = tripped();
        let pass = topic.admit(later).unwrap();
        assert!(pass.probe.is_some());
        assert_eq!(topic.admit(later + Duration::from_secs(5)).unwrap_err(), Why::Slow);
        drop(pass);
        assert!(topic.admit(later + Duration::from_secs(5)).unwrap().probe.is_some());
    }

    #[test]
    fn a_probe_of_several_messages_ends_with_the_last() {
        let (topic, later) = tripped();
        let first = topic.admit(later).unwrap().probe;
        let second = first.clone();
        drop(first);
        assert!(topic.admit(later + Duration::from_secs(5)).is_err());
        drop(second);
        assert!(topic.admit(later + Duration::from_secs(5)).is_ok());
    }

    #[test]
    fn a_stored_probe_closes_and_an_older_record_does_not() {
        let (topic, later) = tripped();
        topic.guard.ages.hand_over(1, 2);
        topic.stored(1, false);
        assert_eq!(topic.guard.open(), Some(Why::Slow));
        let pass = topic.admit(later).unwrap();
        topic.stored(1, pass.probe.is_some());
        drop(pass);
        assert_eq!(topic.guard.open(), None);
        assert!(topic.admit(later).unwrap().probe.is_none());
    }

    #[test]
    fn refusals_quarantine_a_topic_and_a_stored_record_ends_their_run() {
        let topic = Topic::new("t", Wanted::default());
        topic.guard.ages.hand_over(1, 20);
        for _ in 0..4 {
            topic.failed(1, Some(Fault::Refused));
        }
        topic.stored(1, false);
        topic.failed(1, None);
        for _ in 0..4 {
            topic.failed(1, Some(Fault::Refused));
        }
        assert_eq!(topic.guard.open(), None);
        topic.failed(1, Some(Fault::Refused));
        assert_eq!(topic.guard.open(), Some(Why::Refused));
        assert!(topic.guard.is_quarantined());
    }

    #[test]
    fn all_of_it_takes_a_few_hundred_bytes_a_topic() {
        assert!(size_of::<Guard>() <= 384, "{}", size_of::<Guard>());
    }
}
