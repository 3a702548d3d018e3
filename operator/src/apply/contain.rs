//! Whether an object has all that it should have, whatever else the API server and others added.
//!
//! The API server gives back more than it was given (defaults), leaves out what says nothing (an empty map, a
//! `false` that is the default anyway) and writes amounts in its own form. None of that is a difference: it
//! would be written again and again.

mod hash;

use serde_json::{Map, Value};
use sluice_crds::quantity::nanos;

pub use hash::hash;

/// Fields under which every value is an amount, such as `500m`, and equal amounts may be written in several ways.
const AMOUNTS: [&str; 4] = ["resources", "sizeLimit", "overhead", "divisor"];

/// Fields whose `false` or 0 the API server leaves out, since it is what they are without being set. Only
/// those that pod templates and Services have; fields not named here come back as they were sent.
const UNSET_WHEN_ZERO: [&str; 12] = [
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "initialDelaySeconds",
    "minReadySeconds",
    "nodePort",
    "publishNotReadyAddresses",
    "readOnly",
    "stdin",
    "stdinOnce",
    "tty",
];

/// Fields for which the API server takes a 0 as not set, and sets its own default.
const DEFAULT_WHEN_ZERO: [&str; 4] =
    ["failureThreshold", "periodSeconds", "successThreshold", "timeoutSeconds"];

/// Whether all of `desired` is in `live`. Maps may have further keys. A list of objects may have further ones,
/// in any order, as the API merges such lists by key; a list of plain values is compared whole, as its order
/// mostly means something. Empty, null and absent are alike.
#[must_use]
pub fn contains(live: &Value, desired: &Value) -> bool {
    holds(Some(live), desired, Place { field: "", amounts: false })
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    field: &'a str,
    amounts: bool,
}

impl<'a> Place<'a> {
    fn below(self, field: &'a str) -> Self {
        Self { field, amounts: self.amounts || AMOUNTS.contains(&field) }
    }
}

fn holds(live: Option<&Value>, desired: &Value, place: Place<'_>) -> bool {
    if says_nothing(desired, place) {
        return match desired {
            // Others may have put something there; what they put, we don't take away.
            Value::Object(_) | Value::Array(_) | Value::Null => true,
            _ => {
                DEFAULT_WHEN_ZERO.contains(&place.field) || live.is_none_or(|live| says_nothing(live, place))
            }
        };
    }
    match (live, desired) {
        (None, _) => false,
        (Some(Value::Object(live)), Value::Object(desired)) => map_holds(live, desired, place),
        (Some(Value::Array(live)), Value::Array(desired)) => list_holds(live, desired, place),
        (Some(live), desired) => live == desired || (place.amounts && same_amount(live, desired)),
    }
}

fn map_holds(live: &Map<String, Value>, desired: &Map<String, Value>, place: Place<'_>) -> bool {
    desired.iter().all(|(field, value)| holds(live.get(field), value, place.below(field)))
}

fn list_holds(live: &[Value], desired: &[Value], place: Place<'_>) -> bool {
    // Finalizers are a set that several write into.
    let any_order = place.field == "finalizers" || desired.iter().all(Value::is_object);
    match any_order {
        true => desired.iter().all(|item| live.iter().any(|live| holds(Some(live), item, place))),
        false => live == desired,
    }
}

/// Whether a value is what its field is without being set.
fn says_nothing(value: &Value, place: Place<'_>) -> bool {
    let zero = || UNSET_WHEN_ZERO.contains(&place.field) || DEFAULT_WHEN_ZERO.contains(&place.field);
    match value {
        Value::Null => true,
        Value::Bool(value) => !value && zero(),
        Value::Number(number) => number.as_i64() == Some(0) && zero(),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn same_amount(live: &Value, desired: &Value) -> bool {
    matches!((amount(live), amount(desired)), (Some(live), Some(desired)) if live == desired)
}

fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => nanos(text),
        Value::Number(number) => nanos(&number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
