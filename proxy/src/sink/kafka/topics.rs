//! What is known of each topic a connection produces to. Records go only to a topic that a check has
//! seen; a topic found missing by a delivery is closed until a check sees it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_wire::document::CreateTopic;
use sluice_wire::status::NotReady;

use super::control::NARROW;
use super::guard::Guard;
use crate::sink::{Health, Trouble};

/// What a single record adds to its own bytes in a batch: the batch's header (61 bytes), lengths and
/// offsets of the record, and the headers of the contract.
const RECORD_FRAME: usize = 512;

/// A topic of a connection, shared by the streams that name it.
#[derive(Debug)]
pub struct Topic {
    name: String,
    /// Longest record taken; 0 while the topic is not known to be there.
    longest: AtomicUsize,
    state: Mutex<State>,
    /// Its breaker and the ages of its records.
    pub(super) guard: Guard,
}

#[derive(Debug)]
struct State {
    wanted: Wanted,
    health: Health,
    /// What the last check found that found it.
    last: Option<Seen>,
}

/// What a stream wants of its topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How to make it when it is missing.
    pub create: Option<CreateTopic>,
    /// The longest body a stream sends to it, in bytes.
    pub longest_body: u64,
}

/// What a check found of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub replicas: u32,
    pub min_insync_replicas: Option<u32>,
    pub max_message_bytes: usize,
}

impl Seen {
    /// The longest record the topic takes, in bytes.
    pub(super) fn longest_record(&self) -> usize {
        self.max_message_bytes.saturating_sub(RECORD_FRAME).max(1)
    }

    /// Why no record at all can be stored in the topic, where that is so.
    pub(super) fn unfit(&self) -> Option<Trouble> {
        let Self { replicas, min_insync_replicas, max_message_bytes } = *self;
        let unfit = |message| Some(Trouble::new(NotReady::TopicUnfit, message));
        if let Some(min) = min_insync_replicas.filter(|min| *min > replicas) {
            return unfit(format!(
                "the topic wants {min} replicas in sync and has {replicas} replicas; lower its min.insync.replicas"
            ));
        }
        if max_message_bytes <= RECORD_FRAME {
            return unfit(format!(
                "the topic's max.message.bytes of {max_message_bytes} leaves no room for a record; raise it"
            ));
        }
        None
    }
}

