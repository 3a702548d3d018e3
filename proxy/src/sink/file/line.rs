//! One line of a file: a record as JSON.
//!
//! `{"time","groupId","streamId","key","headers","value"}`: `time` is the time of receipt (RFC 3339,
//! milliseconds, UTC), `key` a string or null, `headers` an object of strings, `value` the record as
//! text. A value that isn't UTF-8 is written as `valueBase64` instead.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::sink::Meta;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    group_id: &'a str,
    stream_id: &'a str,
    key: Option<&'a str>,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// The headers that the record would have in Kafka.
struct Headers<'a>(&'a Meta<'a>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let Meta { received, event_time, client, node, audit_version } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rt", &received.to_string())?;
        map.serialize_entry("st", &received.to_string())?;
        map.serialize_entry("dt", &event_time.to_string())?;
        map.serialize_entry("srcIp", client)?;
        map.serialize_entry("dpIp", node)?;
        map.serialize_entry("msgEnType", "0")?;
        map.serialize_entry("version", "0")?;
        if let Some(version) = audit_version {
            map.serialize_entry("auditVersion", &version.to_string())?;
        }
        map.end()
    }
}

/// Appends the line of a record, with its line end.
pub(super) fn write(lines: &mut Vec<u8>, group_id: &str, stream_id: &str, meta: &Meta<'_>, record: &[u8]) {
    let value = std::str::from_utf8(record).ok();
    let line = Line {
        time: rfc3339(meta.received),
        group_id,
        stream_id,
        key: None,
        headers: Headers(meta),
        value,
        value_base64: value.is_none().then(|| STANDARD.encode(record)),
    };
    if let Err(error) = serde_json::to_writer(&mut *lines, &line) {
        // Writing strings and numbers into memory has no way to fail.
        tracing::error!(%error, "a record could not be written as a line");
    }
    lines.push(b'\n');
}

fn rfc3339(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta<'_> = Meta {
        received: 1_700_000_000_123,
        event_time: 5,
        client: "127.0.0.1",
        node: "127.0.0.1",
        audit_version: Some(3),
    };

    fn line(record: &[u8]) -> serde_json::Value {
        let mut lines = Vec::new();
        write(&mut lines, "g", "s", &META, record);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&lines).unwrap()
    }

    #[test]
    fn a_line_holds_the_record_and_where_it_came_from() {
        assert_eq!(
            line(b"a\n\"b\""),
            serde_json::json!({
                "time": "2023-11-14T22:13:20.123Z", "groupId": "g", "streamId": "s", "key": null,
                "headers": {"rt": "1700000000123", "st": "1700000000123", "dt": "5", "srcIp": "127.0.0.1",
                    "dpIp": "127.0.0.1", "msgEnType": "0", "version": "0", "auditVersion": "3"},
                "value": "a\n\"b\""
            })
        );
    }

    #[test]
    fn a_value_that_is_not_text_is_base64() {
        let line = line(&[0xff, 0x00]);
        assert_eq!(line["valueBase64"], "/wA=");
        assert!(line.get("value").is_none());
    }
}
