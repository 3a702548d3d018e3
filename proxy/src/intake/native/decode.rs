//! From a body to its records. Pure. A record is the bytes that were sent for it, never written anew.

use std::borrow::Cow;

use http::HeaderMap;

use super::content::Kind;
use super::json::{self, JsonError};
use crate::intake::split::MAX_RECORDS;
use crate::intake::text::is_blank;
use crate::output::{Event, EventError, Record};

/// Why a body holds no records.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    /// It is not UTF-8.
    #[error("the body is not UTF-8 from byte {0} on")]
    Utf8(usize),
    /// The body is no JSON, or too deep.
    #[error("the body is refused: {0}")]
    Json(JsonError),
    /// A line is no JSON, or too deep.
    #[error("line {line} is refused: {error}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        error: JsonError,
    },
    /// An element is no CloudEvent.
    #[error("event {index} is refused: {error}")]
    Event {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        error: EventError,
    },
    /// There is none.
    #[error("the body holds no records")]
    None,
    /// There are more than a request may hold.
    #[error("the body holds more than {MAX_RECORDS} records")]
    TooMany,
}

/// The records of a body.
///
/// # Errors
/// [`DecodeError`]; one bad record refuses all.
pub(super) fn records<'a>(
    kind: Kind,
    body: &'a [u8],
    headers: &'a HeaderMap,
) -> Result<Vec<Record<'a>>, DecodeError> {
    let records = match kind {
        Kind::Bytes if body.is_empty() => Vec::new(),
        Kind::Bytes => vec![Record::new(body)],
        Kind::Text => lines(text(body)?, |_, _| Ok(()))?,
        Kind::Ndjson => lines(text(body)?, |line, record| {
            json::check(record).map_err(|error| DecodeError::Line { line, error })
        })?,
        Kind::Json => elements(text(body)?)?.into_iter().map(plain).collect(),
        Kind::Event => vec![event(text(body)?, 0)?],
        Kind::Events => events(text(body)?)?,
        Kind::EventData => {
            let event = Event::from_headers(headers, Cow::Borrowed(body));
            let event = event.map_err(|error| DecodeError::Event { index: 0, error })?;
            vec![Record { event: Some(Box::new(event)), ..Record::new(body) }]
        }
    };
    if records.is_empty() { Err(DecodeError::None) } else { Ok(records) }
}

fn plain(text: &str) -> Record<'_> {
    Record::new(text.as_bytes())
}

fn text(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|error| DecodeError::Utf8(error.valid_up_to()))
}

/// The lines that are not blank, without their ends. `check` sees each with its number, from 1.
fn lines(
    text: &str,
    check: impl Fn(usize, &str) -> Result<(), DecodeError>,
) -> Result<Vec<Record<'_>>, DecodeError> {
    let mut records = Vec::new();
    for (line, record) in (1..).zip(text.split('\n')) {
        let record = record.strip_suffix('\r').unwrap_or(record);
        if is_blank(record.as_bytes()) {
            continue;
        }
        if records.len() == MAX_RECORDS {
            return Err(DecodeError::TooMany);
        }
        check(line, record)?;
        records.push(plain(record));
    }
    Ok(records)
}

fn elements(text: &str) -> Result<Vec<&str>, DecodeError> {
    json::elements(text, MAX_RECORDS).map_err(|error| match error {
        JsonError::TooMany(_) => DecodeError::TooMany,
        error => DecodeError::Json(error),
    })
}

fn events(text: &str) -> Result<Vec<Record<'_>>, DecodeError> {
    if !text.trim_start().starts_with('[') {
        return Err(DecodeError::Event { index: 0, error: EventError::NoArray });
    }
    (0..).zip(elements(text)?).map(|(index, text)| event(text, index)).collect()
}

