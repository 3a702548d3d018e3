//! A topic's breaker: open, it refuses at once but for one probe at a time, at most one a second. It also
//! knows which producer the topic's records go through. It judges by what it is told and the time it is
//! given; it sends nothing and knows no other topic.

use std::fmt;
use std::time::{Duration, Instant};

/// How long from one probe to the next.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// So many refusals by the broker, and none stored between them, open it.
const REFUSALS: u32 = 5;
/// A topic without trouble for so long leaves quarantine.
const CLEAN: Duration = Duration::from_secs(30);

/// Why a breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A record was not acknowledged within the delivery timeout.
    TimedOut,
    /// The broker refused records, one after the other.
    Refused,
    /// The same, because the fleet has no right to write to the topic.
    Forbidden,
    /// Records wait much longer than those of other topics.
    Slow,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "Kafka did not acknowledge its records in time",
            Self::Refused => "Kafka refuses its records",
            Self::Forbidden => "Kafka does not let this fleet write to it; grant Write",
            Self::Slow => "Kafka takes much longer over its records than over those of other topics",
        })
    }
}

/// What a record's failure says of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not acknowledged within the delivery timeout.
    TimedOut,
    /// The broker refused it, for a reason that is the topic's.
    Refused,
    /// The broker refused it, because the fleet has no right to write to the topic.
    Forbidden,
}

/// The state of one topic.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    open: Option<Open>,
    /// Since when without trouble, where the topic is in quarantine.
    quarantine: Option<Instant>,
    /// Refusals since a record was stored.
    refusals: u32,
    /// Whether a probe is on its way.
    probing: bool,
    /// Whether refusals were why it opened last.
    was_refused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    why: Why,
    next_probe: Instant,
}

/// How a report may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As any.
    Free,
    /// As a probe; [`Breaker::probe_ended`] is owed.
    Probe,
    /// Not at all.
    Refused(Why),
}

impl Breaker {
    /// Whether and how a report may go now.
    pub(super) fn admit(&mut self, now: Instant) -> Way {
        match &mut self.open {
            None => Way::Free,
            Some(open) if !self.probing && now >= open.next_probe => {
                self.probing = true;
                open.next_probe = now + PROBE_EVERY;
                Way::Probe
            }
            Some(open) => Way::Refused(open.why),
        }
    }

    /// A record was stored. True where that closes it: a stored probe says that the trouble is over, a record
    /// from before it says nothing.
    pub(super) fn stored(&mut self, probe: bool, now: Instant) -> bool {
        self.refusals = 0;
        let closes = probe && self.open.take().is_some();
        if closes && let Some(clean_since) = &mut self.quarantine {
            *clean_since = now;
        }
        closes
    }

    /// A record failed. Why it opens, if it does.
    pub(super) fn failed(&mut self, fault: Fault, now: Instant) -> Option<Why> {
        if let Some(clean_since) = &mut self.quarantine {
            *clean_since = now;
        }
        match fault {
            Fault::TimedOut => self.trip(Why::TimedOut, now),
            Fault::Refused | Fault::Forbidden => {
                self.refusals += 1;
                if self.refusals < REFUSALS {
                    return None;
                }
                // Nobody else is refused for this topic's rights, so it is its own trouble.
                self.isolate(now);
                self.trip(if fault == Fault::Forbidden { Why::Forbidden } else { Why::Refused }, now)
            }
        }
    }

    /// Opens it. `Some` where it was not open.
    pub(super) fn trip(&mut self, why: Why, now: Instant) -> Option<Why> {
        if self.open.is_some() {
            return None;
        }
        self.was_refused = matches!(why, Why::Refused | Why::Forbidden);
        self.open = Some(Open { why, next_probe: now + PROBE_EVERY });
        Some(why)
    }

    /// A probe has come to an end, or was never sent.
    pub(super) fn probe_ended(&mut self) {
        self.probing = false;
    }

    /// Puts the topic into quarantine.
    pub(super) fn isolate(&mut self, now: Instant) {
        self.quarantine.get_or_insert(now);
    }

    /// Takes the topic out of quarantine.
    pub(super) fn release(&mut self) {
        self.quarantine = None;
    }

