//! A made-up fleet of many streams. It is published as the operator does it: digests by its code, revisions that grow.

use sluice_operator::publish::groups;
use sluice_tests::document::{document, kafka, kafka_sink, stream};
use sluice_wire::document::Document;
use sluice_wire::polling::STREAM;

/// What clients send as `namespaceId`, as a form's value.
pub(crate) const NAMESPACE_ID: &str = "bench%2Fedge";
/// Namespace of the fleet and of its streams.
pub(crate) const NAMESPACE: &str = "bench";
/// Its name.
pub(crate) const NAME: &str = "edge";
/// The group that changes.
pub(crate) const CHANGES: &str = STREAM;

/// Its first publication.
pub(crate) fn published(streams: usize) -> Document {
    let streams = (0..streams).map(|number| {
        let (group_id, stream_id) = (format!("group{:03}", number / 100), format!("stream{:05}", number));
        let topic = format!("{group_id}.{stream_id}");
        stream(&group_id, &stream_id, "kafka", &topic)
    });
    let mut fleet = document(vec![kafka_sink("kafka", kafka("kafka.kafka:9092"))], streams.collect());
    fleet.fleet.namespace = NAMESPACE.to_owned();
    fleet.fleet.name = NAME.to_owned();
    fleet.fleet.uid = "6f9619ff-8b86-d011-b42d-00cf4fc964ff".to_owned();
    number(&mut fleet);
    fleet
}

/// Changes one stream's limit, another stream each time, and publishes that.
pub(crate) fn change(fleet: &mut Document) {
    fleet.revision += 1;
    let which = usize::try_from(fleet.revision).expect("few revisions") * 7_919 % fleet.streams.len();
    let changed = &mut fleet.streams[which];
    changed.generation += 1;
    changed.records_per_second = Some(1_000 + fleet.revision);
    number(fleet);
}

/// Bytes of one stream of it, as JSON.
pub(crate) fn stream_length() -> usize {
    let mut fleet = published(10);
    change(&mut fleet);
    fleet
        .streams
        .iter()
        .filter_map(|stream| serde_json::to_vec(stream).ok())
        .map(|json| json.len())
        .max()
        .unwrap_or(0)
}

fn number(fleet: &mut Document) {
    let digests = groups::digests(fleet).expect("a document has a form as JSON");
    let before = std::mem::take(&mut fleet.groups);
    fleet.groups = groups::numbered(digests, &before, fleet.revision);
}
