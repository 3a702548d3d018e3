//! The headers of a record, InLong's contract: `rt` and `st` (when the report was received and handed
//! over), `srcIp`, `dpIp`, `msgEnType` and `version` (0: raw bytes), with `dt` and `auditVersion`
//! beside them. All values are decimal numbers or addresses as text.

use rdkafka::message::{Header, OwnedHeaders};

use crate::sink::Meta;

/// The headers of a raw record.
pub(super) fn of(meta: &Meta<'_>) -> OwnedHeaders {
    let mut number = itoa::Buffer::new();
    let received = number.format(meta.received).as_bytes();
    let headers = add(add(OwnedHeaders::new_with_capacity(8), "rt", received), "st", received);
    let headers = add(headers, "dt", itoa::Buffer::new().format(meta.event_time).as_bytes());
    let headers = add(headers, "srcIp", meta.client.as_bytes());
    let headers = add(headers, "dpIp", meta.node.as_bytes());
    let headers = add(add(headers, "msgEnType", b"0"), "version", b"0");
    match meta.audit_version {
        Some(version) => add(headers, "auditVersion", itoa::Buffer::new().format(version).as_bytes()),
        None => headers,
    }
}

fn add(headers: OwnedHeaders, key: &str, value: &[u8]) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}
