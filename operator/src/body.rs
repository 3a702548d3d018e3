//! A request's body as long polling and discovery take it: read whole, bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::time::timeout;

/// How long a body may be on its way.
const WITHIN: Duration = Duration::from_secs(10);

/// Why a body is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// It is longer than so many bytes.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// It did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// It ended early.
    #[error("the body did not come whole")]
    Broken,
}

impl Unread {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole body, of at most `longest` bytes.
pub(crate) async fn read<B>(body: B, longest: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(WITHIN, Limited::new(body, longest).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLong(longest)),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::TooSlow),
    }
}

/// Whether a body is a form, in the plain.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") && !headers.contains_key(CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_form_in_the_plain_is_one() {
        let headers = |kind: &str, encoding: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
            }
            headers
        };
        assert!(is_form(&headers("application/x-www-form-urlencoded; charset=UTF-8", None)));
        assert!(!is_form(&headers("application/x-www-form-urlencoded", Some("gzip"))));
        assert!(!is_form(&headers("application/json", None)));
        assert!(!is_form(&HeaderMap::new()));
    }
}
