//! What went wrong, and how that is answered: the one place of this route's statuses (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use sluice_identity::{CHALLENGE, Denied};
use sluice_wire::code::Code;

use super::content::ContentError;
use super::decode::DecodeError;
use super::unpack::UnpackError;
use crate::intake::deliver::Refusal;
use crate::intake::form::FormError;
use crate::intake::read::ReadError;
use crate::sink::{BreakerOpen, Cause};

/// Why not every record of a request is stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("this node is shutting down; use another one")]
    Leaving,
    #[error("this node has no room at the moment")]
    NodeBusy,
    #[error("this node has no configuration yet")]
    NotConfigured,
    #[error("records are posted to /v1/groups/{{groupId}}/streams/{{streamId}}/records")]
    NoRoute,
    #[error("only POST is supported")]
    Method,
    #[error("there is no such groupId and streamId here")]
    NoStream,
    #[error("{0}")]
    Malformed(Cow<'static, str>),
    #[error("query: {0}")]
    Query(#[from] FormError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{}", .0.words())]
    Records(Failed),
}

/// What the records of a request came to that are not all stored.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) stored: u64,
    pub(super) outcome: RequestOutcome,
    /// Why the first of those not stored is not.
    pub(super) cause: Option<Cause>,
    pub(super) records: Vec<FailedRecord>,
}

/// What a request came to as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RequestOutcome {
    /// Surely nothing of it is stored.
    NotStored,
    /// It is known of every record, and some are stored.
    Partial,
    /// Of some records it is not known.
    Unknown,
}

/// A record that is not stored, or may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FailedRecord {
    pub(super) index: u32,
    pub(super) outcome: RecordOutcome,
    pub(super) reason: &'static str,
}

/// What one record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RecordOutcome {
    /// Surely not stored.
    NotStored,
    /// Stored or not.
    Unknown,
}

impl Failed {
    fn words(&self) -> &'static str {
        match self.outcome {
            RequestOutcome::NotStored => "no record was stored",
            RequestOutcome::Partial => "some records were not stored; send only those again",
            RequestOutcome::Unknown => {
                "it is not known of some records whether they are stored; sending those again may duplicate them"
            }
        }
    }
}

/// A problem's name, its status, InLong's code of the same meaning, and its title.
type Kind = (&'static str, StatusCode, Code, &'static str);

const MALFORMED: Kind = ("malformed", StatusCode::BAD_REQUEST, Code::Form, "The request can't be decoded");
const TOO_LONG: Kind = ("too-long", StatusCode::PAYLOAD_TOO_LARGE, Code::TooLong, "The request is too long");
const BUSY: Kind = ("busy", StatusCode::SERVICE_UNAVAILABLE, Code::Busy, "No room at the moment");

impl Problem {
    fn kind(&self) -> Kind {
        use StatusCode as S;
        match self {
            Self::Leaving => ("leaving", S::SERVICE_UNAVAILABLE, Code::Closed, "This node is leaving"),
            Self::NodeBusy => BUSY,
            Self::NotConfigured => {
                ("not-configured", S::SERVICE_UNAVAILABLE, Code::NotReady, "This node is not configured yet")
            }
            Self::NoRoute => ("not-found", S::NOT_FOUND, Code::Path, "No such path"),
            Self::Method => ("method", S::METHOD_NOT_ALLOWED, Code::Method, "Method not allowed"),
            Self::NoStream => ("no-stream", S::NOT_FOUND, Code::NoTopic, "No such stream"),
            Self::Malformed(_) | Self::Query(_) => MALFORMED,
            Self::Content(_) => {
                ("content", S::UNSUPPORTED_MEDIA_TYPE, Code::ContentType, "Content not supported")
            }
            Self::Read(error) => of_read(*error),
            Self::Unpack(UnpackError::Broken(_)) => MALFORMED,
            Self::Unpack(UnpackError::TooLong(_)) | Self::Decode(DecodeError::TooMany) => TOO_LONG,
            Self::Unpack(UnpackError::NoRoom(_)) => BUSY,
            Self::Decode(_) => MALFORMED,
            Self::Refused(refusal) => of_refusal(refusal),
            Self::Records(failed) => of_records(failed),
        }
    }

    /// InLong's code of the same meaning, under which it is counted.
    #[must_use]
    pub(super) fn code(&self) -> Code {
        self.kind().2
    }