fn event(text: &str, index: usize) -> Result<Record<'_>, DecodeError> {
    json::check(text).map_err(DecodeError::Json)?;
    let event = Event::from_json(text.as_bytes()).map_err(|error| DecodeError::Event { index, error })?;
    Ok(Record { event: Some(Box::new(event)), ..plain(text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, body: &str) -> Result<Vec<String>, String> {
        let headers = HeaderMap::new();
        let records = records(kind, body.as_bytes(), &headers).map_err(|error| error.to_string())?;
        Ok(records.into_iter().map(|r| String::from_utf8(r.value.into_owned()).unwrap()).collect())
    }

    fn refused(kind: Kind, body: &str) -> String {
        of(kind, body).unwrap_err()
    }

    #[test]
    fn json_is_one_value_or_an_array_of_records() {
        assert_eq!(of(Kind::Json, " {\"a\": 1.0 } ").unwrap(), ["{\"a\": 1.0 }"]);
        assert_eq!(of(Kind::Json, "[1, [2], \"x\"]").unwrap(), ["1", "[2]", "\"x\""]);
        assert_eq!(refused(Kind::Json, "[]"), "the body holds no records");
        assert!(refused(Kind::Json, "").starts_with("the body is refused: EOF"));
    }

    #[test]
    fn ndjson_ignores_blank_lines_and_names_a_bad_one() {
        assert_eq!(of(Kind::Ndjson, "{}\r\n\n  \n1\n\"x\"").unwrap(), ["{}", "1", "\"x\""]);
        assert!(refused(Kind::Ndjson, "{}\n\n{]\n{}").starts_with("line 3 is refused: "));
        let deep = format!("1\n{}{}", "[".repeat(129), "]".repeat(129));
        assert_eq!(refused(Kind::Ndjson, &deep), "line 2 is refused: it nests deeper than 128");
    }

    #[test]
    fn text_is_a_record_a_line_with_one_carriage_return_less() {
        assert_eq!(of(Kind::Text, "a\r\n \nb\r\r\nc").unwrap(), ["a", "b\r", "c"]);
        assert_eq!(refused(Kind::Text, "\n \r\n"), "the body holds no records");
    }

    #[test]
    fn bytes_are_one_record_whatever_they_are() {
        let headers = HeaderMap::new();
        let one = records(Kind::Bytes, &[0xff, b'\n', 0], &headers).unwrap();
        assert_eq!((&*one[0].value, one.len()), (&[0xff, b'\n', 0][..], 1));
        assert!(records(Kind::Bytes, b"", &headers).is_err());
        let error = records(Kind::Text, b"ab\xff", &headers).unwrap_err();
        assert_eq!(error.to_string(), "the body is not UTF-8 from byte 2 on");
    }

    #[test]
    fn events_come_alone_or_in_an_array() {
        let one = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        assert_eq!(of(Kind::Event, one).unwrap(), [one]);
        assert_eq!(of(Kind::Events, &format!("[{one}, {one}]")).unwrap(), [one, one]);
        assert!(refused(Kind::Events, &format!("[{one}, {{}}]")).starts_with("event 1 is refused: "));
        assert_eq!(refused(Kind::Events, one), "event 0 is refused: a batch is a JSON array");
        assert!(refused(Kind::Event, &format!("[{one}]")).contains("no JSON object"));
        assert_eq!(refused(Kind::Events, "[]"), "the body holds no records");
    }

    #[test]
    fn ten_thousand_records_are_taken_and_one_more_is_not() {
        let lines = "1\n".repeat(MAX_RECORDS);
        let array = format!("[{}]", vec!["1"; MAX_RECORDS].join(","));
        let too_many = "the body holds more than 10000 records";
        for kind in [Kind::Text, Kind::Ndjson] {
            assert_eq!(of(kind, &lines).unwrap().len(), MAX_RECORDS);
            assert_eq!(refused(kind, &format!("{lines}1")), too_many);
        }
        assert_eq!(of(Kind::Json, &array).unwrap().len(), MAX_RECORDS);
        assert_eq!(refused(Kind::Json, &array.replacen('1', "1,1", 1)), too_many);
    }
}
