//! What a request shows of who sent it: its Authorization header.
//! It judges nothing, and what it holds is a secret: it has no form for logs.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::MAX_TOKEN;

/// Base64 as clients write it, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a request is asked to show something: the value of WWW-Authenticate (RFC 6750, 3).
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"sluice\"");

/// What a request shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Nothing.
    None,
    /// A token: `Bearer` (RFC 6750).
    Bearer(&'a str),
    /// InLong's `secretId` and `secretKey`: `Basic` (RFC 7617).
    Basic {
        /// What the secret is called.
        id: String,
        /// The secret.
        secret: String,
    },
    /// Neither of both, or more than one.
    Unreadable,
}

impl<'a> Credential<'a> {
    /// What a request with these headers shows.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Self {
        Self::read(headers.get_all(AUTHORIZATION).into_iter().map(HeaderValue::as_bytes))
    }

    /// Reads the values of a request's Authorization headers.
    fn read(mut values: impl Iterator<Item = &'a [u8]>) -> Self {
        let Some(first) = values.next() else { return Self::None };
        match (values.next(), std::str::from_utf8(first)) {
            (None, Ok(text)) if first.len() <= MAX_TOKEN => Self::parse(text).unwrap_or(Self::Unreadable),
            _ => Self::Unreadable,
        }
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") && !rest.is_empty() {
            return Some(Self::Bearer(rest));
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let pair = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        Some(Self::Basic { id: id.to_owned(), secret: secret.to_owned() })
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bearer(_) => "Bearer",
            Self::Basic { .. } => "Basic",
            Self::Unreadable => "Unreadable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(values: &[&'a str]) -> Credential<'a> {
        Credential::read(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn a_token_and_a_pair_are_read_in_any_case_of_their_scheme() {
        assert_eq!(read(&[]), Credential::None);
        for value in ["Bearer abc", "bearer  abc", "BEARER abc "] {
            assert_eq!(read(&[value]), Credential::Bearer("abc"), "{value}");
        }
        let basic =
            |id: &str, secret: &str| Credential::Basic { id: id.to_owned(), secret: secret.to_owned() };
        // a:b:c, a:b with padding and without, and a pair without a secret.
        assert_eq!(read(&["Basic YTpiOmM="]), basic("a", "b:c"));
        assert_eq!(read(&["basic YTpiOmM"]), basic("a", "b:c"));
        assert_eq!(read(&["Basic YTo="]), basic("a", ""));
    }

    #[test]
    fn anything_else_is_unreadable() {
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN));
        for values in [
            &["Bearer"][..],
            &["Bearer "],
            &[""],
            &["abc"],
            &["Digest abc"],
            &["Basic YWJj"],
            &["Basic !!"],
            &["Basic /w=="],
            &["Bearer a", "Bearer a"],
            &[&long],
        ] {
            assert_eq!(read(values), Credential::Unreadable, "{values:?}");
        }
    }

    #[test]
    fn it_shows_nothing_of_itself() {
        let basic = Credential::Basic { id: "id".to_owned(), secret: "marker".to_owned() };
        for credential in [Credential::Bearer("marker"), basic] {
            assert!(!format!("{credential:?}").contains("marker"));
        }
    }
}
