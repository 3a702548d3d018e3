//! The objects of one file, and which object each is.
//! A file is taken whole or not at all: half a file would look like deleted resources.

use serde::de::DeserializeSeed;
use serde_json::Value;
use sluice_crds::{GROUP, Kind, VERSION};

use super::tree::{Budget, Tree};
use super::{Labels, NotText};
use crate::ObjectRef;

/// Largest number of documents in a file.
const DOCUMENTS_MAX: usize = 1_000;

/// Bound on the values of a file; see [`Budget`].
const UNITS_MAX: usize = 4 << 20;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parsed {
    pub(super) objects: Vec<(ObjectRef, Value)>,
    /// Documents of other API groups, each as kind and name.
    pub(super) foreign: Vec<String>,
    /// The Namespaces among these: name and labels.
    pub(super) namespaces: Vec<(String, Result<Labels, NotText>)>,
}

/// Why a file can't be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Line and column, or the number of the document and the field.
    pub(super) place: String,
    pub(super) message: String,
}

pub(super) fn parse(text: &[u8]) -> Result<Parsed, SyntaxError> {
    let text = std::str::from_utf8(text).map_err(|error| SyntaxError {
        place: format!("byte {}", error.valid_up_to() + 1),
        message: "not UTF-8".to_owned(),
    })?;
    if text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#')) {
        return Ok(Parsed::default());
    }
    let budget = Budget::new(UNITS_MAX);
    let mut parsed = Parsed::default();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        if index == DOCUMENTS_MAX {
            return Err(in_document(index, "", "too many documents in one file; split it"));
        }
        match Tree(&budget).deserialize(document).map_err(|error| syntax(&error))? {
            Value::Null => {}
            value if is_foreign(&value) => {
                parsed.foreign.push(name_of_foreign(&value));
                parsed.namespaces.extend(namespace(&value));
            }
            value => parsed.objects.push((identify(&value, index)?, value)),
        }
    }
    Ok(parsed)
}

fn syntax(error: &serde_yaml::Error) -> SyntaxError {
    let message = error.to_string();
    let Some(location) = error.location() else {
        return SyntaxError { place: String::new(), message };
    };
    // The text ends in the place, or goes on after it with the context; the place is told apart.
    let at = format!(" at line {} column {}", location.line(), location.column());
    SyntaxError {
        place: format!("line {}, column {}", location.line(), location.column()),
        message: message.replacen(&at, "", 1),
    }
}

fn in_document(index: usize, field: &str, message: &str) -> SyntaxError {
    let place = match field {
        "" => format!("document {}", index + 1),
        field => format!("document {}: {field}", index + 1),
    };
    SyntaxError { place, message: message.to_owned() }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The wrong text at a place, for the end of a message; nothing if there is none.
fn not(value: &Value, pointer: &str) -> String {
    text(value, pointer)
        .map(|text| format!(", not {:?}", text.chars().take(60).collect::<String>()))
        .unwrap_or_default()
}

/// Whether the document says of itself that it is of another API group.
fn is_foreign(value: &Value) -> bool {
    let group = text(value, "/apiVersion").map(|version| version.split_once('/').map_or("", |parts| parts.0));
    group.is_some_and(|group| group != GROUP)
        && text(value, "/kind").is_some_and(|kind| Kind::from_name(kind).is_none())
}

fn name_of_foreign(value: &Value) -> String {
    let kind = text(value, "/kind").unwrap_or("document");
    text(value, "/metadata/name").map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"))
}

/// Name and labels, where the document is a Namespace.
fn namespace(value: &Value) -> Option<(String, Result<Labels, NotText>)> {
    let is_one = text(value, "/apiVersion") == Some("v1") && text(value, "/kind") == Some("Namespace");
    let name = text(value, "/metadata/name").filter(|_| is_one)?;
    Some((name.to_owned(), labels(value.pointer("/metadata/labels").unwrap_or(&Value::Null))))
}

fn labels(value: &Value) -> Result<Labels, NotText> {
    let not_text = |field: String| NotText { field };
    match value {
        Value::Null => Ok(Labels::new()),
        Value::Object(labels) => {
            let texts = labels.iter().map(|(name, value)| {
                let label = value.as_str().map(|text| (name.clone(), text.to_owned()));
                label.ok_or_else(|| not_text(format!("metadata.labels.{name}")))
            });
            texts.collect()
        }
        _ => Err(not_text("metadata.labels".to_owned())),
    }
}

fn identify(value: &Value, index: usize) -> Result<ObjectRef, SyntaxError> {
    let wrong = |field: &str, message: String| in_document(index, field, &message);
    if !value.is_object() {
        return Err(wrong("", "not a resource; it must have apiVersion, kind, metadata and spec".to_owned()));
    }
    let version = format!("{GROUP}/{VERSION}");
    if text(value, "/apiVersion") != Some(&version) {
        return Err(wrong("apiVersion", format!("must be {version}{}", not(value, "/apiVersion"))));
    }
    let kinds = Kind::ALL.map(Kind::name).join(" or ");
    let kind = text(value, "/kind")
        .and_then(Kind::from_name)
        .ok_or_else(|| wrong("kind", format!("must be {kinds}{}", not(value, "/kind"))))?;
    let name = text(value, "/metadata/name").filter(|name| is_subdomain(name)).ok_or_else(|| {
        wrong("metadata.name", "must be a name of a-z, 0-9, - and ., at most 253 characters".to_owned())
    })?;
    let namespace = match value.pointer("/metadata/namespace") {
        None | Some(Value::Null) => "default",
        Some(namespace) => namespace.as_str().filter(|name| is_label(name)).ok_or_else(|| {
            wrong("metadata.namespace", "must be a name of a-z, 0-9 and -, at most 63 characters".to_owned())
        })?,
    };
    Ok(ObjectRef { kind, namespace: namespace.to_owned(), name: name.to_owned() })
}

/// A DNS label as Kubernetes wants it (RFC 1123).
fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_label_shaped(name)
}

/// A DNS subdomain as Kubernetes wants it (RFC 1123): labels joined by dots, together at most 253 characters.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label_shaped)
}

fn is_label_shaped(label: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}
