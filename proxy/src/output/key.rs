//! Where a record's key comes from, and the key found there.

use std::borrow::Cow;
use std::fmt;

use http::HeaderName;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sluice_wire::document::KeySource;

/// Where the keys of a stream's records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// A parameter of the report.
    Parameter(String),
    /// A header of the request; `None` where no header can have that name.
    Header(Option<HeaderName>),
    /// A place in the record, which is JSON: the names on the way there.
    Json(Vec<String>),
}

impl KeyRule {
    /// The rule that a stream's configuration says.
    #[must_use]
    pub fn new(source: &KeySource) -> Self {
        match source {
            KeySource::FromParameter(name) => Self::Parameter(name.clone()),
            KeySource::FromHeader(name) => Self::Header(name.parse().ok()),
            KeySource::FromJson(pointer) => {
                let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
                Self::Json(pointer.split('/').skip(1).map(unescape).collect())
            }
        }
    }
}

/// What stands in a JSON text at the end of `path`: a string's own text, or a number or truth value as it is
/// written. `None` where there is nothing, null, an object or an array, or the text is no JSON.
#[must_use]
pub fn in_json(json: &[u8], path: &[String]) -> Option<Vec<u8>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let found = Walk(path).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    found
}

/// Goes down one path of a JSON text and passes over everything beside it.
struct Walk<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<Vec<u8>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
            return Ok(scalar(raw.get()));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let Some((name, rest)) = self.0.split_first() else { return Ok(None) };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == *name {
                found = map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let Some((name, rest)) = self.0.split_first() else { return Ok(None) };
        // RFC 6901: an index has no leading zeros.
        let wanted = name.parse::<usize>().ok().filter(|index| index.to_string() == *name);
        for index in 0_usize.. {
            if wanted == Some(index) {
                match seq.next_element_seed(Walk(rest))? {
                    Some(element) => found = element,
                    None => break,
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn scalar(text: &str) -> Option<Vec<u8>> {
    match text.bytes().next()? {
        b'"' => serde_json::from_str::<String>(text).ok().map(String::into_bytes),
        b'{' | b'[' | b'n' => None,
        _ => Some(text.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(json: &str, pointer: &str) -> Option<String> {
        let KeyRule::Json(path) = KeyRule::new(&KeySource::FromJson(pointer.to_owned())) else {
            unreachable!()
        };
        in_json(json.as_bytes(), &path).map(|key| String::from_utf8(key).unwrap())
    }

    #[test]
    fn a_key_is_the_text_at_the_end_of_the_path() {
        let json = r#"{"a": {"b": ["x", {"c": "k\u00e9y"}]}, "n": 1.50, "t": true, "a/b": "s", "~": "t"}"#;
        for (pointer, expected) in [
            ("/a/b/1/c", "kéy"),
            ("/a/b/0", "x"),
            ("/n", "1.50"),
            ("/t", "true"),
            ("/a~1b", "s"),
            ("/~0", "t"),
        ] {
            assert_eq!(key(json, pointer).as_deref(), Some(expected), "{pointer}");
        }
        assert_eq!(key("\"whole\"", "").as_deref(), Some("whole"));
    }

    #[test]
    fn what_is_not_there_or_no_scalar_is_no_key() {
        let json = r#"{"a": {"b": [1]}, "z": null}"#;
        for pointer in ["/x", "/a", "/a/b", "/a/b/1", "/a/b/00", "/a/b/-", "/z", "/a/b/0/c", ""] {
            assert_eq!(key(json, pointer), None, "{pointer}");
        }
        for text in ["", "{", "text", r#"{"a": 1} x"#] {
            assert_eq!(key(text, "/a"), None, "{text}");
        }
    }

    #[test]
    fn depth_beside_the_path_costs_nothing() {
        let deep = format!(r#"{{"deep": {}{}, "k": 7}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(key(&deep, "/k").as_deref(), Some("7"));
    }
}
