//! The settings of a topic: those it is made with, and those that bound a record, as Kafka tells them.
//! It decides nothing about a topic.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rdkafka::admin::{ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::util::Timeout;

use super::asking::{Admin, PATIENCE, options};
use super::client::RECORD_ROOM;
use super::topics::Topic;

/// Kafka's own `max.message.bytes`, taken where it can't be read.
pub(super) const DEFAULT_MAX_MESSAGE: usize = 1_048_588;
/// How many topics are asked about in one request for their settings.
const CONFIG_CHUNK: usize = 200;

/// The configuration of a topic to be made: what the stream says, and what its promise needs.
pub(super) fn topic_config(
    mut config: BTreeMap<String, String>,
    longest_body: u64,
    replicas: Option<i32>,
) -> BTreeMap<String, String> {
    let max_message = (longest_body + RECORD_ROOM).max(DEFAULT_MAX_MESSAGE as u64);
    config.entry("max.message.bytes".to_owned()).or_insert_with(|| max_message.to_string());
    if replicas.is_some_and(|replicas| replicas >= 3) {
        config.entry("min.insync.replicas".to_owned()).or_insert_with(|| "2".to_owned());
    }
    config
}

/// How many replicas a topic gets that says nothing of them, where the broker tells.
pub(super) async fn default_replicas(admin: &Arc<Admin>, topic: &str) -> Option<i32> {
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
pub(super) async fn read_settings(
    admin: &Admin,
    found: &[(Arc<Topic>, u32)],
) -> HashMap<String, (usize, Option<u32>)> {
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
