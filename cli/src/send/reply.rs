//! What an answer means for each record of the batch it answers. Pure.
//!
//! Only what an answer surely says is not stored is called so. A server in between may answer too: of its
//! answers those that refuse a request (400 to 499) mean that the node never had it, all others nothing.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use super::client::{Answer, PostError};

/// Every problem of a node has a type that begins so.
const OURS: &str = "urn:sluice:problem:";

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// All of it is stored.
    Stored,
    /// None of it is, surely.
    NotStored(Why, Then),
    /// Each record has an outcome; those that are not named are stored.
    Each { failed: Vec<Failed>, why: Why, retry_after: Option<Duration> },
    /// Of none is it known.
    Unknown(Why),
}

/// What to do about records that are surely not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Send them again, after this time if one is named.
    Again(Option<Duration>),
    /// A record is at fault: without it the others may be taken.
    Halve,
    /// No batch will be taken.
    End,
}

/// A record that is not stored, or perhaps not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its place in the batch.
    pub(super) index: usize,
    /// Whether it is surely not stored.
    pub(super) not_stored: bool,
}

/// Why something is not stored, or not known to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Why {
    /// The answer's status; none without an answer.
    pub(super) status: Option<u16>,
    /// What kind of problem it is, such as `busy`.
    pub(super) name: String,
    /// In words, perhaps none.
    pub(super) detail: String,
}

impl Why {
    /// Something that is not an answer's.
    pub(super) fn own(name: &str, detail: String) -> Self {
        Self { status: None, name: name.to_owned(), detail }
    }

    /// Status and kind.
    pub(super) fn label(&self) -> String {
        self.status.map_or_else(|| self.name.clone(), |status| format!("{status} {}", self.name))
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.label())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// The name of trouble with connecting.
pub(super) const UNREACHABLE: &str = "unreachable";

#[derive(Deserialize)]
struct Accepted {
    accepted: usize,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    r#type: String,
    title: String,
    detail: String,
    request_id: String,
    outcome: String,
    stored: Option<usize>,
    failed: Option<Vec<FailedRecord>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedRecord {
    index: usize,
    outcome: String,
    #[serde(default)]
    reason: String,
}

/// What the result of sending `records` records means.
pub(super) fn read(result: &Result<Answer, PostError>, records: usize) -> Reply {
    let answer = match result {
        Ok(answer) => answer,
        Err(error @ (PostError::Connect { .. } | PostError::Token { .. })) => {
            return Reply::NotStored(Why::own(UNREACHABLE, error.to_string()), Then::Again(None));
        }
        Err(error @ PostError::Slow(_)) => return Reply::Unknown(Why::own("timeout", error.to_string())),
        Err(error @ PostError::Broken(_)) => {
            return Reply::Unknown(Why::own("connection", error.to_string()));
        }
    };
    if answer.status == StatusCode::OK {
        let accepted = serde_json::from_slice::<Accepted>(&answer.body).map(|answer| answer.accepted);
        return match accepted {
            Ok(count) if count == records => Reply::Stored,
            _ => Reply::Unknown(odd(answer, format!("no answer to {records} records of a stream"))),
        };
    }
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) if problem.r#type.starts_with(OURS) => read_problem(answer, &problem, records),
        _ => by_status(answer),
    }
}

fn read_problem(answer: &Answer, problem: &Problem, records: usize) -> Reply {
    let why = why(answer, problem);
    if let Some(failed) = &problem.failed {
        return match each(failed, problem.stored, records) {
            Some(failed) => Reply::Each { failed, why, retry_after: answer.retry_after },
            None => Reply::Unknown(why),
        };
    }
    let refuses = answer.status.is_client_error();
    match problem.outcome.as_str() {
        "notStored" => Reply::NotStored(why, then(answer)),
        "" if refuses => Reply::NotStored(why, then(answer)),
        _ => Reply::Unknown(why),
    }
}

/// The failed records in their order; nothing where they contradict themselves.
fn each(failed: &[FailedRecord], stored: Option<usize>, records: usize) -> Option<Vec<Failed>> {
    let mut all: Vec<Failed> = failed
        .iter()
        .map(|one| Failed { index: one.index, not_stored: one.outcome == "notStored" })
        .collect();
    all.sort_by_key(|one| one.index);
    let fits = all.windows(2).all(|pair| pair[0].index < pair[1].index)
        && all.last().is_none_or(|last| last.index < records)
        && !all.is_empty()
        && stored.is_none_or(|stored| stored + all.len() == records);
    fits.then_some(all)
}

/// What an answer without a word of ours means.
fn by_status(answer: &Answer) -> Reply {
    let why = odd(answer, answer.status.canonical_reason().unwrap_or_default().to_owned());
    if answer.status.is_client_error() || answer.status.is_redirection() {
        Reply::NotStored(why, then(answer))
    } else {
        Reply::Unknown(why)
    }
}

fn then(answer: &Answer) -> Then {
    match answer.status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Then::Halve,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Then::Again(answer.retry_after),
        status if status.is_server_error() => Then::Again(answer.retry_after),
        _ => Then::End,
    }
}

fn why(answer: &Answer, problem: &Problem) -> Why {
    let name = problem.r#type.trim_start_matches(OURS);
    let words = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let mut detail = one_line(words);
    let reason = problem.failed.iter().flatten().map(|one| one_line(&one.reason)).find(|r| !r.is_empty());
    if let Some(reason) = reason.filter(|reason| !detail.contains(reason)) {
        detail.push_str(&format!(": {reason}"));
    }
    if !problem.request_id.is_empty() {
        detail.push_str(&format!(" (request {})", one_line(&problem.request_id)));
    }
    Why { status: Some(answer.status.as_u16()), name: one_line(name), detail }
}

