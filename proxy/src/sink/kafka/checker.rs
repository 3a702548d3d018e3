//! Looks whether a connection's topics are there, makes those that are to be made, and reads the
//! settings that bound a record. Topics in order are looked at again now and then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::util::Timeout;
use tokio_util::sync::CancellationToken;

use super::context::{Context, Shared};
use super::topics::{Seen, Topic, Wanted};
use super::{BATCH_BYTES, Control};

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
    pub(super) shared: Arc<Shared>,
    pub(super) control: Arc<Control>,
    pub(super) config: ClientConfig,
    pub(super) stop: CancellationToken,
}

type Admin = AdminClient<Context>;

impl Checker {
    /// Runs until it is stopped.
    pub(super) async fn run(self) {
        let mut backoff = BACKOFF.0;
        let mut all = false;
        loop {
            let in_order = tokio::select! {
                () = self.stop.cancelled() => return,
                in_order = self.round(all) => in_order,
            };
            let pause = if in_order { REFRESH } else { backoff };
            backoff = if in_order { BACKOFF.0 } else { (backoff * 2).min(BACKOFF.1) };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.shared.check.notified() => all = false,
                () = tokio::time::sleep(pause) => all = in_order,
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
        let context = Context { shared: Arc::clone(&self.shared), courier: None };
        let admin = match Admin::from_config_and_context(&self.config, context) {
            Ok(admin) => Arc::new(admin),
            Err(error) => {
                self.shared.set_trouble(&format!("can't connect: {error}"));
                return false;
            }
        };
        let found = self.look(&admin, &topics).await;
        let settings = read_settings(&admin, &found).await;
        for (topic, replicas) in &found {
            let (max_message_bytes, min_insync_replicas) =
                settings.get(topic.name()).copied().unwrap_or((DEFAULT_MAX_MESSAGE, None));
            if topic.longest_record().is_none() {
                tracing::info!(
                    sink = self.shared.sink,
                    topic = topic.name(),
                    replicas,
                    max_message_bytes,
                    "topic is there"
                );
            }
            topic.seen(Seen { replicas: *replicas, min_insync_replicas, max_message_bytes });
        }
        self.bound_batches();
        // Dropping a client joins its threads.
        drop(tokio::task::spawn_blocking(move || drop(admin)).await);
        found.len() == topics.len()
    }

    /// The topics that are there, with the fewest replicas of a partition; the others are told why not.
    async fn look(&self, admin: &Arc<Admin>, topics: &[Arc<Topic>]) -> Vec<(Arc<Topic>, u32)> {
        let mut found = Vec::new();
        for topic in topics {
            let mut seen = self.metadata(admin, topic.name()).await;
            if matches!(seen, Ok(None)) {
                let wanted = topic.wanted();
                seen = match &wanted.create {
                    None => Err(format!(
                        "topic {:?} does not exist; create it, or set sink.create to have it created",
                        topic.name()
                    )),
                    Some(_) => match self.create(admin, topic.name(), &wanted).await {
                        Ok(()) => self.metadata(admin, topic.name()).await,
                        Err(error) => Err(error),
                    },
                };
            }
            match seen {
                Ok(Some(replicas)) => found.push((Arc::clone(topic), replicas)),
                Ok(None) => {
                    topic.missing(format!("topic {:?} was created and is not there yet", topic.name()));
                }
                Err(message) => topic.missing(message),
            }
        }
        found
    }

    /// Replicas of the topic's partitions, the fewest; `None` where there is no such topic.
    async fn metadata(&self, admin: &Arc<Admin>, name: &str) -> Result<Option<u32>, String> {
        let (client, topic) = (Arc::clone(admin), name.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            client.inner().fetch_metadata(Some(&topic), Timeout::After(PATIENCE)).map(|metadata| {
                metadata.topics().first().map(|topic| {
                    let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min();
                    (topic.error().map(RDKafkaErrorCode::from), replicas.unwrap_or(0))
                })
            })
        })
        .await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) => return Err(error.to_string()),
        };
        match answer {
            Err(error) => Err(match self.shared.trouble() {
                Some(trouble) => format!("can't ask Kafka for topic {name:?}: {trouble}"),
                None => format!("can't ask Kafka for topic {name:?}: {error}"),
            }),
            Ok(Some((None, replicas))) if replicas > 0 => {
                self.shared.clear_trouble();
                Ok(Some(u32::try_from(replicas).unwrap_or(u32::MAX)))
            }
            Ok(Some((Some(RDKafkaErrorCode::TopicAuthorizationFailed), _))) => {
                Err(format!("not authorised to see topic {name:?}; grant Describe and Write"))
            }
            Ok(None | Some((None | Some(RDKafkaErrorCode::UnknownTopicOrPartition), _))) => Ok(None),
            Ok(Some((Some(code), _))) => Err(format!("topic {name:?}: {code}")),
        }
    }

    /// Makes a topic; one that is already there is as good.
    async fn create(&self, admin: &Arc<Admin>, name: &str, wanted: &Wanted) -> Result<(), String> {
        let spec = wanted.create.clone().unwrap_or_default();
        let replicas = match spec.replicas {
            Some(replicas) => Some(replicas),
            None => default_replicas(admin, name).await,
        };
        let config = topic_config(spec.config, wanted.longest_body, replicas);
        let replication = TopicReplication::Fixed(spec.replicas.unwrap_or(-1));
        let topic = NewTopic::new(name, spec.partitions.unwrap_or(-1), replication);
        let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let failed = |why: &dyn std::fmt::Display| format!("can't create topic {name:?}: {why}");
        let results = admin.create_topics([&topic], &options()).await.map_err(|error| failed(&error))?;
        match results.into_iter().next() {
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                tracing::info!(sink = self.shared.sink, topic = name, "topic created");
                Ok(())
            }
            Some(Err((_, code))) => Err(failed(&code)),
            None => Err(failed(&"no answer")),
        }
    }

    /// Keeps batches of several records below the smallest topic's bound: librdkafka knows no bound by
    /// topic, and the broker would refuse whole batches.
    fn bound_batches(&self) {
        let smallest = self.shared.topics.all().iter().filter_map(|topic| topic.longest_record()).min();
        let bound = smallest.map_or(BATCH_BYTES, |smallest| smallest.clamp(1, BATCH_BYTES));
        self.control.batch_bytes.store(bound, Ordering::Relaxed);
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
