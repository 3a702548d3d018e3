//! In which form a request's records come, by its headers. Pure.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::intake::content::is_utf8;

/// The form of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
}

/// What the body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One JSON value, or an array of records.
    Json,
    /// A JSON value a line.
    Ndjson,
    /// A record a line.
    Text,
    /// One record.
    Bytes,
    /// One CloudEvent as JSON.
    Event,
    /// An array of CloudEvents as JSON.
    Events,
    /// The data of one CloudEvent, whose attributes are headers.
    EventData,
}

/// How the body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// A form that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ContentError {
    #[error(
        "Content-Type must be application/json, application/x-ndjson, text/plain, application/octet-stream, application/cloudevents+json or application/cloudevents-batch+json, or the request a CloudEvent in binary mode"
    )]
    Type,
    #[error("the charset must be utf-8")]
    Charset,
    #[error("Content-Encoding must be one of gzip, zstd and identity")]
    Encoding,
}

impl Content {
    /// The form that the headers tell.
    ///
    /// # Errors
    /// [`ContentError`].
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ContentError> {
        Ok(Self { kind: kind(headers)?, encoding: encoding(headers)? })
    }
}

impl Kind {
    /// The media type of one record; `None` where each record says its own.
    #[must_use]
    pub(super) const fn of_a_record(self) -> Option<&'static str> {
        match self {
            Self::Json | Self::Ndjson => Some("application/json"),
            Self::Text => Some("text/plain"),
            Self::Bytes => Some("application/octet-stream"),
            Self::Event | Self::Events | Self::EventData => None,
        }
    }
}

impl Encoding {
    /// The longest body worth reading for one that unpacks to `limit` bytes. What can't be compressed grows a
    /// little by it.
    #[must_use]
    pub(super) const fn longest(self, limit: usize) -> usize {
        match self {
            Self::Identity => limit,
            Self::Gzip | Self::Zstd => limit.saturating_add(limit / 64 + 1_024),
        }
    }
}

fn kind(headers: &HeaderMap) -> Result<Kind, ContentError> {
    let text = headers.get(CONTENT_TYPE).map(HeaderValue::to_str).transpose();
    let text = text.map_err(|_| ContentError::Type)?.unwrap_or_default();
    let (media, parameters) = text.split_once(';').unwrap_or((text, ""));
    let media = media.trim().to_ascii_lowercase();
    let kind = match media.as_str() {
        "application/cloudevents+json" => Kind::Event,
        "application/cloudevents-batch+json" => Kind::Events,
        // In binary mode the media type is that of the event's data, and may be any or none.
        _ if is_event(headers) => return Ok(Kind::EventData),
        "application/json" => Kind::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Kind::Ndjson,
        "text/plain" => Kind::Text,
        "application/octet-stream" => Kind::Bytes,
        _ => return Err(ContentError::Type),
    };
    let fits = kind == Kind::Bytes || parameters.split(';').all(is_utf8);
    if fits { Ok(kind) } else { Err(ContentError::Charset) }
}

/// Whether any attribute that every event has is among the headers: what is missing is then told, and the others
/// are not lost in silence.
fn is_event(headers: &HeaderMap) -> bool {
    ["ce-specversion", "ce-id", "ce-source", "ce-type"].into_iter().any(|name| headers.contains_key(name))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, ContentError> {
    let mut all = headers.get_all(CONTENT_ENCODING).iter();
    let Some(first) = all.next() else { return Ok(Encoding::Identity) };
    let one = first.to_str().map_err(|_| ContentError::Encoding)?.trim().to_ascii_lowercase();
    match (one.as_str(), all.next()) {
        ("" | "identity", None) => Ok(Encoding::Identity),
        ("gzip" | "x-gzip", None) => Ok(Encoding::Gzip),
        ("zstd", None) => Ok(Encoding::Zstd),
        _ => Err(ContentError::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> Result<Content, ContentError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Content::of(&headers)
    }

    fn kind_of(content_type: &'static str) -> Result<Kind, ContentError> {
        of(&[("content-type", content_type)]).map(|content| content.kind)
    }

    #[test]
    fn a_media_type_is_known_in_any_case_and_with_a_charset_of_utf8() {
        for (text, kind) in [
            ("application/json", Kind::Json),
            ("Application/JSON; charset=UTF-8", Kind::Json),
            ("application/x-ndjson", Kind::Ndjson),
            ("application/jsonl", Kind::Ndjson),
            ("text/plain;charset=us-ascii", Kind::Text),
            ("application/octet-stream", Kind::Bytes),
            ("application/cloudevents+json; charset=utf-8", Kind::Event),
            ("application/cloudevents-batch+json", Kind::Events),
        ] {
            assert_eq!(kind_of(text), Ok(kind), "{text}");
        }
        assert_eq!(kind_of("application/json; charset=gbk"), Err(ContentError::Charset));
        for text in ["", "text/html", "application/x-www-form-urlencoded", "application/xml"] {
            assert_eq!(kind_of(text), Err(ContentError::Type), "{text}");
        }
    }

    #[test]
    fn a_request_with_the_headers_of_an_event_is_one_whatever_its_type() {
        for content_type in ["text/html; charset=latin1", "application/json", ""] {
            let content = of(&[("ce-specversion", "1.0"), ("content-type", content_type)]).unwrap();
            assert_eq!(content.kind, Kind::EventData, "{content_type}");
        }
        let structured = [("ce-specversion", "1.0"), ("content-type", "application/cloudevents+json")];
        assert_eq!(of(&structured).unwrap().kind, Kind::Event);
    }

    #[test]
    fn one_encoding_is_taken_and_no_more() {
        let encoding = |values: &[&'static str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("content-encoding", *value)).collect();
            of(&[&[("content-type", "text/plain")], &pairs[..]].concat()).map(|content| content.encoding)
        };
        assert_eq!(encoding(&[]), Ok(Encoding::Identity));
        assert_eq!(encoding(&["identity"]), Ok(Encoding::Identity));
        assert_eq!(encoding(&[" GZip "]), Ok(Encoding::Gzip));
        assert_eq!(encoding(&["zstd"]), Ok(Encoding::Zstd));
        for odd in [&["br"][..], &["gzip, gzip"], &["gzip", "zstd"], &["identity", "gzip"]] {
            assert_eq!(encoding(odd), Err(ContentError::Encoding), "{odd:?}");
        }
    }
}
