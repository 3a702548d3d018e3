//! The producer's id of a request, `X-Request-Id`. Pure.
//! It is taken over only where it can stand in a log line and a header.

use http::{HeaderMap, HeaderName};

/// The header that names a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id taken over, in bytes.
const LONGEST: usize = 128;

/// The producer's id of the request, where it has a usable one.
#[must_use]
pub(super) fn given(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let usable = !id.is_empty() && id.len() <= LONGEST && id.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then_some(id)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_id_is_visible_and_not_long() {
        let of = |id: &str| {
            let headers =
                HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap())]);
            given(&headers).is_some()
        };
        assert!(of("0f3a-7") && of(&"x".repeat(LONGEST)));
        assert!(!of("") && !of("a b") && !of("\u{e9}") && !of(&"x".repeat(LONGEST + 1)));
        assert_eq!(given(&HeaderMap::new()), None);
    }
}
