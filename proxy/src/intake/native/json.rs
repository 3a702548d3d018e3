//! JSON as it was sent: checked, taken apart, never written anew. Pure.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deep a record may nest.
pub(super) const MAX_DEPTH: usize = 128;

/// Why a text is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    /// It is no JSON.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// It nests deeper than [`MAX_DEPTH`].
    #[error("it nests deeper than {MAX_DEPTH}")]
    TooDeep,
    /// An array of more records than are taken.
    #[error("it has more than {0} records")]
    TooMany(usize),
}

/// Checks one value.
///
/// # Errors
/// [`JsonError::Syntax`], [`JsonError::TooDeep`].
pub(super) fn check(text: &str) -> Result<(), JsonError> {
    let _: IgnoredAny = serde_json::from_str(text)?;
    if is_too_deep(text.as_bytes()) { Err(JsonError::TooDeep) } else { Ok(()) }
}

/// The elements of an array, each as it is written, or the one value that is no array.
///
/// # Errors
/// [`JsonError`].
pub(super) fn elements(text: &str, most: usize) -> Result<Vec<&str>, JsonError> {
    let whole = text.trim_matches([' ', '\t', '\n', '\r']);
    if !whole.starts_with('[') {
        check(whole)?;
        return Ok(vec![whole]);
    }
    let mut deserializer = serde_json::Deserializer::from_str(whole);
    let elements = deserializer.deserialize_seq(Elements(most));
    let elements = elements.map_err(|error| match error.is_data() {
        true => JsonError::TooMany(most),
        false => JsonError::Syntax(error),
    })?;
    deserializer.end()?;
    let deep = elements.iter().any(|element| is_too_deep(element.as_bytes()));
    if deep { Err(JsonError::TooDeep) } else { Ok(elements) }
}

struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {} records", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            if elements.len() == self.0 {
                return Err(A::Error::custom("too many"));
            }
            elements.push(element.get());
        }
        Ok(elements)
    }
}

/// Whether valid JSON nests deeper than [`MAX_DEPTH`]. The parser passes over what it does not build without
/// a limit of its own.
fn is_too_deep(json: &[u8]) -> bool {
    // Most records have fewer brackets than that altogether.
    if memchr::memchr2_iter(b'{', b'[', json).nth(MAX_DEPTH).is_none() {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_as_they_were_written() {
        let text = " [ {\"a\" : 1.0 } ,\n\"x\\u00e9\", 1e2,[ 1, 2 ] ,null ]\n";
        let expected = ["{\"a\" : 1.0 }", "\"x\\u00e9\"", "1e2", "[ 1, 2 ]", "null"];
        assert_eq!(elements(text, 10).unwrap(), expected);
        assert_eq!(elements(" {\"a\": [1]} ", 10).unwrap(), ["{\"a\": [1]}"]);
        assert_eq!(elements("[]", 10).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "[1,]", "[1] x", "{\"a\":1} {}", "nul", "[\"\u{1}\"]", "01", "\"\\x\""] {
            assert!(matches!(elements(text, 10), Err(JsonError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn too_many_elements_are_refused_before_they_are_gathered() {
        assert!(matches!(elements("[1,2,3]", 2), Err(JsonError::TooMany(2))));
        assert_eq!(elements("[1,2]", 2).unwrap().len(), 2);
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(check(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep)));
        assert!(matches!(check(&nested(1_000_000)), Err(JsonError::TooDeep)));
        assert!(matches!(elements(&format!("[{}]", nested(MAX_DEPTH + 1)), 10), Err(JsonError::TooDeep)));
        assert!(elements(&format!("[{}]", nested(MAX_DEPTH)), 10).is_ok());
        let text = format!("\"{}\\\"{}\"", "[".repeat(500), "{".repeat(500));
        assert!(check(&text).is_ok());
    }

    proptest! {
        #[test]
        fn elements_parse_to_what_the_array_parses_to(numbers in prop::collection::vec(any::<(i32, String)>(), 0..20)) {
            let array = serde_json::to_string(&numbers).unwrap();
            let parsed: Vec<(i32, String)> =
                elements(&array, 100).unwrap().into_iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(parsed, numbers);
        }
    }
}
