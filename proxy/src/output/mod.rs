//! Gives records the form of their stream's output: messages for a sink. Pure, but for the ids it makes up.
//! It must not know how records arrived, nor how a sink stores.
//!
//! | file | holds |
//! |---|---|
//! | `event` | what a CloudEvent says of itself |
//! | `key` | where a record's key comes from |
//! | `inlong_msg` | InLong's envelope |
//! | `cloud_event` | CloudEvents in Kafka's binary mode |

mod cloud_event;
mod event;
mod inlong_msg;
mod key;

use std::borrow::Cow;

use sluice_wire::document::Output;

use crate::sink::{Envelope, Message, Meta, bytes_of};

pub use event::{Event, EventError};
pub use key::{KeyRule, in_json as key_in_json};

/// The longest key of a record, in bytes.
pub const MAX_KEY: usize = 32 << 10;
/// The most that the attributes of one CloudEvent may take, in bytes.
pub const MAX_ATTRIBUTES: usize = 16 << 10;

/// A record as it was taken.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its bytes as the producer sent them.
    pub value: Cow<'a, [u8]>,
    /// Its key.
    pub key: Option<Cow<'a, [u8]>>,
    /// What it says of itself, where it is a CloudEvent.
    pub event: Option<Box<Event<'a>>>,
}

impl<'a> Record<'a> {
    /// A record of these bytes, with nothing said beside them.
    #[must_use]
    pub fn new(value: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { value: value.into(), key: None, event: None }
    }
}

/// Where a report's records come from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Of the stream.
    pub group_id: &'a str,
    /// Of the stream.
    pub stream_id: &'a str,
    /// What is known of the report; its envelope is the output's.
    pub meta: &'a Meta<'a>,
    /// What the producer says its time is (`dt`), else the time of receipt; milliseconds since the epoch.
    pub event_time: i64,
    /// How many records the producer says there are, where it does (`cnt`).
    pub declared: Option<i64>,
    /// The media type of each record that is no CloudEvent, where it is known.
    pub content_type: Option<&'static str>,
}

/// A message that no sink takes, because of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {record}: {what}, at most {limit} bytes")]
pub struct TooLong {
    /// The place of its first record in the report, from 0.
    pub record: usize,
    /// What is too long.
    pub what: &'static str,
    /// The limit in bytes.
    pub limit: usize,
}

/// The messages of a report, and which records each of them holds.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// In the order of their first records.
    pub messages: Vec<Message<'a>>,
    members: Option<Vec<Vec<u32>>>,
}

impl Encoded<'_> {
    /// For each message the places of its records in the report; `None`: each holds the one at its own place.
    #[must_use]
    pub fn take_members(&mut self) -> Option<Vec<Vec<u32>>> {
        self.members.take()
    }
}

/// The envelope of an output.
#[must_use]
pub const fn envelope(output: Output) -> Envelope {
    match output {
        Output::InLongMsg { .. } => Envelope::InLongMsg,
        Output::Raw | Output::CloudEvents => Envelope::Raw,
    }
}

/// Gives the records of a report the form of `output`. `longest` bounds a message's key, value and headers.
///
/// # Errors
/// The first [`TooLong`].
pub fn encode<'a>(
    output: Output,
    origin: &Origin<'_>,
    records: Vec<Record<'a>>,
    longest: usize,
) -> Result<Encoded<'a>, TooLong> {
    if let Some(record) = records.iter().position(|r| r.key.as_ref().is_some_and(|key| key.len() > MAX_KEY)) {
        return Err(TooLong { record, what: "its key is too long", limit: MAX_KEY });
    }
    let room = longest.saturating_sub(bytes_of(origin.meta.passed));
    let encoded = match output {
        Output::InLongMsg { snappy } => return inlong_msg::encode(origin, records, snappy, room),
        Output::Raw => records.into_iter().map(|record| raw(origin, record)).collect(),
        Output::CloudEvents => cloud_event::encode(origin, records),
    };
    fits(&encoded, room)?;
    Ok(Encoded { messages: encoded, members: None })
}

fn raw<'a>(origin: &Origin<'_>, record: Record<'a>) -> Message<'a> {
    let time = record.event.and_then(|event| event.time);
    Message {
        key: record.key,
        value: record.value,
        event_time: time.unwrap_or(origin.event_time),
        headers: Vec::new(),
        records: 1,
    }
}

fn fits(messages: &[Message<'_>], room: usize) -> Result<(), TooLong> {
    match messages.iter().position(|message| message.bytes() > room) {
        Some(record) => Err(TooLong { record, what: "it is longer than its topic takes", limit: room }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
