//! Requests of the native route as bytes, and what their answers tell of each record.
//! It reads answers as a careful producer does; that they are as described is for the suite to see.

use std::fmt::Write as _;

use serde_json::Value;

use crate::history::Outcome;
use crate::http::Answer;

/// What every problem's type begins with.
pub const PROBLEM: &str = "urn:sluice:problem:";

/// Where a stream's records are posted; the ids are taken as they are.
#[must_use]
pub fn target(group_id: &str, stream_id: &str) -> String {
    format!("/v1/groups/{group_id}/streams/{stream_id}/records")
}

/// A POST of any body, as bytes; `headers` are whole lines, each with its `\r\n`.
#[must_use]
pub fn post(target: &str, content_type: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A POST of records.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Of the stream.
    pub group_id: &'a str,
    /// Of the stream.
    pub stream_id: &'a str,
    /// The query, as it is sent; may be empty.
    pub query: &'a str,
    /// Names and values, as they are sent; a content type among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

impl Post<'_> {
    /// The request's bytes.
    ///
    /// # Panics
    /// Never: a string takes all.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let (target, query) = (target(self.group_id, self.stream_id), self.query);
        let mut head = format!("POST {target}{mark}{query} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in self.headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes all");
        }
        write!(head, "Content-Length: {}\r\n\r\n", self.body.len()).expect("a string takes all");
        [head.as_bytes(), self.body].concat()
    }
}

/// A POST of a body of this type to `g`/`stream_id`.
#[must_use]
pub fn to_stream(stream_id: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    post(&target("g", stream_id), content_type, "", body)
}

/// A POST of a JSON string a line, each of `size` bytes or a little more, with its id first.
#[must_use]
pub fn batch(target: &str, headers: &str, ids: &[String], size: usize) -> Vec<u8> {
    let line = |id: &String| format!("\"{id} {:.<width$}\"\n", "", width = size.saturating_sub(id.len() + 3));
    let body: String = ids.iter().map(line).collect();
    post(target, "application/x-ndjson", headers, body.as_bytes())
}

/// What an answer is, in a word: `200`, the name of its problem, or the status of one without a body.
///
/// # Panics
/// When its body is of another kind.
#[must_use]
pub fn kind(answer: &Answer) -> String {
    if answer.status == 200 || answer.body.is_empty() {
        return answer.status.to_string();
    }
    let problem = json(answer);
    let kind = problem["type"].as_str().and_then(|kind| kind.strip_prefix(PROBLEM));
    kind.unwrap_or_else(|| panic!("no problem: {answer:?}")).to_owned()
}

/// How many records an answer says are stored.
///
/// # Panics
/// When it says something else.
#[must_use]
pub fn accepted(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    json(answer)["accepted"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
}

/// The status and the detail of a problem of which nothing is stored.
///
/// # Panics
/// When the answer is something else.
#[must_use]
pub fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let json = json(answer);
    assert_eq!(
        (json["status"].as_u64(), &json["outcome"]),
        (Some(answer.status.into()), &"notStored".into())
    );
    assert_eq!(json.get("failed"), None, "{json}");
    (answer.status, json["detail"].as_str().expect("a text").to_owned())
}

/// What an answer tells of each of `records` records; `None` is a request that was sent and got none.
///
/// # Panics
/// When the answer contradicts itself: a count that is not the number of records, a place named twice.
#[must_use]
pub fn outcomes(answer: Option<&Answer>, records: usize) -> Vec<Outcome> {
    let Some(answer) = answer else { return vec![Outcome::Unknown; records] };
    if answer.status == 200 {
        assert_eq!(json(answer)["accepted"], records, "{answer:?}");
        return vec![Outcome::Stored; records];
    }
    if answer.body.is_empty() {
        // The head was refused, and with it all.
        return vec![Outcome::NotStored; records];
    }
    let problem = json(answer);
    let Some(failed) = problem.get("failed") else {
        assert_eq!(problem["outcome"], "notStored", "{answer:?}");
        return vec![Outcome::NotStored; records];
    };
    let mut outcomes = vec![Outcome::Stored; records];
    for record in failed.as_array().expect("an array") {
        let index = record["index"].as_u64().and_then(|index| usize::try_from(index).ok()).expect("a place");
        let outcome = outcomes.get_mut(index).unwrap_or_else(|| panic!("no record {index}: {answer:?}"));
        assert_eq!(*outcome, Outcome::Stored, "record {index} twice: {answer:?}");
        *outcome = match record["outcome"].as_str() {
            Some("notStored") => Outcome::NotStored,
            Some("unknown") => Outcome::Unknown,
            _ => panic!("{answer:?}"),
        };
    }
    check(&problem, &outcomes);
    outcomes
}

/// What a problem says as a whole must be what it says of its records.
fn check(problem: &Value, outcomes: &[Outcome]) {
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let (stored, unknown) = (count(Outcome::Stored), count(Outcome::Unknown));
    assert_eq!(problem["stored"], stored, "{problem}");
    let whole = match (stored, unknown) {
        (0, 0) => "notStored",
        (_, 0) => "partial",
        _ => "unknown",
    };
    assert_eq!(problem["outcome"], whole, "{problem}");
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[cfg(test)]
mod tests {
    use super::Outcome::{NotStored, Stored, Unknown};
    use super::*;

    fn told(status: u16, body: &str) -> Vec<Outcome> {
        outcomes(Some(&Answer { status, headers: Vec::new(), body: body.into() }), 3)
    }

    #[test]
    fn an_answer_tells_of_every_record() {
        assert_eq!(told(200, r#"{"accepted":3}"#), [Stored; 3]);
        assert_eq!(told(503, r#"{"outcome":"notStored"}"#), [NotStored; 3]);
        assert_eq!(told(431, ""), [NotStored; 3]);
        assert_eq!(outcomes(None, 3), [Unknown; 3]);
        let partly = r#"{"outcome":"partial","stored":2,"failed":[{"index":1,"outcome":"notStored"}]}"#;
        assert_eq!(told(503, partly), [Stored, NotStored, Stored]);
        let unknown = r#"{"outcome":"unknown","stored":1,"failed":[{"index":2,"outcome":"unknown"},{"index":0,"outcome":"notStored"}]}"#;
        assert_eq!(told(504, unknown), [NotStored, Stored, Unknown]);
    }

    #[test]
    #[should_panic(expected = "left: Number(2)")]
    fn a_success_of_fewer_records_than_sent_contradicts_itself() {
        let _ = told(200, r#"{"accepted":2}"#);
    }

    #[test]
    #[should_panic(expected = "no record 3")]
    fn a_record_that_was_not_sent_contradicts_itself() {
        let failed = r#"{"outcome":"partial","stored":2,"failed":[{"index":3,"outcome":"notStored"}]}"#;
        let _ = told(503, failed);
    }

    #[test]
    #[should_panic(expected = "partial")]
    fn a_whole_that_is_not_its_records_contradicts_itself() {
        let failed = r#"{"outcome":"partial","stored":2,"failed":[{"index":0,"outcome":"unknown"}]}"#;
        let _ = told(503, failed);
    }
}
