//! Topics made, described, deleted and read to their end.
//! Every call is bounded by time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use crate::{books, wait};

const TIMEOUT: Duration = Duration::from_secs(20);
/// How long a broker that may be gone is asked.
const BRIEFLY: Duration = Duration::from_secs(3);

/// A record as it lies in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its partition.
    pub partition: i32,
    /// Its place there.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers; a name that comes twice fails the reader.
    pub headers: BTreeMap<String, String>,
}

/// A name for a topic that no other test of this process has.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a topic and waits until it has leaders.
///
/// # Panics
/// When Kafka refuses.
pub fn create(address: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    create_as(address, name, partitions, TopicReplication::Fixed(1), config);
}

/// Makes a topic whose partitions lie on the nodes named, the leader first, and waits until it has leaders.
///
/// # Panics
/// When Kafka refuses.
pub fn create_on(address: &str, name: &str, nodes: &[&[i32]]) {
    let partitions = i32::try_from(nodes.len()).expect("few partitions");
    create_as(address, name, partitions, TopicReplication::Variable(nodes), &[]);
}

fn create_as(
    address: &str,
    name: &str,
    partitions: i32,
    replication: TopicReplication<'_>,
    config: &[(&str, &str)],
) {
    let topic = NewTopic::new(name, partitions, replication);
    let topic = config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let admin = admin(address);
    let results = wait_for(admin.create_topics([&topic], &AdminOptions::new())).expect("an answer");
    assert!(results.iter().all(Result::is_ok), "{name}: {results:?}");
    let consumer = consumer(address);
    wait::until("the topic has leaders", TIMEOUT, || partitions_of(&consumer, name).is_some());
}

/// Makes many topics of one partition at once.
///
/// # Panics
/// When Kafka refuses.
pub fn create_all(address: &str, names: &[String]) {
    let topics: Vec<_> =
        names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
    let results = wait_for(admin(address).create_topics(&topics, &AdminOptions::new())).expect("an answer");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let consumer = consumer(address);
    let led = || names.iter().all(|name| partitions_of(&consumer, name).is_some());
    wait::until("the topics have leaders", TIMEOUT, led);
}

/// Deletes a topic.
///
/// # Panics
/// When Kafka refuses.
pub fn delete(address: &str, name: &str) {
    books::cut(name);
    let results = wait_for(admin(address).delete_topics(&[name], &AdminOptions::new())).expect("an answer");
    assert!(results.iter().all(Result::is_ok), "{name}: {results:?}");
}

/// Deletes what a topic holds now, as retention does; the topic stays.
///
/// # Panics
/// When Kafka refuses.
pub fn delete_records(address: &str, topic: &str) {
    books::cut(topic);
    let consumer = consumer(address);
    let mut ends = TopicPartitionList::new();
    for partition in partitions_of(&consumer, topic).expect("the topic has leaders") {
        ends.add_partition_offset(topic, partition, Offset::End).expect("a new partition");
    }
    let deleted = wait_for(admin(address).delete_records(&ends, &AdminOptions::new())).expect("an answer");
    let odd: Vec<_> = deleted.elements().into_iter().filter(|part| part.error().is_err()).collect();
    assert!(odd.is_empty(), "{topic}: {odd:?}");
}

/// A setting of a topic; `None` when there is no such topic.
///
/// # Panics
/// When Kafka doesn't answer.
#[must_use]
pub fn config(address: &str, topic: &str, key: &str) -> Option<String> {
    let resource = ResourceSpecifier::Topic(topic);
    let admin = admin(address);
    let answers = wait_for(admin.describe_configs([&resource], &AdminOptions::new())).expect("an answer");
    let resource = answers.into_iter().next()?.ok()?;
    resource.get(key)?.value.clone()
}

/// How many records a topic holds; `None` where it can't be asked, or there is no such topic.
#[must_use]
pub fn count(address: &str, topic: &str) -> Option<u64> {
    let consumer = consumer(address);
    let metadata = consumer.fetch_metadata(Some(topic), BRIEFLY).ok()?;
    let topic_metadata = metadata.topics().first().filter(|topic| topic.error().is_none())?;
    let partitions = topic_metadata.partitions().iter();
    partitions
        .map(|partition| {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT).ok()?;
            u64::try_from(high - low).ok()
        })
        .sum()
}

/// All of a topic, from its first record to its end at the time of the call.
///
/// # Panics
/// When it can't be read within a minute.
#[must_use]
pub fn read(address: &str, topic: &str) -> Vec<StoredRecord> {
    let consumer = consumer(address);
    let partitions = wait::for_some("the topic has leaders", TIMEOUT, || partitions_of(&consumer, topic));
    let mut assignment = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, TIMEOUT).expect("watermarks");
        if high > low {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a new partition");
            ends.insert(partition, high);
        }
    }
    consumer.assign(&assignment).expect("an assignment");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut records = Vec::new();
    while !ends.is_empty() {
        assert!(Instant::now() < deadline, "{topic}: read {} records and no end", records.len());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                if message.offset() + 1 >= ends.get(&message.partition()).copied().unwrap_or(0) {
                    ends.remove(&message.partition());
                }
                records.push(stored(&message));
            }
            // A broker that has just come back says so a few times.
            Some(Err(KafkaError::MessageConsumption(_))) | None => {}
            Some(Err(error)) => panic!("{topic}: {error}"),
        }
    }
    records
}

/// How many brokers the one at `address` knows of; none while it doesn't serve.
pub(super) fn brokers(address: &str) -> usize {
    consumer(address).fetch_metadata(None, Duration::from_secs(5)).map_or(0, |all| all.brokers().len())
}

fn stored(message: &BorrowedMessage<'_>) -> StoredRecord {
    let mut headers = BTreeMap::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = String::from_utf8(header.value.unwrap_or_default().to_vec()).expect("a header in UTF-8");
        let before = headers.insert(header.key.to_owned(), value);
        assert_eq!(before, None, "header {} came twice", header.key);
    }
    StoredRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().unwrap_or_default().to_vec(),
        headers,
    }
}

fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Option<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).ok()?;
    let topic = metadata.topics().first()?;
    let led = topic.error().is_none() && topic.partitions().iter().all(|partition| partition.leader() >= 0);
    (led && !topic.partitions().is_empty()).then(|| topic.partitions().iter().map(|p| p.id()).collect())
}

fn consumer(address: &str) -> BaseConsumer {
    let mut config = client(address);
    config.set("group.id", "sluice-tests").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "50");
    config.create().expect("a consumer")
}

fn admin(address: &str) -> AdminClient<DefaultClientContext> {
    client(address).create().expect("an admin client")
}

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("allow.auto.create.topics", "false");
    // What goes wrong while a broker starts is expected; failures show as errors of the calls.
    config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg).set("log_level", "0");
    config
}

fn wait_for<T>(call: impl Future<Output = Result<T, KafkaError>>) -> Result<T, KafkaError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, call)
            .await
            .unwrap_or(Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)))
    })
}
