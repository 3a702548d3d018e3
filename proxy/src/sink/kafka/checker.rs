//! Looks whether a connection's topics are there, makes those that are to be made, and reads the
//! settings that bound a record. Topics in order are looked at again now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::util::Timeout;
use sluice_wire::status::NotReady;
use tokio_util::sync::CancellationToken;

use super::BATCH_BYTES;
use super::asking::{Admin, Asking, PATIENCE, options};
use super::context::Shared;
use super::control::Control;
use super::settings::{DEFAULT_MAX_MESSAGE, default_replicas, read_settings, topic_config};
use super::topics::{Seen, Topic, Wanted};
use crate::sink::Trouble;

/// Between two checks of a topic that is not in order, or of a connection in trouble.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Between two checks of topics in order.
const REFRESH: Duration = Duration::from_secs(60);

pub(super) struct Checker {
    shared: Arc<Shared>,
    control: Arc<Control>,
    config: ClientConfig,
    stop: CancellationToken,
}

/// A client that asks; dropping one joins its threads, which the runtime's own must not wait for.
struct Asker(Option<Arc<Admin>>);

impl Drop for Asker {
    fn drop(&mut self) {
        let admin = self.0.take();
        tokio::task::spawn_blocking(move || drop(admin));
    }
}

/// Why a topic was not seen.
enum LookError {
    /// Kafka says that it is not there, or not for this client.
    NotThere(Trouble),
    /// Kafka did not say; in words a person can act on.
    Unreachable(String),
}

fn not_there<T>(reason: NotReady, message: String) -> Result<T, LookError> {
    Err(LookError::NotThere(Trouble::new(reason, message)))
}

impl Checker {
    pub(super) fn new(
        shared: Arc<Shared>,
        control: Arc<Control>,
        config: ClientConfig,
        stop: CancellationToken,
    ) -> Self {
        Self { shared, control, config, stop }
    }

