//! Answers and refusals as responses, in the contract's JSON and with its headers.

use std::collections::BTreeSet;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, EXPIRES, PRAGMA, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::callers::Stranger;
use crate::body::Unread;
use crate::poll::board::Served;

/// What a request is answered with.
pub(super) type Answer = Response<Full<Bytes>>;

/// Shorter answers are not worth compressing.
const MIN_GZIP: usize = 256;

/// Why a request is not answered with what it asks for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It can't be understood.
    #[error("{0}")]
    Bad(String),
    /// There is no such path.
    #[error("there is no such path")]
    NoPath,
    /// The path is not for this method.
    #[error("this path takes {0} alone")]
    Method(&'static str),
    /// Nothing is served under the space's name.
    #[error("nothing is served under namespaceId {0:?}")]
    NoSpace(String),
    /// The body is no form.
    #[error("the body has to be application/x-www-form-urlencoded, not compressed")]
    NoForm,
    /// The body is not there.
    #[error(transparent)]
    Body(#[from] Unread),
    /// The caller did not say who it is, in a way that can be believed.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// The caller has no right to what it asks for.
    #[error("{0}")]
    Forbidden(String),
    /// Name or password are wrong.
    #[error("userName or password is wrong")]
    WrongLogin,
    /// The token is missing, wrong or too old.
    #[error("X-Access-Token is missing, wrong or too old; log in at /platform/login")]
    NoToken,
    /// Something is not there yet that will be.
    #[error("{0}; try again soon")]
    NotYet(&'static str),
}

impl Refusal {
    pub(super) fn bad(what: impl Into<String>) -> Self {
        Self::Bad(what.into())
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NoPath | Self::NoSpace(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(unread) => unread.status(),
            Self::WrongLogin | Self::NoToken | Self::Stranger(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotYet(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// As a response: the status, and in the body the same number and what is wrong.
    pub(super) fn answer(&self) -> Answer {
        let status = self.status();
        let body = json!({"code": status.as_u16(), "message": self.to_string()});
        let mut answer = response(status, Bytes::from(body.to_string()));
        let headers = answer.headers_mut();
        match self {
            Self::Method(method) => drop(headers.insert(ALLOW, HeaderValue::from_static(method))),
            Self::Stranger(_) => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::NotYet(_) => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => {}
        }
        answer
    }
}

/// An answer of the contract with `data`.
pub(super) fn success(message: &str, data: &Value) -> Answer {
    response(StatusCode::OK, json!({"code": 200, "message": message, "data": data}).to_string().into())
}

/// The answer of the listener: the names of groups.
pub(super) fn changed(groups: &BTreeSet<String>) -> Answer {
    success("success", &json!(groups))
}

/// An answer whose body is made already.
pub(super) fn prepared(body: Bytes, gzip: bool) -> Answer {
    let mut answer = response(StatusCode::OK, body);
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// The body of fetch's answer: the groups in the order asked, each with its content as it was written.
pub(super) fn body(groups: &[String], served: &[Served]) -> Vec<u8> {
    let length: usize = served.iter().map(|served| served.content.bytes.len() + 192).sum();
    let mut body = Vec::with_capacity(64 + length);
    body.extend_from_slice(br#"{"code":200,"message":"success","data":{"#);
    for (index, (group, served)) in groups.iter().zip(served).enumerate() {
        // Neither a group's name nor a digest has anything that JSON would write otherwise.
        let (md5, time) = (&served.content.md5, served.last_modify_time);
        let comma = if index > 0 { "," } else { "" };
        let head = format!(r#"{comma}"{group}":{{"md5":"{md5}","lastModifyTime":{time},"data":"#);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&served.content.bytes);
        body.push(b'}');
    }
    body.extend_from_slice(b"}}");
    body
}

/// The body compressed, unless that is not worth it.
pub(super) fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < MIN_GZIP {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

fn response(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("0"));
    answer
}
