//! What each output makes of an input, written from the record contract and the formats' specifications.
//! It knows nothing of the product; what only the proxy can know (times, ids) is read from what it stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sluice_tests::formats::InLongMsg;
use sluice_wire::document::Output;

use super::inputs::{Input, PASSED, Record};

/// A message that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) key: &'static str,
    pub(super) value: Value,
    pub(super) headers: BTreeMap<String, String>,
}

/// Its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// These bytes.
    Bytes(Vec<u8>),
    /// An InLongMsg of this, and whether it is compressed.
    InLongMsg(InLongMsg, bool),
}

/// What is known only once the messages are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) stream_id: &'a str,
    /// When the report was received and handed over, in milliseconds, as headers say it.
    pub(super) received: &'a str,
    pub(super) sent: &'a str,
    /// The id that the report's records begin theirs with, where they are made events.
    pub(super) id: Option<&'a str>,
}

/// The messages of an input.
pub(super) fn messages(input: &Input, output: Output, known: Known<'_>) -> Vec<Expected> {
    match output {
        Output::Raw => input.records.iter().map(|record| raw(input, record, known)).collect(),
        Output::CloudEvents => {
            let several = input.records.len() > 1;
            let place = |place: usize| if several { format!("-{place}") } else { String::new() };
            let all = input.records.iter().enumerate();
            all.map(|(at, record)| event(input, record, known, &place(at))).collect()
        }
        Output::InLongMsg { snappy } => {
            groups(input).iter().map(|group| inlong_msg(input, group, snappy, known)).collect()
        }
    }
}

/// How many records the books count.
pub(super) fn records(input: &Input, output: Output) -> usize {
    match (output, &input.report) {
        (Output::InLongMsg { .. }, Some(_)) => 1,
        _ => input.records.len(),
    }
}

fn raw(input: &Input, record: &Record, known: Known<'_>) -> Expected {
    let headers = contract(input, record, "0", known);
    Expected { key: record.key, value: Value::Bytes(record.bytes.clone()), headers }
}

fn event(input: &Input, record: &Record, known: Known<'_>, place: &str) -> Expected {
    let mut headers = contract(input, record, "0", known);
    let mut put = |name: &str, value: &str| drop(headers.insert(name.to_owned(), value.to_owned()));
    if let Some(content_type) = record.content_type {
        put("content-type", content_type);
    }
    let Some((attributes, data)) = record.event else {
        put("ce_specversion", "1.0");
        put("ce_id", &format!("{}{place}", known.id.expect("the report's id")));
        put("ce_source", &format!("/groups/g/streams/{}", known.stream_id));
        put("ce_type", "dev.sluice.record");
        let time = Timestamp::from_millisecond(time(record, known).parse().expect("a time")).expect("a time");
        put("ce_time", &format!("{time:.3}"));
        return Expected { key: record.key, value: Value::Bytes(record.bytes.clone()), headers };
    };
    for (name, value) in attributes {
        put(&format!("ce_{name}"), value);
    }
    Expected { key: record.key, value: Value::Bytes(data.to_vec()), headers }
}

/// Records that share an InLongMsg: those of one key, in their order.
fn groups(input: &Input) -> Vec<Vec<&Record>> {
    let mut groups: Vec<Vec<&Record>> = Vec::new();
    for record in &input.records {
        match groups.iter_mut().find(|group| group[0].key == record.key) {
            Some(group) => group.push(record),
            None => groups.push(vec![record]),
        }
    }
    groups
}

fn inlong_msg(input: &Input, group: &[&Record], snappy: bool, known: Known<'_>) -> Expected {
    let (count, records) = match &input.report {
        Some(report) => (report.count, vec![report.body.as_bytes().to_vec()]),
        None => (group.len() as i64, group.iter().map(|record| record.bytes.clone()).collect()),
    };
    let (stream, dt, rt) = (known.stream_id, time(group[0], known), known.received);
    let mut attributes =
        format!("groupId=g&streamId={stream}&dt={dt}&clientIp=127.0.0.1&cnt={count}&rt={rt}&rtms={rt}");
    if let Some(version) = input.report.as_ref().and_then(|report| report.audit_version) {
        attributes.push_str(&format!("&auditVersion={version}"));
    }
    let message = InLongMsg { created: rt.parse().expect("a time"), groups: vec![(attributes, records)] };
    let headers = contract(input, group[0], "2", known);
    Expected { key: group[0].key, value: Value::InLongMsg(message, snappy), headers }
}

fn contract(input: &Input, record: &Record, kind: &str, known: Known<'_>) -> BTreeMap<String, String> {
    let time = time(record, known);
    let audit_version = input.report.as_ref().and_then(|report| report.audit_version);
    let own = [
        ("rt", known.received),
        ("st", known.sent),
        ("dt", &*time),
        ("srcIp", "127.0.0.1"),
        ("dpIp", "127.0.0.1"),
        ("msgEnType", kind),
        ("version", kind),
    ];
    let all = own.into_iter().chain(PASSED).chain(audit_version.map(|version| ("auditVersion", version)));
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn time(record: &Record, known: Known<'_>) -> String {
    record.time.map_or_else(|| known.received.to_owned(), |time| time.to_string())
}
