//! CloudEvents 1.0 in the binary content mode of its Kafka binding: attributes are headers `ce_<name>`, the
//! media type is `content-type`, the value is the event's data. A record that is no event becomes one.

use std::borrow::Cow;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Event, Origin, Record};
use crate::sink::{Header, Message, bytes_from};

/// The type of an event made of a record that is none.
const TYPE: &str = "dev.sluice.record";

/// One message an event.
pub(super) fn encode<'a>(origin: &Origin<'_>, records: Vec<Record<'a>>) -> Vec<Message<'a>> {
    let several = records.len() > 1;
    let mut report: Option<Uuid> = None;
    (0_u32..)
        .zip(records)
        .map(|(place, record)| match record.event {
            Some(event) => of_event(origin, *event, record.key),
            None => {
                let id = report.get_or_insert_with(Uuid::now_v7);
                let id = if several { format!("{id}-{place}") } else { id.to_string() };
                of_record(origin, id, record)
            }
        })
        .collect()
}

fn of_event<'a>(origin: &Origin<'_>, event: Event<'a>, key: Option<Cow<'a, [u8]>>) -> Message<'a> {
    let event_time = event.time.unwrap_or(origin.event_time);
    let mut headers: Vec<Header<'a>> = Vec::with_capacity(event.attributes.len() + 1);
    if let Some(content_type) = event.content_type {
        headers.push((Cow::Borrowed("content-type"), bytes_from(content_type)));
    }
    for (name, value) in event.attributes {
        headers.push((Cow::Owned(format!("ce_{name}")), bytes_from(value)));
    }
    Message { key, value: event.data, event_time, headers, records: 1 }
}

fn of_record<'a>(origin: &Origin<'_>, id: String, record: Record<'a>) -> Message<'a> {
    let source = format!("/groups/{}/streams/{}", origin.group_id, origin.stream_id);
    let mut headers: Vec<Header<'a>> = Vec::with_capacity(6);
    if let Some(content_type) = origin.content_type {
        headers.push((Cow::Borrowed("content-type"), Cow::Borrowed(content_type.as_bytes())));
    }
    let mut put = |name, value| headers.push((Cow::Borrowed(name), bytes_from(value)));
    put("ce_specversion", Cow::Borrowed("1.0"));
    put("ce_id", Cow::Owned(id));
    put("ce_source", Cow::Owned(source));
    put("ce_type", Cow::Borrowed(TYPE));
    // A producer may claim a time that no calendar has; the event then has none.
    if let Ok(time) = Timestamp::from_millisecond(origin.event_time) {
        put("ce_time", Cow::Owned(format!("{time:.3}")));
    }
    Message { key: record.key, value: record.value, event_time: origin.event_time, headers, records: 1 }
}
