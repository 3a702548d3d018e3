//! What a request says its content is. Pure.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

/// What a request's body is to the report path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There is none, or none that says its type: it is not read.
    None,
    /// A form in UTF-8.
    Form,
    /// Anything else.
    Other,
}

const FORM: &str = "application/x-www-form-urlencoded";

/// What the request's body is.
#[must_use]
pub(super) fn of(headers: &HeaderMap) -> Content {
    if !has_body(headers) {
        return Content::None;
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return Content::None };
    if is_form(content_type) && !is_encoded(headers) { Content::Form } else { Content::Other }
}

/// Whether the request has a body that is not empty, as far as its head tells.
#[must_use]
pub(super) fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0")
}

/// Whether the client sends its body only once it is asked to (`Expect: 100-continue`).
#[must_use]
pub(super) fn asks_first(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn is_form(content_type: &HeaderValue) -> bool {
    if content_type.as_bytes() == FORM.as_bytes() {
        return true;
    }
    let Ok(text) = content_type.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_form = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(FORM));
    is_form && parts.all(is_utf8)
}

/// Whether a parameter of a media type leaves its text in UTF-8: a `charset` must; others say nothing.
#[must_use]
pub(super) fn is_utf8(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return true };
    let value = value.trim().trim_matches('"');
    let utf8 = ["utf-8", "utf8", "us-ascii"];
    !name.trim().eq_ignore_ascii_case("charset") || utf8.iter().any(|known| known.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &'static str)]) -> Content {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        of(&headers)
    }

    fn typed(content_type: &'static str) -> Content {
        with(&[("content-length", "3"), ("content-type", content_type)])
    }

    #[test]
    fn a_form_is_known_in_any_case_and_with_a_charset_of_utf8() {
        for text in [
            FORM,
            " Application/X-WWW-Form-Urlencoded ",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "application/x-www-form-urlencoded;charset=\"utf-8\"",
            "application/x-www-form-urlencoded; charset=us-ascii; x=y",
        ] {
            assert_eq!(typed(text), Content::Form, "{text}");
        }
    }

    #[test]
    fn another_type_or_charset_is_other() {
        for text in ["text/plain", "", "application/x-www-form-urlencoded; charset=gbk", "application/json"] {
            assert_eq!(typed(text), Content::Other, "{text}");
        }
    }

    #[test]
    fn an_encoded_form_is_other() {
        let encoded = |encoding| {
            with(&[("content-length", "3"), ("content-type", FORM), ("content-encoding", encoding)])
        };
        assert_eq!(encoded("gzip"), Content::Other);
        assert_eq!(encoded("identity"), Content::Form);
    }

    #[test]
    fn without_a_body_or_a_type_there_is_none() {
        assert_eq!(with(&[("content-type", "text/plain")]), Content::None);
        assert_eq!(with(&[("content-length", "0"), ("content-type", "text/plain")]), Content::None);
        assert_eq!(with(&[("content-length", "3")]), Content::None);
        assert_eq!(with(&[("transfer-encoding", "chunked"), ("content-type", FORM)]), Content::Form);
    }
}
