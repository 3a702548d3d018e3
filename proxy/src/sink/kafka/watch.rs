//! Looks over a connection's topics a few times a second: whose slowness is its own, who may leave
//! quarantine. It carries out what the trial says on the topics; producers are the driver's business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ages::Slot;
use super::breaker::Why;
use super::context::Shared;
use super::topics::Topic;
use super::trial::{Look, Sentence, Trial};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);
/// How often main may be replaced because of a slow topic: so often at once,
const REPLACEMENTS: u32 = 3;
/// and once more after so long.
const REPLACEMENT_EVERY: Duration = Duration::from_secs(20);

/// A topic of the trial; topics are one where they are the same object.
#[derive(Clone, Debug)]
struct Accused(Arc<Topic>);

impl PartialEq for Accused {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The looks at one connection's topics.
pub(super) struct Watch {
    shared: Arc<Shared>,
    trial: Trial<Accused>,
    looks: Vec<Look<Accused>>,
    refused: Vec<String>,
    any_quarantined: bool,
    looked: Instant,
    /// The first slot whose records are all the producer's that is in effect.
    first: Slot,
    /// Replacements left, and since when one more is earned.
    left: (u32, Instant),
}

impl Watch {
    /// `request_timeout` is how long a broker may take over one request, `linger` how long a record may wait for
    /// others to be sent with.
    pub(super) fn new(shared: Arc<Shared>, request_timeout: Duration, linger: Duration) -> Self {
        // Five requests are in flight on a connection at most, and all may be one topic's.
        let longest_hold = request_timeout * 5 + Duration::from_millis(500) + linger;
        let trial = Trial::new(shared.clock, longest_hold, linger);
        let now = Instant::now();
        let (looks, refused, left) = (Vec::new(), Vec::new(), (REPLACEMENTS, now));
        Self { shared, trial, looks, refused, any_quarantined: false, looked: now, first: 1, left }
    }

    /// Another producer is in effect in main from now on.
    pub(super) fn producer_replaced(&mut self) {
        self.first = self.shared.clock.slot(Instant::now()) + 1;
        self.trial.producer_replaced();
    }

    /// Looks, where it is time; `prepare` makes sure of a producer in quarantine and says whether there is one.
    /// True where main holds records of a topic that holds up others, and is to be replaced.
    pub(super) fn look(&mut self, now: Instant, prepare: impl FnOnce() -> bool) -> bool {
        if now.saturating_duration_since(self.looked) < EVERY {
            return false;
        }
        self.looked = now;
        self.collect(now);
        let looks = std::mem::take(&mut self.looks);
        let sentences = self.trial.session(&looks, now, |accused, slot| accused.0.guard.ages.holds(slot));
        let timed_out = alone_in_timing_out(&looks);
        self.looks = looks;
        let mut another_main = false;
        if sentences.is_empty() && timed_out.is_empty() && !self.any_quarantined {
            self.looks.clear();
            return false;
        }
        // Refusals put a topic into quarantine by themselves.
        let has_quarantine = prepare();
        for sentence in sentences {
            another_main |= matches!(sentence, Sentence::Arrest(_));
            carry_out(sentence, now, has_quarantine);
        }
        if has_quarantine {
            timed_out.iter().for_each(|topic| topic.guard.change(|breaker| breaker.isolate(now)));
        }
        self.looks.clear();
        another_main && has_quarantine && self.may_replace(now)
    }

    /// The topics in quarantine, at the last look, because their records were refused; by name, so that one whose
    /// streams are gone can be forgotten.
    pub(super) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Looks at each topic that may have records in flight, and lets go of those that are clean.
    fn collect(&mut self, now: Instant) {
        let (looks, slot, first) = (&mut self.looks, self.shared.clock.slot(now), self.first);
        let (refused, any_quarantined) = (&mut self.refused, &mut self.any_quarantined);
        refused.clear();
        *any_quarantined = false;
        self.shared.topics.each(|topic| {
            if topic.guard.was_refused() {
                refused.push(topic.name().to_owned());
            }
            let guard = &topic.guard;
            let quarantined = guard.is_quarantined();
            if quarantined && guard.change(|breaker| breaker.release_if_clean(now)) {
                tracing::info!(topic = topic.name(), "clean again, the topic leaves quarantine");
            }
            *any_quarantined |= quarantined;
            if guard.ages.is_active(slot) {
                // What is in quarantine holds up nobody in main.
                let oldest =
                    if quarantined || topic.is_narrow() { None } else { guard.ages.oldest(first, slot) };
                let stored = guard.ages.newest_stored();
                looks.push(Look { topic: Accused(Arc::clone(topic)), oldest, stored });
            }
        });
    }

    fn may_replace(&mut self, now: Instant) -> bool {
        while self.left.0 < REPLACEMENTS && now.saturating_duration_since(self.left.1) >= REPLACEMENT_EVERY {
            self.left = (self.left.0 + 1, self.left.1 + REPLACEMENT_EVERY);
        }
        if self.left.0 == REPLACEMENTS {
            self.left.1 = now;
        }
        if self.left.0 == 0 {
            tracing::warn!(sink = self.shared.sink, "the producer was replaced often enough for now");
            return false;
        }
        self.left.0 -= 1;
        true
    }
}

/// Topics in main whose breaker a timeout opened, while records of others handed over later were stored.
/// Where nothing at all is stored it is the cluster's trouble, and quarantine would help nobody.
fn alone_in_timing_out(looks: &[Look<Accused>]) -> Vec<Arc<Topic>> {
    let alone = |look: &&Look<Accused>| {
        let guard = &look.topic.0.guard;
        let others = || looks.iter().filter(|other| other.topic != look.topic).map(|other| other.stored);
        guard.open() == Some(Why::TimedOut)
            && !guard.is_quarantined()
            && others().max().unwrap_or(0) > guard.timed_out()
    };
    looks.iter().filter(alone).map(|look| Arc::clone(&look.topic.0)).collect()
}

fn carry_out(sentence: Sentence<Accused>, now: Instant, has_quarantine: bool) {
    match sentence {
        Sentence::Arrest(accused) => {
            tracing::info!(
                topic = accused.0.name(),
                "records wait while others are stored, off the main producer"
            );
            if has_quarantine {
                accused.0.guard.change(|breaker| breaker.isolate(now));
            }
        }
        Sentence::Acquit(accused) => {
            let topic = &accused.0;
            // One that found other trouble meanwhile stays until it is clean.
            if topic.guard.open().is_none() {
                tracing::info!(topic = topic.name(), "records are stored again, back to the main producer");
                topic.guard.change(|breaker| breaker.release());
            }
        }
        Sentence::Convict(accused) => accused.0.trip(Why::Slow),
    }
}
