//! What a CloudEvent (1.0) says of itself, read from its JSON form or from the headers of its binary mode.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use jiff::Timestamp;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_ATTRIBUTES;

/// The beginning of the headers of binary mode.
const PREFIX: &str = "ce-";
/// The most members of an event's JSON form; each becomes a header of its own in Kafka.
const MAX_MEMBERS: usize = 128;
/// How a parser says that there are more.
const TOO_MANY: &str = "too many attributes";
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The media type of its data.
    pub content_type: Option<Cow<'a, str>>,
    /// Its attributes, those that every event has first.
    pub attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its data.
    pub data: Cow<'a, [u8]>,
    /// When it happened, in milliseconds since the epoch.
    pub time: Option<i64>,
    /// What its producer wants to be its key (`partitionkey`).
    pub partition_key: Option<String>,
}

/// Why something is no CloudEvent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no JSON object.
    #[error("it is no JSON object")]
    NoObject,
    /// A batch is something else than an array.
    #[error("a batch is a JSON array")]
    NoArray,
    /// An attribute that every event has is not there.
    #[error("attribute {0:?} is missing or empty")]
    Missing(&'static str),
    /// It is an event of another version.
    #[error("specversion must be 1.0")]
    Version,
    /// An attribute's name is not of lower-case letters and digits.
    #[error("attribute names are lower-case letters and digits")]
    Name,
    /// An attribute's value is not one.
    #[error("attribute {0:?} must be a string, a truth value or an integer")]
    Value(String),
    /// `time` is no time.
    #[error("attribute \"time\" must be a time as RFC 3339 writes it")]
    Time,
    /// Data is given twice.
    #[error("it has both data and data_base64")]
    TwoData,
    /// `data_base64` is none.
    #[error("data_base64 is not base64")]
    Base64,
    /// It has more attributes than anybody reads.
    #[error("it has more than {MAX_MEMBERS} attributes")]
    TooMany,
    /// Its attributes are longer than anybody reads.
    #[error("its attributes are longer than {MAX_ATTRIBUTES} bytes")]
    TooLong,
}

impl EventError {
    fn of_json(error: &serde_json::Error) -> Self {
        if error.is_data() && error.to_string().starts_with(TOO_MANY) {
            Self::TooMany
        } else {
            Self::NoObject
        }
    }
}

/// The members of an event's JSON form; no more of them than an event may have are gathered.
struct Members<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            members.insert(name, value);
            if members.len() > MAX_MEMBERS {
                return Err(A::Error::custom(TOO_MANY));
            }
        }
        Ok(Members(members))
    }
}

/// Attributes as they come in, by name.
type Attributes<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

impl<'a> Event<'a> {
    /// Reads an event in its JSON form.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn from_json(json: &'a [u8]) -> Result<Self, EventError> {
        let Members(members) = serde_json::from_slice(json).map_err(|error| EventError::of_json(&error))?;
        let (mut attributes, mut content_type) = (Attributes::new(), None);
        let (mut data, mut base64) = (None, None);
        for (name, raw) in members {
            match &*name {
                "data" => data = Some(raw.get()),
                "data_base64" => base64 = Some(raw.get()),
                _ if raw.get() == "null" => {}
                "datacontenttype" => content_type = Some(text(&name, raw.get())?),
                _ => {
                    let value = text(&name, raw.get())?;
                    attributes.insert(name, value);
                }
            }
        }
        let data = match (data, base64) {
            (Some(_), Some(_)) => return Err(EventError::TwoData),
            (None, None) => Cow::Borrowed(&b""[..]),
            (None, Some(raw)) => Cow::Owned(decode(raw)?),
            (Some(raw), None) => {
                let kind = content_type.get_or_insert(Cow::Borrowed("application/json"));
                of_json(raw, kind)
            }
        };
        Self::new(attributes, content_type, data)
    }

    /// Reads an event from the headers of binary mode; the body is its data.
    ///
    /// # Errors
    /// [`EventError`].
    pub fn from_headers(headers: &'a HeaderMap, data: Cow<'a, [u8]>) -> Result<Self, EventError> {
        let mut attributes = Attributes::new();
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
            if matches!(name, "datacontenttype" | "data") {
                return Err(EventError::Value(name.to_owned()));
            }
            let text = value.to_str().map_err(|_| EventError::Value(name.to_owned()))?;
            attributes.insert(Cow::Borrowed(name), percent_decode(text));
        }
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Self::new(attributes, content_type.map(Cow::Borrowed), data)
    }

    fn new(
        mut given: Attributes<'a>,
        content_type: Option<Cow<'a, str>>,
        data: Cow<'a, [u8]>,
    ) -> Result<Self, EventError> {
        let length: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
        if length + content_type.as_ref().map_or(0, |kind| kind.len()) > MAX_ATTRIBUTES {
            return Err(EventError::TooLong);
        }
        let named = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !given.keys().all(|name| !name.is_empty() && named(name)) {
            return Err(EventError::Name);
        }
        let mut attributes = Vec::with_capacity(given.len());
        for name in REQUIRED {
            let value = given.remove(name).filter(|value| !value.is_empty());
            attributes.push((Cow::Borrowed(name), value.ok_or(EventError::Missing(name))?));
        }
        if attributes.first().is_some_and(|(_, version)| version != "1.0") {
            return Err(EventError::Version);
        }
        let time = given.get("time").map(|time| time.parse::<Timestamp>());
        let time = time.transpose().map_err(|_| EventError::Time)?.map(Timestamp::as_millisecond);
        let partition_key = given.get("partitionkey").map(|key| key.to_string());
        attributes.extend(given);
        Ok(Self { content_type, attributes, data, time, partition_key })
    }
}

