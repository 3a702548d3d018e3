//! Requests to the native route as bytes, and its answers.
//! It repairs nothing: what a test says is what the proxy gets.

use std::fmt::Write as _;

use serde_json::Value;

use crate::http::Answer;

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
        let mut head = format!(
            "POST /v1/groups/{}/streams/{}/records{mark}{} HTTP/1.1\r\nHost: test\r\n",
            self.group_id, self.stream_id, self.query
        );
        for (name, value) in self.headers {
            write!(head, "{name}: {value}\r\n").expect("a string takes all");
        }
        write!(head, "Content-Length: {}\r\n\r\n", self.body.len()).expect("a string takes all");
        [head.as_bytes(), self.body].concat()
    }
}

/// A POST of a body of this type to `g`/`stream_id`.
#[must_use]
pub fn post(stream_id: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    Post { group_id: "g", stream_id, query: "", headers: &[("Content-Type", content_type)], body }.bytes()
}

/// How many records an answer says are stored.
///
/// # Panics
/// When it says something else.
#[must_use]
pub fn accepted(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    json["accepted"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
}

/// The status and the detail of a problem of which nothing is stored.
///
/// # Panics
/// When the answer is something else.
#[must_use]
pub fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(
        (json["status"].as_u64(), &json["outcome"]),
        (Some(answer.status.into()), &"notStored".into())
    );
    assert_eq!(json.get("failed"), None, "{json}");
    (answer.status, json["detail"].as_str().expect("a text").to_owned())
}
