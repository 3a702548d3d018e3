//! A number of bytes, written as Kubernetes writes quantities: `65536`, `64Ki`, `1Gi`.
//! It reads and writes sizes; which sizes are allowed where is the rules' business.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use thiserror::Error;

/// What a size looks like as a string.
pub const PATTERN: &str = "^[0-9]{1,15}(k|M|G|T|Ki|Mi|Gi|Ti)?$";

/// The suffixes and what they multiply by.
const SUFFIXES: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

/// A number of bytes. It reads an integer or a string such as `64Ki` and writes an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// `count` times 1024 bytes.
    #[must_use]
    pub const fn kibi(count: u64) -> Self {
        Self(count << 10)
    }

    /// `count` times 1024 x 1024 bytes.
    #[must_use]
    pub const fn mebi(count: u64) -> Self {
        Self(count << 20)
    }

    /// `count` times 1024 x 1024 x 1024 bytes.
    #[must_use]
    pub const fn gibi(count: u64) -> Self {
        Self(count << 30)
    }

    /// Reads a size out of what stands in a document; nothing if it is none.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Number(number) => {
                number.as_u64().or_else(|| number.as_f64().and_then(whole)).map(Self)
            }
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The API server takes a number written with a fraction of zero or an exponent for an integer and keeps it so.
fn whole(value: f64) -> Option<u64> {
    // Its text is exact and has neither.
    value.to_string().parse().ok()
}

/// A string that is no size.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a size such as 65536, 64Ki or 1Gi")]
pub struct NotASize;

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let end = text.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, suffix) = text.split_at(end);
        if !(1..=15).contains(&digits.len()) {
            return Err(NotASize);
        }
        let unit = match suffix {
            "" => 1,
            _ => SUFFIXES.iter().find(|(name, _)| *name == suffix).ok_or(NotASize)?.1,
        };
        let count: u64 = digits.parse().map_err(|_| NotASize)?;
        count.checked_mul(unit).map(Self).ok_or(NotASize)
    }
}

impl fmt::Display for Size {
    /// The shortest exact form, such as `64Ki`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SUFFIXES[..4].iter().rev();
        for (suffix, unit) in binary {
            if self.0 >= *unit && self.0.is_multiple_of(*unit) {
                return write!(f, "{}{suffix}", self.0 / unit);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 65536 or 64Ki")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Size, E> {
                u64::try_from(value).map(Size).map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Size, E> {
                whole(value).map(Size).ok_or_else(|| E::custom(NotASize))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Size, E> {
                value.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": PATTERN,
            "maxLength": 17,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_every_suffix_and_without() {
        let cases = [
            ("0", 0),
            ("65536", 65_536),
            ("64Ki", 65_536),
            ("20Mi", 20_971_520),
            ("1Gi", 1 << 30),
            ("2Ti", 2 << 40),
            ("5k", 5_000),
            ("5M", 5_000_000),
            ("5G", 5_000_000_000),
            ("5T", 5_000_000_000_000),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "Ki", "-1", "+1", "1.5Mi", "64ki", "64 Ki", "64KiB", "9999999999999999", "999999999999999Ti"]
        {
            assert_eq!(text.parse::<Size>(), Err(NotASize), "{text}");
        }
    }

    #[test]
    fn a_size_reads_as_integer_or_string_and_shows_short() {
        assert_eq!(serde_json::from_str::<Size>("65536").unwrap(), Size::kibi(64));
        assert_eq!(serde_json::from_str::<Size>("\"64Ki\"").unwrap(), Size::kibi(64));
        assert_eq!(serde_json::from_str::<Size>("65536.0").unwrap(), Size::kibi(64));
        assert_eq!(Size::from_json(&serde_json::json!(6.5536e4)), Some(Size::kibi(64)));
        for odd in ["-1", "-1.0", "1.5", "1e300", "true"] {
            assert!(serde_json::from_str::<Size>(odd).is_err(), "{odd}");
        }
        assert_eq!(Size::kibi(64).to_string(), "64Ki");
        assert_eq!(Size::mebi(20).to_string(), "20Mi");
        assert_eq!(Size(1_500).to_string(), "1500");
    }
}