    /// Runs until it is stopped.
    pub(super) async fn run(self) {
        let mut backoff = BACKOFF.0;
        let mut refreshed = Instant::now();
        loop {
            let all = refreshed.elapsed() >= REFRESH;
            if all {
                refreshed = Instant::now();
            }
            let in_order = tokio::select! {
                () = self.stop.cancelled() => return,
                in_order = self.round(all) => in_order,
            };
            let later = (backoff * 2).min(BACKOFF.1);
            let pause = if in_order { REFRESH } else { backoff };
            backoff = tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.shared.check.notified() => BACKOFF.0,
                // Trouble that comes again as soon as it is over is asked about less and less often.
                () = self.alarmed(backoff), if in_order => later,
                () = tokio::time::sleep(pause) => if in_order { BACKOFF.0 } else { later },
            };
        }
    }

    /// Waits for new trouble, and a little longer.
    async fn alarmed(&self, pause: Duration) {
        self.shared.alarm.notified().await;
        tokio::time::sleep(pause).await;
    }

    /// The topics to look at: all, or those not in order. In trouble one at least, because an answer ends that.
    fn due(&self, all: bool) -> Vec<Arc<Topic>> {
        let topics = self.shared.topics.all();
        let any = topics.first().filter(|_| self.shared.trouble().is_some()).cloned();
        let due: Vec<_> =
            topics.into_iter().filter(|topic| all || topic.longest_record().is_none()).collect();
        if due.is_empty() { any.into_iter().collect() } else { due }
    }

    /// Checks the topics that are due; true when every topic is in order afterwards, and the connection too.
    async fn round(&self, all: bool) -> bool {
        self.shared.topics.forget_unused();
        let topics = self.due(all);
        if topics.is_empty() && self.shared.trouble().is_none() {
            return true;
        }
        let admin =
            match Admin::from_config_and_context(&self.config, Asking { sink: self.shared.sink.clone() }) {
                Ok(admin) => Arc::new(admin),
                Err(error) => {
                    let message = format!("can't connect: {error}");
                    self.shared.set_trouble(NotReady::SinkUnreachable, &message);
                    return false;
                }
            };
        let _asker = Asker(Some(Arc::clone(&admin)));
        if topics.is_empty() {
            // The list of all topics is long, but without one to ask for only that tells whether Kafka answers.
            let answered = self.ask(&admin, None, |_| ()).await;
            return answered.is_ok() && self.shared.trouble().is_none();
        }
        let found = self.look(&admin, &topics).await;
        let settings = read_settings(&admin, &found).await;
        drop(admin);
        let seen: Vec<_> = found
            .iter()
            .map(|(topic, replicas)| {
                let known = topic.last().map(|last| (last.max_message_bytes, last.min_insync_replicas));
                let read = settings.get(topic.name()).copied();
                let (max_message_bytes, min_insync_replicas) =
                    read.or(known).unwrap_or((DEFAULT_MAX_MESSAGE, None));
                (topic, Seen { replicas: *replicas, min_insync_replicas, max_message_bytes })
            })
            .collect();
        let (unfit, seen): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(_, seen)| seen.unfit().is_some());
        for (topic, seen) in &unfit {
            seen.unfit().into_iter().for_each(|trouble| topic.missing(trouble));
        }
        self.bound_batches(seen.iter().map(|(_, seen)| seen.longest_record())).await;
        for (topic, seen) in &seen {
            if topic.longest_record().is_none() {
                tracing::info!(sink = self.shared.sink, topic = topic.name(), ?seen, "topic is there");
            }
            topic.seen(*seen);
        }
        seen.len() == topics.len() && self.shared.trouble().is_none()
    }

    /// Keeps batches of several records below the smallest topic's bound before that topic is opened:
    /// librdkafka knows no bound by topic, and the broker would refuse whole batches.
    async fn bound_batches(&self, new: impl Iterator<Item = usize>) {
        let topics = self.shared.topics.all();
        let known = topics.iter().filter_map(|topic| topic.longest_record());
        let bound = known.chain(new).min().map_or(BATCH_BYTES, |smallest| smallest.clamp(1, BATCH_BYTES));
        self.control.bound(bound);
        let begin = Instant::now();
        while !self.control.has_wanted_batches() && begin.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The topics that are there, with the fewest replicas of a partition. The others are told why not;
    /// where Kafka can't be asked, a topic seen before stays as it is.
    async fn look(&self, admin: &Arc<Admin>, topics: &[Arc<Topic>]) -> Vec<(Arc<Topic>, u32)> {
        let mut found = Vec::new();
        for (index, topic) in topics.iter().enumerate() {
            match self.look_at(admin, topic).await {
                Ok(replicas) => found.push((Arc::clone(topic), replicas)),
                Err(LookError::NotThere(trouble)) => topic.missing(trouble),
                Err(LookError::Unreachable(message)) => {
                    let unseen = topics.iter().skip(index).filter(|topic| topic.longest_record().is_none());
                    let trouble = Trouble::new(NotReady::SinkUnreachable, message);
                    unseen.for_each(|topic| topic.missing(trouble.clone()));
                    break;
                }
            }
        }
        found
    }

    /// Looks at one topic and makes it where it is missing and to be made.
    async fn look_at(&self, admin: &Arc<Admin>, topic: &Topic) -> Result<u32, LookError> {
        let name = topic.name();
        if let Some(replicas) = self.metadata(admin, name).await? {
            return Ok(replicas);
        }
        let wanted = topic.wanted();
        if wanted.create.is_none() {
            let message =
                format!("topic {name:?} does not exist; create it, or set sink.create to have it created");
            return not_there(NotReady::TopicMissing, message);
        }
        self.create(admin, name, &wanted).await?;
        match self.metadata(admin, name).await? {
            Some(replicas) => Ok(replicas),
            None => not_there(NotReady::Checking, format!("topic {name:?} was created and is not there yet")),
        }
    }

    /// Replicas of the topic's partitions, the fewest; `None` where there is no such topic.
    async fn metadata(&self, admin: &Arc<Admin>, name: &str) -> Result<Option<u32>, LookError> {
        let of_topic = |metadata: &Metadata| {
            metadata.topics().first().map(|topic| {
                let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min();
                (topic.error().map(RDKafkaErrorCode::from), replicas.unwrap_or(0))
            })
        };
        let answer = self.ask(admin, Some(name), of_topic).await?;
        match answer {
            Some((None, replicas)) if replicas > 0 => Ok(Some(u32::try_from(replicas).unwrap_or(u32::MAX))),
            Some((Some(RDKafkaErrorCode::TopicAuthorizationFailed), _)) => {
                let message = format!("not authorised to see topic {name:?}; grant Describe and Write");
                not_there(NotReady::TopicForbidden, message)
            }
            None | Some((None | Some(RDKafkaErrorCode::UnknownTopicOrPartition), _)) => Ok(None),
            // Of a name that no topic can have.
            Some((Some(code @ RDKafkaErrorCode::InvalidTopic), _)) => {
                not_there(NotReady::TopicMissing, format!("topic {name:?}: {code}"))
            }
            Some((Some(code), _)) => not_there(NotReady::Other, format!("topic {name:?}: {code}")),
        }
    }

    /// Asks for a topic, or for all there are. Any answer, a refusal too, ends the connection's trouble: a broker was
    /// reached and let this client in.
    async fn ask<T: Send + 'static>(
        &self,
        admin: &Arc<Admin>,
        topic: Option<&str>,
        look: impl FnOnce(&Metadata) -> T + Send + 'static,
    ) -> Result<T, LookError> {
        let (client, topic) = (Arc::clone(admin), topic.map(str::to_owned));
        let asked = tokio::task::spawn_blocking(move || {
            let answer = client.inner().fetch_metadata(topic.as_deref(), Timeout::After(PATIENCE));
            answer.map(|metadata| look(&metadata))
        });
        let answer = asked.await.map_err(|error| LookError::Unreachable(error.to_string()))?;
        let found = answer.map_err(|error| self.unreachable(&error))?;
        self.shared.clear_trouble();
        Ok(found)
    }

    /// Notes that Kafka does not answer, as the connection's trouble too: librdkafka tells of brokers that can't be
    /// reached, and says nothing of one that takes the connection and then never answers.
    fn unreachable(&self, error: &KafkaError) -> LookError {
        let servers = self.config.get("bootstrap.servers").unwrap_or_default();
        let silent = format!("no broker of {servers} answers: {error}");
        self.shared.suspect(NotReady::SinkUnreachable, &silent);
        let trouble = self.shared.trouble().map_or(silent, |trouble| trouble.message);
        LookError::Unreachable(format!("Kafka can't be asked for its topics: {trouble}"))
    }

    /// Makes a topic; one that is already there is as good.
    async fn create(&self, admin: &Arc<Admin>, name: &str, wanted: &Wanted) -> Result<(), LookError> {
        let spec = wanted.create.clone().unwrap_or_default();
        let replicas = match spec.replicas {
            Some(replicas) => Some(replicas),
            None => default_replicas(admin, name).await,
        };
        let config = topic_config(spec.config, wanted.longest_body, replicas);
        let replication = TopicReplication::Fixed(spec.replicas.unwrap_or(-1));
        let topic = NewTopic::new(name, spec.partitions.unwrap_or(-1), replication);
        let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let words = |why: &dyn std::fmt::Display| format!("can't create topic {name:?}: {why}");
        let failed = |why: &dyn std::fmt::Display| not_there(NotReady::TopicMissing, words(why));
        // Without an answer nobody knows whether it was made; the next look tells.
        let results = admin.create_topics([&topic], &options()).await;
        let unanswered = |error| LookError::NotThere(Trouble::new(NotReady::SinkUnreachable, words(&error)));
        let results = results.map_err(unanswered)?;
        match results.into_iter().next() {
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                tracing::info!(sink = self.shared.sink, topic = name, "topic created");
                Ok(())
            }
            Some(Err((_, code))) => failed(&code),
            None => failed(&"no answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;

    use super::super::control::Place;
    use super::*;

    type Cluster = MockCluster<'static, DefaultProducerContext>;

    /// A checker in trouble, of a connection to a cluster of one broker; `topics` are wanted.
    fn in_trouble(cluster: &Cluster, topics: &[&str]) -> Checker {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("allow.auto.create.topics", "false");
        let shared = Arc::new(Shared::new("kafka", None, Duration::from_secs(1)));
        let wanted = |name: &&str| ((*name).to_owned(), Wanted { create: None, longest_body: 1 });
        shared.topics.want(topics.iter().map(wanted).collect(), None);
        shared.suspect(NotReady::SinkUnreachable, "nothing answers");
        let control = Arc::new(Control::new(BATCH_BYTES, 0));
        control.lane(Place::Main).batch.store(control.batch_of(Place::Main), Ordering::Relaxed);
        Checker::new(shared, control, config, CancellationToken::new())
    }

    #[tokio::test]
    async fn that_a_topic_is_missing_is_an_answer_and_ends_trouble() {
        let cluster = Cluster::new(1).unwrap();
        let checker = in_trouble(&cluster, &["gone"]);
        assert!(!checker.round(false).await, "the topic is not in order");
        assert_eq!(checker.shared.trouble(), None);
        let missing = checker.shared.topics.get("gone").unwrap().health().trouble.unwrap();
        assert_eq!(missing.reason, NotReady::TopicMissing);
    }

    #[tokio::test]
    async fn a_connection_without_topics_asks_until_there_is_an_answer() {
        let cluster = Cluster::new(1).unwrap();
        let checker = in_trouble(&cluster, &[]);
        assert!(checker.round(false).await);
        assert_eq!(checker.shared.trouble(), None);
    }

    #[tokio::test]
    async fn trouble_makes_one_topic_in_order_due_and_those_that_are_not_suffice() {
        let cluster = Cluster::new(1).unwrap();
        let checker = in_trouble(&cluster, &["a", "b", "c"]);
        let due = |all| checker.due(all).iter().map(|topic| topic.name().to_owned()).collect::<Vec<_>>();
        let seen = Seen { replicas: 1, min_insync_replicas: None, max_message_bytes: DEFAULT_MAX_MESSAGE };
        for name in ["a", "b"] {
            checker.shared.topics.get(name).unwrap().seen(seen);
        }
        assert_eq!(due(false), ["c"]);
        checker.shared.topics.get("c").unwrap().seen(seen);
        assert_eq!(due(false), ["a"]);
        checker.shared.clear_trouble();
        assert_eq!(due(false), [""; 0]);
        assert_eq!(due(true), ["a", "b", "c"]);
    }
}