impl Topic {
    pub(super) fn new(name: &str, wanted: Wanted) -> Arc<Self> {
        let health = Health {
            trouble: Some(Trouble::new(NotReady::Checking, "the topic has not been checked yet")),
            ..Health::default()
        };
        Arc::new(Self {
            name: name.to_owned(),
            longest: AtomicUsize::new(0),
            state: Mutex::new(State { wanted, health, last: None }),
            guard: Guard::default(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The longest record taken, in bytes; `None` while the topic is not known to be there.
    #[must_use]
    pub fn longest_record(&self) -> Option<usize> {
        match self.longest.load(Ordering::Relaxed) {
            0 => None,
            longest => Some(longest),
        }
    }

    /// Whether it takes no batches as large as main's.
    pub(super) fn is_narrow(&self) -> bool {
        self.longest_record().is_some_and(|longest| longest < NARROW)
    }

    /// What the checks found.
    #[must_use]
    pub fn health(&self) -> Health {
        let state = self.lock();
        let mut health = state.health.clone();
        if let (None, Some(longest)) = (&health.trouble, self.longest_record()) {
            let body = state.wanted.longest_body;
            health.notice = (body > longest as u64).then(|| {
                let message = format!(
                    "the topic takes records of at most {longest} bytes, the stream bodies of {body}; \
                     raise the topic's max.message.bytes or lower the stream's maxBodyBytes"
                );
                Trouble::new(NotReady::TopicUnfit, message)
            });
        }
        health
    }

    pub(super) fn wanted(&self) -> Wanted {
        self.lock().wanted.clone()
    }

    /// What the last check found that found it.
    pub(super) fn last(&self) -> Option<Seen> {
        self.lock().last
    }

    /// Opens the topic: records are taken from now on.
    pub(super) fn seen(&self, seen: Seen) {
        let mut state = self.lock();
        state.last = Some(seen);
        state.health = Health {
            trouble: None,
            replicas: Some(seen.replicas),
            min_insync_replicas: seen.min_insync_replicas,
            notice: None,
        };
        self.longest.store(seen.longest_record(), Ordering::Relaxed);
    }

    /// Closes the topic: records are refused until a check sees it again.
    pub(super) fn missing(&self, trouble: Trouble) {
        let mut state = self.lock();
        if state.health.trouble.as_ref().is_none_or(|known| known.message != trouble.message) {
            tracing::warn!(topic = self.name, reason = trouble.message, "topic takes no records");
        }
        state.health = Health { trouble: Some(trouble), ..Health::default() };
        self.longest.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topics of a connection by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_name: Mutex<BTreeMap<String, Arc<Topic>>>,
}

impl Topics {
    /// Says what is wanted of each topic now; those not named are wanted no more. What `like` knows of
    /// a topic that is new here is taken over.
    pub(super) fn want(&self, wanted: BTreeMap<String, Wanted>, like: Option<&Self>) {
        let mut by_name = self.lock();
        for topic in by_name.values() {
            topic.lock().wanted = Wanted::default();
        }
        for (name, wanted) in wanted {
            if let Some(topic) = by_name.get(&name) {
                topic.lock().wanted = wanted;
                continue;
            }
            let topic = Topic::new(&name, wanted);
            let known =
                like.and_then(|like| like.get(&name)).filter(|topic| topic.longest_record().is_some());
            if let Some(seen) = known.and_then(|topic| topic.last()) {
                topic.seen(seen);
            }
            by_name.insert(name, topic);
        }
    }

    /// Forgets the topics that nobody else holds, but for those whose streams are only about to.
    pub(super) fn forget_unused(&self) {
        self.lock().retain(|_, topic| Arc::strong_count(topic) > 1 || topic.wanted() != Wanted::default());
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.lock().get(name).cloned()
    }

    /// Calls `look` with each topic, under the lock: it must be quick.
    pub(super) fn each(&self, look: impl FnMut(&Arc<Topic>)) {
        self.lock().values().for_each(look);
    }

    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Topic>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_records_only_after_a_check_has_seen_it() {
        let topics = Topics::default();
        topics.want(BTreeMap::from([("t".to_owned(), Wanted::default())]), None);
        let topic = topics.get("t").unwrap();
        assert_eq!(topic.longest_record(), None);
        topic.seen(Seen { replicas: 1, min_insync_replicas: Some(1), max_message_bytes: 10_000 });
        assert_eq!(topic.longest_record(), Some(10_000 - RECORD_FRAME));
        topic.missing(Trouble::new(NotReady::TopicMissing, "gone"));
        assert_eq!(topic.longest_record(), None);
        assert_eq!(topic.health().trouble.unwrap().message, "gone");
    }

    #[test]
    fn a_topic_that_is_wanted_waits_for_its_streams_and_one_that_is_not_is_forgotten() {
        let topics = Topics::default();
        let wanted = Wanted { longest_body: 1, create: None };
        topics.want(BTreeMap::from([("t".to_owned(), wanted)]), None);
        topics.forget_unused();
        assert!(topics.get("t").is_some());
        topics.want(BTreeMap::new(), None);
        topics.forget_unused();
        assert!(topics.get("t").is_none());
    }

    #[test]
    fn what_is_wanted_is_what_was_said_last() {
        let topics = Topics::default();
        let create = Wanted { create: Some(CreateTopic::default()), longest_body: 10 };
        topics.want(BTreeMap::from([("t".to_owned(), create.clone())]), None);
        let topic = topics.get("t").unwrap();
        assert_eq!(topic.wanted(), create);
        topics.want(BTreeMap::new(), None);
        assert_eq!(topic.wanted(), Wanted::default());
        drop(topic);
        topics.forget_unused();
        assert!(topics.get("t").is_none());
    }

    #[test]
    fn a_new_connection_knows_what_the_old_one_saw() {
        let (old, new) = (Topics::default(), Topics::default());
        let both = |create| {
            let wanted = Wanted { create, longest_body: 1 };
            BTreeMap::from([("seen".to_owned(), wanted.clone()), ("missing".to_owned(), wanted)])
        };
        old.want(both(None), None);
        let seen = Seen { replicas: 3, min_insync_replicas: Some(2), max_message_bytes: 10_000 };
        old.get("seen").unwrap().seen(seen);
        new.want(both(None), Some(&old));
        assert_eq!(new.get("seen").unwrap().last(), Some(seen));
        assert!(new.get("seen").unwrap().longest_record().is_some());
        assert!(new.get("missing").unwrap().longest_record().is_none());
    }
}
