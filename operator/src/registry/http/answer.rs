//! Answers and refusals as responses, in the contract's JSON. What is the client's business is answered with 200 and
//! `success: false`, as InLong's own manager does; what never reached that has a status of its own.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use sluice_identity::{CHALLENGE, Denied};
use sluice_wire::heartbeat::Heard;

use super::Configuration;
use crate::body::Unread;

/// What a request is answered with.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is not answered with what it asks for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// There is nothing to give, for this reason.
    #[error("{0}")]
    Nothing(String),
    /// Nodes don't speak the protocol.
    #[error("protocolType {:?} is not spoken; HTTP is", .0.chars().take(16).collect::<String>())]
    Protocol(String),
    /// It can't be understood.
    #[error("{0}")]
    Bad(String),
    /// There is no such path.
    #[error("there is no such path")]
    NoPath,
    /// The path takes another method.
    #[error("this path takes POST alone")]
    Method,
    /// Only a node may ask that.
    #[error("this is answered on port 8443, to a pod's token")]
    NoToken,
    /// It shows nothing that a stream of the group asks for.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Others are being checked, as many as may wait.
    #[error("too many credentials are being checked; try again soon")]
    Busy,
    /// The body is not there.
    #[error(transparent)]
    Body(#[from] Unread),
    /// This operator has just started.
    #[error("which nodes there are is not known yet; try again soon")]
    NotYet,
}

impl Refusal {
    pub(super) fn bad(what: impl Into<String>) -> Self {
        Self::Bad(what.into())
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Nothing(_) | Self::Protocol(_) => StatusCode::OK,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NoPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoToken | Self::Denied(Denied::Account) => StatusCode::FORBIDDEN,
            Self::Denied(Denied::NoKeys) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Denied(_) => StatusCode::UNAUTHORIZED,
            Self::Body(unread) => unread.status(),
            Self::NotYet | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its kind, as the metric names it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "nothing",
            Self::Protocol(_) => "protocol",
            Self::Bad(_) | Self::Body(Unread::Broken) => "bad",
            Self::NoPath => "no_path",
            Self::Method => "method",
            Self::NoToken => "no_token",
            Self::Denied(_) => "denied",
            Self::Busy => "busy",
            Self::Body(Unread::TooLong(_)) => "too_long",
            Self::Body(Unread::TooSlow) => "too_slow",
            Self::NotYet => "not_yet",
        }
    }

    /// As a response: `success: false` and what is wrong.
    pub(super) fn answer(&self) -> Answer {
        let body = json!({"success": false, "errMsg": self.to_string(), "data": null});
        let mut answer = response(self.status(), body.to_string());
        match self {
            Self::Method => drop(answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"))),
            Self::Denied(Denied::NoKeys) | Self::NotYet | Self::Busy => {
                drop(answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1")));
            }
            Self::Denied(_) if answer.status() == StatusCode::UNAUTHORIZED => {
                answer.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
            }
            _ => {}
        }
        answer
    }
}

/// A value as the answer.
pub(super) fn json(value: &impl Serialize) -> Answer {
    // Plain data with string keys always has a JSON form.
    response(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default())
}

/// The answer to a heartbeat that was taken.
pub(super) fn heard() -> Answer {
    json(&Heard { success: true, err_msg: None, data: Some(true) })
}

/// A configuration, unless the caller has it: then nothing but the code that says so.
pub(super) fn config(configuration: &Configuration, md5: Option<&str>) -> Answer {
    // InLong's DataProxyConfigResponse: errCode 0 is a configuration, 1 none newer.
    if md5 == Some(&*configuration.md5) {
        return json(&json!({"success": true, "result": true, "errCode": 1}));
    }
    let text = std::str::from_utf8(&configuration.json).unwrap_or_default();
    match serde_json::from_str::<&RawValue>(text) {
        Ok(data) => json(&Config { success: true, result: true, err_code: 0, md5: &configuration.md5, data }),
        Err(error) => Refusal::Nothing(format!("the configuration can't be read: {error}")).answer(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    success: bool,
    result: bool,
    err_code: u8,
    md5: &'a str,
    data: &'a RawValue,
}

fn response(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    answer
}
