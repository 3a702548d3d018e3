//! What the records of a request came to, as a response.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_TYPE};

use super::problem::{Failed, FailedRecord, Problem, RecordOutcome, RequestOutcome};
use crate::intake::deliver::Pending;
use crate::intake::request_id::REQUEST_ID;
use crate::sink::{Cause, Outcome, Verdict};

/// Waits for what became of a report: the number of its records, all stored.
///
/// # Errors
/// [`Problem::Records`] where not all are.
pub(super) async fn outcome(mut pending: Pending) -> Result<usize, Problem> {
    let Some(verdict) = pending.verdict().await else {
        let all = 0..u32::try_from(pending.records).unwrap_or(u32::MAX);
        let records = all.map(|index| failed(index, Outcome::Unknown)).collect();
        return Err(Problem::Records(Failed {
            stored: 0,
            outcome: RequestOutcome::Unknown,
            cause: None,
            records,
        }));
    };
    if verdict.outcome() == Outcome::Stored {
        return Ok(pending.records);
    }
    Err(Problem::Records(failures(&verdict, pending.members.as_deref())))
}

/// The records that are not stored, or may not be, in their order.
fn failures(verdict: &Verdict, members: Option<&[Vec<u32>]>) -> Failed {
    let mut records = Vec::new();
    for failure in &verdict.failures {
        let own = [failure.message];
        let of_message = members.and_then(|members| members.get(failure.message as usize));
        let of_message = of_message.map_or(&own[..], Vec::as_slice);
        records.extend(of_message.iter().map(|index| failed(*index, failure.outcome)));
    }
    records.sort_unstable_by_key(|record| record.index);
    let outcome = match (verdict.unknown, verdict.stored) {
        (0, 0) => RequestOutcome::NotStored,
        (0, _) => RequestOutcome::Partial,
        _ => RequestOutcome::Unknown,
    };
    Failed { stored: verdict.stored, outcome, cause: verdict.cause, records }
}

fn failed(index: u32, outcome: Outcome) -> FailedRecord {
    let (outcome, reason) = match outcome {
        Outcome::NotStored(Cause::Busy) => (RecordOutcome::NotStored, "no room at the moment"),
        Outcome::NotStored(Cause::Refused) => (RecordOutcome::NotStored, "refused by Kafka"),
        Outcome::NotStored(Cause::NoTopic) => (RecordOutcome::NotStored, "the topic is gone"),
        Outcome::Unknown | Outcome::Stored => (RecordOutcome::Unknown, "not acknowledged in time"),
    };
    FailedRecord { index, outcome, reason }
}

/// The answer to a request all of whose records are stored.
#[must_use]
pub(super) fn accepted(records: usize) -> Response {
    let mut response = Response::new(Body::from(format!(r#"{{"accepted":{records}}}"#)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds what every answer of this route has.
pub(super) fn complete(response: &mut Response, request_id: &str, close: bool) {
    // An id is visible ASCII, which every header may hold.
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Failure;

    fn verdict(stored: u64, failures: &[(u32, Outcome)]) -> Verdict {
        let unknown = failures.iter().filter(|(_, outcome)| *outcome == Outcome::Unknown).count() as u64;
        Verdict {
            stored,
            not_stored: failures.len() as u64 - unknown,
            unknown,
            cause: Some(Cause::Refused),
            failures: failures
                .iter()
                .map(|(message, outcome)| Failure { message: *message, outcome: *outcome })
                .collect(),
        }
    }

    const REFUSED: Outcome = Outcome::NotStored(Cause::Refused);

    #[test]
    fn every_record_of_a_failed_message_is_named_in_order() {
        let members = [vec![0, 3], vec![1], vec![2, 4]];
        let failed = failures(&verdict(1, &[(2, REFUSED), (0, Outcome::Unknown)]), Some(&members));
        let told: Vec<_> = failed.records.iter().map(|record| (record.index, record.outcome)).collect();
        let (not, unknown) = (RecordOutcome::NotStored, RecordOutcome::Unknown);
        assert_eq!(told, [(0, unknown), (2, not), (3, unknown), (4, not)]);
        assert_eq!((failed.outcome, failed.stored), (RequestOutcome::Unknown, 1));
    }

    #[test]
    fn a_request_is_partly_stored_only_where_nothing_is_in_doubt() {
        assert_eq!(failures(&verdict(1, &[(0, REFUSED)]), None).outcome, RequestOutcome::Partial);
        assert_eq!(failures(&verdict(0, &[(0, REFUSED)]), None).outcome, RequestOutcome::NotStored);
        assert_eq!(failures(&verdict(0, &[(0, Outcome::Unknown)]), None).outcome, RequestOutcome::Unknown);
    }
}
