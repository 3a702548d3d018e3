//! Words for what a schema refuses: the field as people write it, and what would be right.
//! It only words; what is refused, the schema says.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;
use sluice_crds::pattern;

use super::Fault;

/// Longest piece of a wrong value that is repeated, in characters.
const SHOWN_MAX: usize = 60;

/// What the schema refuses, in words.
pub(super) fn fault(error: &ValidationError<'_>) -> Fault {
    let field = path(error.instance_path());
    match error.kind() {
        ValidationErrorKind::Required { property } => Fault {
            field: join(&field, property.as_str().unwrap_or_default()),
            message: "is missing".to_owned(),
        },
        kind => {
            Fault { field, message: message(kind, error.instance()).unwrap_or_else(|| error.to_string()) }
        }
    }
}

/// A field below another, as people write it.
pub(super) fn join(path: &str, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path, plain) {
        (_, false) => format!("{path}[{name:?}]"),
        ("", true) => name.to_owned(),
        (path, true) => format!("{path}.{name}"),
    }
}

fn path(location: &Location) -> String {
    location.iter().fold(String::new(), |path, segment| match segment {
        LocationSegment::Property(name) => join(&path, &name),
        LocationSegment::Index(index) => format!("{path}[{index}]"),
    })
}

fn message(kind: &ValidationErrorKind, value: &Value) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Pattern { pattern } => format!("{} {}", shown(value), pattern::words(pattern)?),
        ValidationErrorKind::Type { kind } => format!("must be {}, not {}", types(kind), shown(value)),
        ValidationErrorKind::Enum { options } => {
            format!("must be {}, not {}", choices(options), shown(value))
        }
        ValidationErrorKind::Minimum { limit } => {
            format!("must be at least {}, not {}", whole(limit), shown(value))
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("must be at most {}, not {}", whole(limit), shown(value))
        }
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} entries"),
        ValidationErrorKind::MinProperties { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxProperties { limit } => format!("must have at most {limit} entries"),
        _ => return None,
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        value => {
            let text = value.to_string();
            let cut: String = text.chars().take(SHOWN_MAX).collect();
            if cut.len() < text.len() { format!("{cut}…") } else { cut }
        }
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => article(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.into_iter().map(article).collect::<Vec<_>>().join(" or "),
    }
}

const fn article(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    }
}

fn choices(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options
        .iter()
        .map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// A bound of a definition is a float; people read `65535`, not `65535.0`.
fn whole(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
