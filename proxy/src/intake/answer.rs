//! How the report path answers: the one place where a code becomes an HTTP response.
//!
//! Always 200 with `{"code":"<n>","msg":"<text>"}`, but for two things that are not the producer's
//! business: 503 while the node leaves, which makes InLong's SDK use another one, and 408 for a
//! request that came too slowly. A path that is none of InLong's is 404, for those who mean another route.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sluice_wire::code::Code;

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// An answer to a report.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// What it came to.
    pub(super) code: Code,
    /// The words, for people.
    pub(super) message: Cow<'static, str>,
    /// The number that means success on the stream: 0 or 1.
    pub(super) success: u8,
    /// The function to wrap the answer with.
    pub(super) callback: Option<String>,
    /// Whether the connection ends with it.
    pub(super) close: bool,
    /// Whether the request came too slowly.
    pub(super) too_slow: bool,
    /// Whether its path is none of InLong's.
    pub(super) not_found: bool,
}

impl Answer {
    /// An answer of that code in its usual words, on a connection that lives on unless the code ends it.
    #[must_use]
    pub(super) fn new(code: Code) -> Self {
        Self {
            code,
            message: Cow::Borrowed(words(code)),
            success: 0,
            callback: None,
            close: ends_connection(code),
            too_slow: false,
            not_found: false,
        }
    }

    /// The same in other words.
    #[must_use]
    pub(super) fn saying(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same, and the connection ends.
    #[must_use]
    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }

    fn status(&self) -> StatusCode {
        match self.code {
            Code::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ if self.too_slow => StatusCode::REQUEST_TIMEOUT,
            _ if self.not_found => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        }
    }

    fn body(&self) -> Body {
        let number = match self.code {
            Code::Ok => u16::from(self.success),
            code => code.number(),
        };
        if number == 0 && self.callback.is_none() {
            return Body::from(r#"{"code":"0","msg":"Ok"}"#);
        }
        let message = serde_json::Value::from(self.message.as_ref());
        let json = format!(r#"{{"code":"{number}","msg":{message}}}"#);
        Body::from(match &self.callback {
            Some(callback) => format!("{callback}({json})"),
            None => json,
        })
    }

    /// The HTTP response.
    #[must_use]
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(self.body());
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        if self.close {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        response
    }
}

/// Whether the connection ends with this code: nothing sensible can follow, or its body was not read.
const fn ends_connection(code: Code) -> bool {
    matches!(code, Code::Closed | Code::Form | Code::Method | Code::Path | Code::ContentType | Code::TooLong)
}

const fn words(code: Code) -> &'static str {
    match code {
        Code::Ok => "Ok",
        Code::Closed => "this node is shutting down; use another one",
        Code::NotReady => "this node has no configuration yet; try again later",
        Code::Source => "nothing was stored: the stream takes no reports from this client",
        Code::Form => "the form can't be decoded",
        Code::Method => "only GET and POST are supported",
        Code::Uri => "the path or query can't be decoded",
        Code::Path => {
            "only /dataproxy/message, /dataproxy/heartbeat, /v1/... and /openapi.json are served here"
        }
        Code::ContentType => {
            "only application/x-www-form-urlencoded in UTF-8, without Content-Encoding, is supported"
        }
        Code::GroupId => "groupId must be given and not blank",
        Code::StreamId => "streamId must be given and not blank",
        Code::BodyMissing => "body must be given",
        Code::TooLong => "body is too long",
        Code::BodyBlank => "body must not be blank",
        Code::Busy => "nothing was stored: no room at the moment; try again later",
        Code::NoTopic => "nothing was stored: no such groupId and streamId here",
        Code::Refused => "not stored: refused by Kafka",
        Code::Unknown => "it is not known whether this was stored; sending it again may duplicate it",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(answer: Answer) -> String {
        let bytes = answer.into_response().into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn success_is_the_number_of_the_stream() {
        assert_eq!(text(Answer::new(Code::Ok)).await, r#"{"code":"0","msg":"Ok"}"#);
        let one = Answer { success: 1, ..Answer::new(Code::Ok) };
        assert_eq!(text(one).await, r#"{"code":"1","msg":"Ok"}"#);
    }

    #[tokio::test]
    async fn an_error_keeps_its_number_on_a_stream_whose_success_is_one() {
        for code in Code::ALL.into_iter().filter(|code| *code != Code::Ok) {
            let answer = text(Answer { success: 1, ..Answer::new(code) }).await;
            assert!(answer.starts_with(&format!(r#"{{"code":"{}""#, code.number())), "{answer}");
        }
    }

    #[tokio::test]
    async fn any_message_is_valid_json_inside_a_callback_too() {
        let odd = Answer::new(Code::NoTopic).saying("a\"b\\c\n\u{1}</script>");
        let plain: serde_json::Value = serde_json::from_str(&text(odd.clone()).await).unwrap();
        assert_eq!(plain["msg"], "a\"b\\c\n\u{1}</script>");
        let wrapped = text(Answer { callback: Some("cb".to_owned()), ..odd }).await;
        let inner = wrapped.strip_prefix("cb(").unwrap().strip_suffix(')').unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(inner).unwrap(), plain);
    }

    #[test]
    fn only_leaving_and_slowness_are_other_than_200() {
        for code in Code::ALL {
            let expected = if code == Code::Closed { 503 } else { 200 };
            assert_eq!(Answer::new(code).into_response().status(), expected);
        }
        let slow = Answer { too_slow: true, ..Answer::new(Code::Form) };
        assert_eq!(slow.into_response().status(), 408);
    }
}