fn odd(answer: &Answer, detail: String) -> Why {
    Why { status: Some(answer.status.as_u16()), name: "not a Sluice answer".to_owned(), detail }
}

/// Text of a server, fit for a line of a terminal.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn reply(status: u16, retry_after: Option<u64>, body: &Value, records: usize) -> Reply {
        let status = StatusCode::from_u16(status).unwrap();
        let retry_after = retry_after.map(Duration::from_secs);
        read(&Ok(Answer { status, retry_after, body: body.to_string().into() }), records)
    }

    fn problem(status: u16, outcome: &str, more: &Value) -> Value {
        let mut problem = json!({"type": "urn:sluice:problem:name", "title": "Title", "status": status,
            "detail": "words", "requestId": "r1", "outcome": outcome});
        for (name, value) in more.as_object().unwrap() {
            problem[name] = value.clone();
        }
        problem
    }

    #[test]
    fn ok_is_stored_only_if_as_many_were_accepted_as_were_sent() {
        assert_eq!(reply(200, None, &json!({"accepted": 2}), 2), Reply::Stored);
        for body in [json!({"accepted": 1}), json!({"code": "0"}), json!("hello")] {
            assert!(matches!(reply(200, None, &body, 2), Reply::Unknown(_)), "{body}");
        }
    }

    #[test]
    fn what_a_node_says_is_not_stored_is_sent_again_halved_or_the_end() {
        for (status, retry_after, expected) in [
            (400, None, Then::Halve),
            (404, None, Then::End),
            (405, None, Then::End),
            (408, None, Then::Again(None)),
            (413, None, Then::Halve),
            (415, None, Then::End),
            (429, Some(3), Then::Again(Some(Duration::from_secs(3)))),
            (431, None, Then::End),
            (503, Some(1), Then::Again(Some(Duration::from_secs(1)))),
        ] {
            let body = problem(status, "notStored", &json!({}));
            match reply(status, retry_after, &body, 2) {
                Reply::NotStored(why, then) => {
                    assert_eq!(then, expected, "{status}");
                    assert_eq!(why.to_string(), format!("{status} name: words (request r1)"));
                }
                other => panic!("{status}: {other:?}"),
            }
        }
    }

    #[test]
    fn each_failed_record_has_its_own_outcome() {
        let more = json!({"stored": 1, "failed": [
            {"index": 2, "outcome": "unknown", "reason": "late"}, {"index": 0, "outcome": "notStored"}]});
        let Reply::Each { failed, why, retry_after } =
            reply(503, Some(2), &problem(503, "partial", &more), 3)
        else {
            panic!("not each");
        };
        assert_eq!(failed, [Failed { index: 0, not_stored: true }, Failed { index: 2, not_stored: false }]);
        assert_eq!(why.detail, "words: late (request r1)");
        assert_eq!(retry_after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn outcomes_that_contradict_themselves_are_unknown() {
        for more in [
            json!({"failed": [{"index": 3, "outcome": "notStored"}]}),
            json!({"failed": [{"index": 1, "outcome": "notStored"}, {"index": 1, "outcome": "unknown"}]}),
            json!({"stored": 1, "failed": [{"index": 1, "outcome": "notStored"}]}),
            json!({"failed": []}),
        ] {
            let body = problem(503, "partial", &more);
            assert!(matches!(reply(503, None, &body, 3), Reply::Unknown(_)), "{more}");
        }
    }

    #[test]
    fn unknown_is_never_called_not_stored() {
        for (status, outcome) in [(504, "unknown"), (503, "unknown"), (503, "partial"), (503, ""), (500, "x")]
        {
            let body = problem(status, outcome, &json!({}));
            assert!(matches!(reply(status, None, &body, 3), Reply::Unknown(_)), "{status} {outcome}");
        }
    }

    #[test]
    fn of_another_servers_answers_only_a_refusal_is_one() {
        let page = json!("<html>");
        assert!(matches!(reply(404, None, &page, 1), Reply::NotStored(_, Then::End)));
        assert!(matches!(reply(301, None, &page, 1), Reply::NotStored(_, Then::End)));
        assert!(matches!(reply(429, None, &page, 1), Reply::NotStored(_, Then::Again(None))));
        for status in [201, 500, 502, 503, 504] {
            assert!(matches!(reply(status, None, &page, 1), Reply::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn only_a_connection_that_was_not_made_is_surely_not_stored() {
        let none = std::io::Error::other("refused");
        let connect = PostError::Connect { address: "a:1".to_owned(), source: none };
        assert!(matches!(read(&Err(connect), 1), Reply::NotStored(_, Then::Again(None))));
        assert!(matches!(read(&Err(PostError::Slow(Duration::ZERO)), 1), Reply::Unknown(_)));
        assert!(matches!(read(&Err(PostError::Broken(String::new())), 1), Reply::Unknown(_)));
    }

    #[test]
    fn words_of_a_server_stay_on_their_line() {
        let body =
            json!({"type": "urn:sluice:problem:x\ny", "detail": "a\u{1b}[2J\nb", "outcome": "notStored"});
        match reply(400, None, &body, 1) {
            Reply::NotStored(why, _) => assert_eq!(why.to_string(), "400 xy: a[2Jb"),
            other => panic!("{other:?}"),
        }
    }
}
