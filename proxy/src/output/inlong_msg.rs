//! InLongMsg, version 1, byte for byte as InLong's own library writes it (`InLongMsg.buildArray`).
//!
//! All integers are big endian: magic `0F 01`; int64 time of creation in milliseconds; int32 number of
//! attribute groups, here one; uint16 length and bytes of the attributes; int32 length of what follows up to
//! the end magic; one byte, 1 where the data is snappy-compressed (raw block format, no framing), else 0; the
//! data: before compression a run of int32 length and bytes of each record; then the magic again.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Encoded, Origin, Record, TooLong};
use crate::sink::Message;

const MAGIC: [u8; 2] = [0x0f, 0x01];
/// Bytes around attributes and data: two magics, time, number of groups, two lengths, the compression flag.
const FRAME: usize = 2 + 8 + 4 + 2 + 4 + 1 + 2;
/// The length before each record.
const LENGTH: usize = 4;

/// One message a key, of as many records as fit `room`.
pub(super) fn encode<'a>(
    origin: &Origin<'_>,
    records: Vec<Record<'a>>,
    snappy: bool,
    room: usize,
) -> Result<Encoded<'a>, TooLong> {
    let (mut messages, mut members) = (Vec::new(), Vec::new());
    for group in groups(records, room) {
        let places = group.iter().map(|(place, _)| *place).collect();
        messages.push(message(origin, group, snappy, room)?);
        members.push(places);
    }
    Ok(Encoded { messages, members: Some(members) })
}

/// Records with their places, by key, and no group longer than a message may be at worst.
fn groups(records: Vec<Record<'_>>, room: usize) -> Vec<Vec<(u32, Record<'_>)>> {
    let mut groups: Vec<(usize, Vec<(u32, Record<'_>)>)> = Vec::new();
    let mut open: HashMap<Option<Vec<u8>>, usize> = HashMap::new();
    for (place, record) in (0..).zip(records) {
        let key = record.key.as_deref().map(<[u8]>::to_vec);
        let bytes = record.value.len() + LENGTH;
        let group = open.get(&key).and_then(|index| groups.get_mut(*index));
        match group {
            Some((held, group)) if at_worst(*held + bytes, key.as_deref()) <= room => {
                *held += bytes;
                group.push((place, record));
            }
            _ => {
                open.insert(key, groups.len());
                groups.push((bytes, vec![(place, record)]));
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The longest message that data of so many bytes may come to.
fn at_worst(data: usize, key: Option<&[u8]>) -> usize {
    // Snappy's own bound on what its output may come to.
    32 + data + data / 6 + FRAME + ATTRIBUTES + key.map_or(0, <[u8]>::len)
}

/// The longest attributes: two ids of 100 bytes, an IPv6 address, four numbers of 20 digits, and names.
const ATTRIBUTES: usize = 100 + 100 + 45 + 5 * 20 + 80;

fn message<'a>(
    origin: &Origin<'_>,
    group: Vec<(u32, Record<'a>)>,
    snappy: bool,
    room: usize,
) -> Result<Message<'a>, TooLong> {
    let records = u32::try_from(group.len()).unwrap_or(u32::MAX);
    let first = group.first().map_or(0, |(place, _)| *place as usize);
    let event_time = group.first().and_then(|(_, record)| record.event.as_ref()?.time);
    let event_time = event_time.unwrap_or(origin.event_time);
    let bytes = group.iter().map(|(_, record)| record.value.len() + LENGTH).sum();
    let mut data = Vec::with_capacity(bytes);
    for (_, record) in &group {
        data.extend_from_slice(&length(record.value.len()).to_be_bytes());
        data.extend_from_slice(&record.value);
    }
    let count = origin.declared.unwrap_or_else(|| i64::from(records));
    let value = frame(origin.meta.received, &attributes(origin, event_time, count), data, snappy);
    let key = group.into_iter().next().and_then(|(_, record)| record.key);
    let message = Message { key, value: Cow::Owned(value), event_time, headers: Vec::new(), records };
    if message.bytes() > room {
        return Err(TooLong { record: first, what: "it is longer than its topic takes", limit: room });
    }
    Ok(message)
}

/// The attributes of a report, in the order and form of InLong's own proxy.
fn attributes(origin: &Origin<'_>, event_time: i64, count: i64) -> String {
    let Origin { group_id, stream_id, meta, .. } = origin;
    let (client, received) = (meta.client, meta.received);
    let mut text = format!(
        "groupId={group_id}&streamId={stream_id}&dt={event_time}&clientIp={client}&cnt={count}&rt={received}&rtms={received}"
    );
    if let Some(version) = meta.audit_version {
        text.push_str(&format!("&auditVersion={version}"));
    }
    text
}

fn frame(created: i64, attributes: &str, data: Vec<u8>, snappy: bool) -> Vec<u8> {
    let (flag, data) = if snappy { compress(data) } else { (0, data) };
    let mut out = Vec::with_capacity(FRAME + attributes.len() + data.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&created.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    // Attributes are ids of ASCII, numbers and an address: Java's modified UTF-8 is the same bytes.
    out.extend_from_slice(&u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(attributes.as_bytes());
    out.extend_from_slice(&length(data.len() + 1).to_be_bytes());
    out.push(flag);
    out.extend_from_slice(&data);
    out.extend_from_slice(&MAGIC);
    out
}

fn compress(data: Vec<u8>) -> (u8, Vec<u8>) {
    // It fails only above 4 GiB, which no report comes near.
    match snap::raw::Encoder::new().compress_vec(&data) {
        Ok(compressed) => (1, compressed),
        Err(_) => (0, data),
    }
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
