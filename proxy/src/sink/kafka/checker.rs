//! Looks whether a connection's topics are there, makes those that are to be made, and reads the
//! settings that bound a record. Topics in order are looked at again now and then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::util::Timeout;
use sluice_wire::status::NotReady;
use tokio_util::sync::CancellationToken;

use super::BATCH_BYTES;
use super::context::{Context, Shared};
use super::control::Control;
use super::topics::{Seen, Topic, Wanted};
use crate::sink::Trouble;

/// Between two checks of a topic that is not in order.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Between two checks of topics in order.
const REFRESH: Duration = Duration::from_secs(60);
/// How long one question to the cluster may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Kafka's own `max.message.bytes`, taken where it can't be read.
const DEFAULT_MAX_MESSAGE: usize = 1_048_588;
/// How many topics are asked about in one request for their settings.
const CONFIG_CHUNK: usize = 200;

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

type Admin = AdminClient<Context>;

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
            // Topics in order say nothing of a connection in trouble; only asking for them does.
            let all = refreshed.elapsed() >= REFRESH || self.shared.trouble().is_some();
            if all {
                refreshed = Instant::now();
            }
            let in_order = tokio::select! {
                () = self.stop.cancelled() => return,
                in_order = self.round(all) => in_order,
            };
            let pause = if in_order { REFRESH } else { backoff.min(REFRESH) };
            backoff = if in_order { BACKOFF.0 } else { (backoff * 2).min(BACKOFF.1) };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.shared.check.notified() => backoff = BACKOFF.0,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Checks the topics not in order, or all; true when every topic is in order afterwards.
    async fn round(&self, all: bool) -> bool {
        self.shared.topics.forget_unused();
        let topics: Vec<_> = self
            .shared
            .topics
            .all()
            .into_iter()
            .filter(|topic| all || topic.longest_record().is_none())
            .collect();
        if topics.is_empty() {
            return true;
        }
        let context = Context { shared: Arc::clone(&self.shared), courier: None, pulse: Arc::default() };
        let admin = match Admin::from_config_and_context(&self.config, context) {
            Ok(admin) => Arc::new(admin),
            Err(error) => {
                let message = format!("can't connect: {error}");
                self.shared.set_trouble(NotReady::SinkUnreachable, &message);
                return false;
            }
        };
        let _asker = Asker(Some(Arc::clone(&admin)));
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
        seen.len() == topics.len()
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
        let (client, topic) = (Arc::clone(admin), name.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            client.inner().fetch_metadata(Some(&topic), Timeout::After(PATIENCE)).map(|metadata| {
                metadata.topics().first().map(|topic| {
                    let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min();
                    (topic.error().map(RDKafkaErrorCode::from), replicas.unwrap_or(0))
                })
            })
        });
        let answer = asked.await.map_err(|error| LookError::Unreachable(error.to_string()))?;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        match answer {
            Some((None, replicas)) if replicas > 0 => {
                self.shared.clear_trouble();
                Ok(Some(u32::try_from(replicas).unwrap_or(u32::MAX)))
            }
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

/// The configuration of a topic to be made: what the stream says, and what its promise needs.
fn topic_config(
    mut config: BTreeMap<String, String>,
    longest_body: u64,
    replicas: Option<i32>,
) -> BTreeMap<String, String> {
    let max_message = (longest_body + super::client::RECORD_ROOM).max(DEFAULT_MAX_MESSAGE as u64);
    config.entry("max.message.bytes".to_owned()).or_insert_with(|| max_message.to_string());
    if replicas.is_some_and(|replicas| replicas >= 3) {
        config.entry("min.insync.replicas".to_owned()).or_insert_with(|| "2".to_owned());
    }
    config
}

/// How many replicas a topic gets that says nothing of them, where the broker tells.
async fn default_replicas(admin: &Arc<Admin>, topic: &str) -> Option<i32> {
    let (client, topic) = (Arc::clone(admin), topic.to_owned());
    let broker = tokio::task::spawn_blocking(move || {
        let metadata = client.inner().fetch_metadata(Some(&topic), Timeout::After(PATIENCE)).ok()?;
        metadata.brokers().first().map(rdkafka::metadata::MetadataBroker::id)
    });
    let broker = ResourceSpecifier::Broker(broker.await.ok()??);
    let found = admin.describe_configs([&broker], &options()).await.ok()?;
    let resource = found.into_iter().next()?.ok()?;
    resource.get("default.replication.factor")?.value.as_deref()?.parse().ok()
}

/// `max.message.bytes` and `min.insync.replicas` by topic, where they may be read.
async fn read_settings(admin: &Admin, found: &[(Arc<Topic>, u32)]) -> HashMap<String, (usize, Option<u32>)> {
    let mut settings = HashMap::new();
    for chunk in found.chunks(CONFIG_CHUNK) {
        let wanted: Vec<_> = chunk.iter().map(|(topic, _)| ResourceSpecifier::Topic(topic.name())).collect();
        match admin.describe_configs(&wanted, &options()).await {
            Ok(resources) => settings.extend(resources.iter().flatten().filter_map(settings_of)),
            Err(error) => tracing::debug!(%error, "can't read topic settings"),
        }
    }
    settings
}

fn settings_of(resource: &ConfigResource) -> Option<(String, (usize, Option<u32>))> {
    let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { return None };
    let number = |key| resource.get(key).and_then(|entry| entry.value.as_deref()?.parse::<u32>().ok());
    let max = number("max.message.bytes").map_or(DEFAULT_MAX_MESSAGE, |max| max as usize);
    Some((name.clone(), (max, number("min.insync.replicas"))))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(Timeout::After(PATIENCE)))
        .operation_timeout(Some(Timeout::After(PATIENCE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_with_three_replicas_wants_two_in_sync() {
        let wanted = |replicas| topic_config(BTreeMap::new(), 0, replicas).remove("min.insync.replicas");
        assert_eq!(wanted(Some(3)), Some("2".to_owned()));
        assert_eq!(wanted(Some(2)), None);
        assert_eq!(wanted(None), None);
    }

    #[test]
    fn a_topic_takes_the_streams_longest_body() {
        let config = topic_config(BTreeMap::new(), 20 << 20, None);
        assert_eq!(config["max.message.bytes"], ((20 << 20) + (64 << 10)).to_string());
        let small = topic_config(BTreeMap::new(), 1, None);
        assert_eq!(small["max.message.bytes"], DEFAULT_MAX_MESSAGE.to_string());
    }

    #[test]
    fn what_the_stream_says_stands() {
        let said = BTreeMap::from([("max.message.bytes".to_owned(), "9".to_owned())]);
        assert_eq!(topic_config(said, 100, None)["max.message.bytes"], "9");
    }
}
