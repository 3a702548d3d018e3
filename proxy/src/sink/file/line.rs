//! One line of a file: a record as JSON.
//!
//! `{"time","groupId","streamId","key","headers","value"}`: `time` is the time of receipt (RFC 3339,
//! milliseconds, UTC), `key` a string or null, `headers` an object of strings, `value` the record as
//! text. A value that isn't UTF-8 is written as `valueBase64` instead, a key that isn't as `keyBase64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::sink::{Message, Meta, each_header};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    group_id: &'a str,
    stream_id: &'a str,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

/// The headers that the message would have in Kafka. One that isn't UTF-8 is written as it reads best.
struct Headers<'a>(&'a Meta<'a>, &'a Message<'a>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        let mut result = Ok(());
        each_header(self.0, self.1, |name, value| {
            if result.is_ok() {
                result = map.serialize_entry(name, &String::from_utf8_lossy(value));
            }
        });
        result?;
        map.end()
    }
}

/// Appends the line of a message, with its line end.
pub(super) fn write(
    lines: &mut Vec<u8>,
    group_id: &str,
    stream_id: &str,
    meta: &Meta<'_>,
    message: &Message<'_>,
) {
    let value = std::str::from_utf8(&message.value).ok();
    let key = message.key.as_deref();
    let key_text = key.and_then(|key| std::str::from_utf8(key).ok());
    let line = Line {
        time: rfc3339(meta.received),
        group_id,
        stream_id,
        key: key_text,
        key_base64: key.filter(|_| key_text.is_none()).map(|key| STANDARD.encode(key)),
        headers: Headers(meta, message),
        value,
        value_base64: value.is_none().then(|| STANDARD.encode(&message.value)),
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
    use std::borrow::Cow;

    use super::*;
    use crate::sink::Envelope;

    const META: Meta<'_> = Meta {
        received: 1_700_000_000_123,
        client: "127.0.0.1",
        node: "127.0.0.1",
        audit_version: Some(3),
        envelope: Envelope::Raw,
        passed: &[],
    };

    fn message(value: &[u8]) -> Message<'_> {
        Message { key: None, value: Cow::Borrowed(value), event_time: 5, headers: Vec::new(), records: 1 }
    }

    fn line(message: &Message<'_>) -> serde_json::Value {
        let mut lines = Vec::new();
        write(&mut lines, "g", "s", &META, message);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&lines).unwrap()
    }

    #[test]
    fn a_line_holds_the_record_and_where_it_came_from() {
        assert_eq!(
            line(&message(b"a\n\"b\"")),
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
        let line = line(&message(&[0xff, 0x00]));
        assert_eq!(line["valueBase64"], "/wA=");
        assert!(line.get("value").is_none());
    }

    #[test]
    fn a_key_and_headers_of_its_own_stand_in_the_line() {
        let headers = vec![(Cow::Borrowed("ce_id"), Cow::Borrowed(&b"7"[..]))];
        let with = |key: &'static [u8]| Message {
            key: Some(Cow::Borrowed(key)),
            headers: headers.clone(),
            ..message(b"x")
        };
        let text = line(&with(b"k"));
        assert_eq!((&text["key"], &text["headers"]["ce_id"]), (&"k".into(), &"7".into()));
        let bytes = line(&with(&[0xff]));
        assert_eq!((&bytes["key"], &bytes["keyBase64"]), (&serde_json::Value::Null, &"/w==".into()));
    }
}