    /// Takes the topic out of quarantine once it is clean for long enough; true where it did.
    pub(super) fn release_if_clean(&mut self, now: Instant) -> bool {
        let clean = self.open.is_none()
            && self.quarantine.is_some_and(|since| now.saturating_duration_since(since) >= CLEAN);
        if clean {
            self.release();
        }
        clean
    }

    /// Why it is open, where it is.
    pub(super) fn open(&self) -> Option<Why> {
        self.open.map(|open| open.why)
    }

    /// Whether the topic is in quarantine.
    pub(super) fn is_quarantined(&self) -> bool {
        self.quarantine.is_some()
    }

    /// Whether the topic is in quarantine because its records were refused.
    pub(super) fn was_refused(&self) -> bool {
        self.was_refused && self.is_quarantined()
    }

    /// Whether refusals are being counted.
    pub(super) fn counts_refusals(&self) -> bool {
        self.refusals > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(10);

    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.failed(Fault::TimedOut, now), Some(Why::TimedOut));
        (breaker, now)
    }

    #[test]
    fn the_first_timeout_opens_it() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.admit(now), Way::Refused(Why::TimedOut));
        assert_eq!(breaker.failed(Fault::TimedOut, now), None, "it is open already");
    }

    #[test]
    fn one_report_a_second_probes_and_one_at_a_time() {
        let (mut breaker, now) = opened();
        let probing = now + PROBE_EVERY;
        assert_eq!(breaker.admit(probing - MOMENT), Way::Refused(Why::TimedOut));
        assert_eq!(breaker.admit(probing), Way::Probe);
        assert_eq!(
            breaker.admit(probing + PROBE_EVERY * 5),
            Way::Refused(Why::TimedOut),
            "one is on its way"
        );
        breaker.probe_ended();
        assert_eq!(breaker.admit(probing + PROBE_EVERY - MOMENT), Way::Refused(Why::TimedOut));
        assert_eq!(breaker.admit(probing + PROBE_EVERY), Way::Probe);
    }

    #[test]
    fn a_stored_probe_closes_it_and_an_old_record_does_not() {
        let (mut breaker, now) = opened();
        assert!(!breaker.stored(false, now));
        assert_eq!(breaker.open(), Some(Why::TimedOut));
        assert_eq!(breaker.admit(now + PROBE_EVERY), Way::Probe);
        assert!(breaker.stored(true, now + PROBE_EVERY));
        breaker.probe_ended();
        assert_eq!(breaker.admit(now + PROBE_EVERY), Way::Free);
    }

    #[test]
    fn a_run_of_refusals_opens_it_and_puts_it_into_quarantine() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 1..REFUSALS {
            assert_eq!(breaker.failed(Fault::Refused, now), None);
        }
        breaker.stored(false, now);
        for _ in 1..REFUSALS {
            assert_eq!(breaker.failed(Fault::Refused, now), None, "a stored record ends a run");
        }
        assert!(!breaker.is_quarantined());
        assert_eq!(breaker.failed(Fault::Refused, now), Some(Why::Refused));
        assert!(breaker.is_quarantined());
    }

    #[test]
    fn a_timeout_alone_is_no_reason_for_quarantine() {
        assert!(!opened().0.is_quarantined());
    }

    #[test]
    fn quarantine_ends_after_thirty_clean_seconds() {
        let (mut breaker, now) = opened();
        breaker.isolate(now);
        assert!(!breaker.release_if_clean(now + CLEAN * 2), "it is open");
        let closed = now + CLEAN * 2;
        assert_eq!(breaker.admit(closed), Way::Probe);
        assert!(breaker.stored(true, closed));
        assert!(!breaker.release_if_clean(closed + CLEAN - MOMENT));
        breaker.failed(Fault::Refused, closed + CLEAN - MOMENT);
        assert!(!breaker.release_if_clean(closed + CLEAN), "a refusal is not clean");
        assert!(breaker.release_if_clean(closed + CLEAN * 2));
        assert!(!breaker.is_quarantined());
    }

    #[test]
    fn a_failed_probe_leaves_it_open_and_the_next_one_comes() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.admit(now + PROBE_EVERY), Way::Probe);
        assert_eq!(breaker.failed(Fault::TimedOut, now + PROBE_EVERY * 9), None);
        breaker.probe_ended();
        assert_eq!(breaker.admit(now + PROBE_EVERY * 9), Way::Probe);
    }
}
