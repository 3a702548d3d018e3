//! What a schema can't say: each rule once, as CEL for the API server and as Rust for local mode.
//! A rule looks at one object (and what it was before), never at others; those checks are the operator's.

mod access;
mod auth;
mod fleet;
mod record;
mod sidecar;
mod stream;
mod walk;

use serde_json::Value;

use crate::{Kind, Size, Span};

/// One rule on one place of a kind.
#[derive(Debug)]
pub struct Rule {
    /// Of which kind.
    pub kind: Kind,
    /// Where in the schema it stands: field names joined by dots, `[]` after a list; empty for the object
    /// as a whole. What stands there is CEL's `self`.
    pub path: &'static str,
    /// The field below `path` that is named when the rule is broken; empty for `path` itself.
    pub field: &'static str,
    /// The rule for the API server.
    pub cel: &'static str,
    /// What is wrong and what to do, for people.
    pub message: &'static str,
    /// The rule for local mode.
    pub twin: Twin,
}

/// A rule in Rust: true when it is kept. It sees JSON with defaults applied and nulls removed.
#[derive(Clone, Copy, Debug)]
pub enum Twin {
    /// Sees `self`.
    State(fn(&Value) -> bool),
    /// Sees `self` and `oldSelf`; it is not asked for a new object. Its path has no list in it.
    Change(fn(&Value, &Value) -> bool),
}

/// A rule that an object breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, such as `spec.sinks[0].kafka.deliveryTimeout`; empty for the object as a whole.
    pub field: String,
    /// The rule's message.
    pub message: &'static str,
}

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let fleets = fleet::RULES.iter().chain(sidecar::RULES);
    fleets.chain(stream::RULES).chain(record::RULES).chain(access::RULES).chain(auth::RULES)
}

/// The rules that `object` breaks, in the order of the table. Its fields must already fit the schema.
#[must_use]
pub fn broken(kind: Kind, object: &Value, old: Option<&Value>) -> Vec<Violation> {
    all().filter(|rule| rule.kind == kind).flat_map(|rule| rule.violations(object, old)).collect()
}

impl Rule {
    fn violations(&self, object: &Value, old: Option<&Value>) -> Vec<Violation> {
        let kept = |value: &Value| match self.twin {
            Twin::State(keeps) => keeps(value),
            Twin::Change(keeps) => old
                .and_then(|old| walk::places(old, self.path).into_iter().next())
                .is_none_or(|(_, old)| keeps(value, old)),
        };
        walk::places(object, self.path)
            .into_iter()
            .filter(|(_, value)| !kept(value))
            .map(|(place, _)| Violation { field: join(&place, self.field), message: self.message })
            .collect()
    }
}

fn join(place: &str, field: &str) -> String {
    match (place, field) {
        ("", field) => field.to_owned(),
        (place, "") => place.to_owned(),
        (place, field) => format!("{place}.{field}"),
    }
}

fn size_within(value: &Value, least: Size, most: Size) -> bool {
    Size::from_json(value).is_some_and(|size| (least..=most).contains(&size))
}

fn span_within(value: &Value, least: Span, most: Span) -> bool {
    value
        .as_str()
        .and_then(|text| text.parse::<Span>().ok())
        .is_some_and(|span| (least..=most).contains(&span))
}

#[cfg(test)]
mod tests;