/// An attribute's value as text: in JSON a string, a truth value or an integer.
fn text<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, EventError> {
    let scalar = raw == "true" || raw == "false" || raw.parse::<i32>().is_ok();
    if scalar {
        return Ok(Cow::Borrowed(raw));
    }
    serde_json::from_str::<String>(raw).map(Cow::Owned).map_err(|_| EventError::Value(name.to_owned()))
}

fn decode(raw: &str) -> Result<Vec<u8>, EventError> {
    let text: String = serde_json::from_str(raw).map_err(|_| EventError::Base64)?;
    STANDARD.decode(text).map_err(|_| EventError::Base64)
}

/// The bytes that `data` of the JSON form stands for: JSON as it is written, or, where the data is of
/// another type, a string's own text.
fn of_json<'a>(raw: &'a str, content_type: &str) -> Cow<'a, [u8]> {
    if !is_json(content_type)
        && let Ok(text) = serde_json::from_str::<String>(raw)
    {
        return Cow::Owned(text.into_bytes());
    }
    Cow::Borrowed(raw.as_bytes())
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.ends_with("/json") || kind.ends_with("+json")
}

/// Decodes the `%XX` of an attribute's header value. A `%` that begins none stands for itself, and a value that
/// would be no text is taken as it is: not every producer encodes what the binding wants encoded.
fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digit = |place: usize| char::from(*after.get(place)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#""specversion": "1.0", "id": "7", "source": "/shop", "type": "t""#;

    fn event(more: &str) -> Result<(Option<String>, Vec<u8>), EventError> {
        let json = format!("{{{PLAIN}{more}}}");
        let event = Event::from_json(json.as_bytes())?;
        Ok((event.content_type.map(Cow::into_owned), event.data.into_owned()))
    }

    #[test]
    fn data_is_json_as_written_or_text_or_bytes() {
        let of = |more: &str| event(more).unwrap();
        let json = || Some("application/json".to_owned());
        assert_eq!(of(r#", "data": {"a": 1.0 }"#), (json(), br#"{"a": 1.0 }"#.to_vec()));
        assert_eq!(of(r#", "data": "x""#), (json(), b"\"x\"".to_vec()));
        let text = of(r#", "datacontenttype": "text/plain", "data": "a\nb""#);
        assert_eq!(text, (Some("text/plain".to_owned()), b"a\nb".to_vec()));
        let bytes = of(r#", "datacontenttype": "image/png", "data_base64": "/wA=""#);
        assert_eq!(bytes, (Some("image/png".to_owned()), vec![0xff, 0]));
        assert_eq!(of(""), (None, Vec::new()));
        assert_eq!(of(r#", "subject": null, "data": null"#), (json(), b"null".to_vec()));
    }

    #[test]
    fn attributes_begin_with_those_of_every_event() {
        let json = format!(
            r#"{{"n": 3, "b": true, {PLAIN}, "time": "2026-11-21T10:00:00.5+01:00", "partitionkey": "k"}}"#
        );
        let event = Event::from_json(json.as_bytes()).unwrap();
        let names: Vec<_> = event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let first = ["specversion=1.0", "id=7", "source=/shop", "type=t", "b=true", "n=3", "partitionkey=k"];
        assert_eq!(names[..7], first);
        assert_eq!(event.time, Some(1_795_251_600_500));
        assert_eq!(event.partition_key.as_deref(), Some("k"));
    }

    #[test]
    fn what_is_no_event_says_why() {
        for (more, error) in [
            (r#", "specversion": "0.3""#, EventError::Version),
            (r#", "id": """#, EventError::Missing("id")),
            (r#", "type": null"#, EventError::Missing("type")),
            (r#", "Big": "x""#, EventError::Name),
            (r#", "x": {}"#, EventError::Value("x".to_owned())),
            (r#", "x": 1.5"#, EventError::Value("x".to_owned())),
            (r#", "time": "yesterday""#, EventError::Time),
            (r#", "data": 1, "data_base64": """#, EventError::TwoData),
            (r#", "data_base64": "?""#, EventError::Base64),
        ] {
            assert_eq!(event(more).unwrap_err(), error, "{more}");
        }
        assert_eq!(Event::from_json(b"[]").unwrap_err(), EventError::NoObject);
        let many: String = (0..MAX_MEMBERS).map(|n| format!(r#", "x{n}": """#)).collect();
        assert_eq!(event(&many).unwrap_err(), EventError::TooMany);
        let long = format!(r#", "x": "{}""#, "y".repeat(MAX_ATTRIBUTES));
        assert_eq!(event(&long).unwrap_err(), EventError::TooLong);
    }

    #[test]
    fn binary_mode_is_headers_and_a_body() {
        let headers: HeaderMap = [
            ("ce-specversion", "1.0"),
            ("ce-id", "a%20%C3%A9"),
            ("ce-source", "/s"),
            ("ce-type", "t"),
            ("content-type", "text/plain; charset=utf-8"),
            ("accept", "*/*"),
        ]
        .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
        .into_iter()
        .collect();
        let event = Event::from_headers(&headers, Cow::Borrowed(b"x")).unwrap();
        assert_eq!(event.attributes[1], (Cow::Borrowed("id"), Cow::Borrowed("a é")));
        assert_eq!(event.attributes.len(), 4);
        assert_eq!(event.content_type.as_deref(), Some("text/plain; charset=utf-8"));
        assert_eq!(percent_decode("50% of a%20b %zz %e"), "50% of a b %zz %e");
        assert_eq!(percent_decode("%ff"), "%ff");
        let none = HeaderMap::new();
        let missing = Event::from_headers(&none, Cow::Borrowed(b"")).unwrap_err();
        assert_eq!(missing, EventError::Missing("specversion"));
    }
}
