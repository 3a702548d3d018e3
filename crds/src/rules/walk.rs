//! Finds the places of an object that a rule's path names.
//! It only looks; it neither checks nor changes.

use serde_json::Value;

/// Each place that `path` names and what stands there, in document order. A place that is absent is left out.
pub(super) fn places<'a>(object: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), object)];
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        found = match segment.strip_suffix("[]") {
            Some(list) => found.iter().flat_map(|(place, value)| items(place, value, list)).collect(),
            None => found.iter().filter_map(|(place, value)| field(place, value, segment)).collect(),
        };
    }
    found
}

fn field<'a>(place: &str, value: &'a Value, name: &str) -> Option<(String, &'a Value)> {
    let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    value.get(name).map(|value| (place, value))
}

fn items<'a>(place: &str, value: &'a Value, list: &str) -> Vec<(String, &'a Value)> {
    let Some((place, Value::Array(items))) = field(place, value, list) else {
        return Vec::new();
    };
    items.iter().enumerate().map(|(index, item)| (format!("{place}[{index}]"), item)).collect()
}