    /// Its name, the same for every problem of the kind.
    #[must_use]
    pub(super) fn name(&self) -> &'static str {
        self.kind().0
    }

    /// Whether the connection ends with the answer: its request was not read to the end, or the node leaves.
    #[must_use]
    pub(super) fn closes(&self) -> bool {
        matches!(self, Self::Leaving | Self::NodeBusy | Self::Read(_))
    }

    /// When it is worth trying again.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(Refusal::OverQuota(over)) => Some(over.retry_after),
            Self::Refused(Refusal::Paused) => Some(Duration::from_secs(30)),
            Self::Refused(Refusal::NoTopic(_)) => Some(Duration::from_secs(5)),
            Self::Refused(Refusal::Breaker(_)) => Some(Duration::from_secs(BreakerOpen::RETRY_AFTER)),
            _ if self.kind().1 == StatusCode::SERVICE_UNAVAILABLE => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The HTTP response.
    #[must_use]
    pub(super) fn into_response(self, request_id: &str) -> Response {
        let (name, status, _, title) = self.kind();
        let (retry_after, closes, detail) = (self.retry_after(), self.closes(), self.to_string());
        let (outcome, stored, failed) = match self {
            Self::Records(failed) => (failed.outcome, Some(failed.stored), Some(failed.records)),
            _ => (RequestOutcome::NotStored, None, None),
        };
        let document = Document {
            r#type: format!("urn:sluice:problem:{name}"),
            title,
            status: status.as_u16(),
            detail,
            request_id,
            outcome,
            stored,
            failed,
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(after) = retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    request_id: &'a str,
    outcome: RequestOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Vec<FailedRecord>>,
}

fn of_read(error: ReadError) -> Kind {
    match error {
        ReadError::TooLong { .. } => TOO_LONG,
        ReadError::NoStream => ("no-stream", StatusCode::NOT_FOUND, Code::NoTopic, "No such stream"),
        ReadError::NoRoom => BUSY,
        ReadError::TooSlow => {
            ("too-slow", StatusCode::REQUEST_TIMEOUT, Code::Form, "The request came too slowly")
        }
        ReadError::Broken => MALFORMED,
    }
}

fn of_refusal(refusal: &Refusal) -> Kind {
    use StatusCode as S;
    match refusal {
        Refusal::Source(_) => ("source", S::FORBIDDEN, Code::Source, "Not taken from this client"),
        Refusal::Denied(Denied::NoKeys) => {
            ("no-keys", S::SERVICE_UNAVAILABLE, Code::NotReady, "Tokens can't be verified yet")
        }
        Refusal::Denied(Denied::Account) => {
            ("forbidden", S::FORBIDDEN, Code::Source, "Not taken from this service account")
        }
        Refusal::Denied(_) => ("credential", S::UNAUTHORIZED, Code::Source, "No good credential"),
        Refusal::Paused => ("paused", S::SERVICE_UNAVAILABLE, Code::Busy, "The stream is paused"),
        Refusal::NoTopic(_) => {
            ("no-topic", S::SERVICE_UNAVAILABLE, Code::NoTopic, "The stream's topic is not ready")
        }
        Refusal::TooLong(_) => TOO_LONG,
        Refusal::Headers => (
            "headers",
            S::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Code::TooLong,
            "The headers to be passed on are too long",
        ),
        Refusal::OverQuota(_) => ("quota", S::TOO_MANY_REQUESTS, Code::Busy, "Over the stream's quota"),
        Refusal::Share(_) | Refusal::NoRoom(_) => BUSY,
        Refusal::Breaker(_) => {
            ("breaker", S::SERVICE_UNAVAILABLE, Code::Busy, "The stream's topic is in trouble")
        }
    }
}

fn of_records(failed: &Failed) -> Kind {
    use StatusCode as S;
    match failed.outcome {
        RequestOutcome::NotStored => {
            let code = match failed.cause {
                Some(Cause::Busy) => Code::Busy,
                Some(Cause::NoTopic) => Code::NoTopic,
                Some(Cause::Refused) | None => Code::Refused,
            };
            ("not-stored", S::SERVICE_UNAVAILABLE, code, "No record was stored")
        }
        RequestOutcome::Partial => {
            ("partly-stored", S::SERVICE_UNAVAILABLE, Code::Unknown, "Some records were not stored")
        }
        RequestOutcome::Unknown => {
            ("unknown", S::GATEWAY_TIMEOUT, Code::Unknown, "Not known whether all records are stored")
        }
    }
}
