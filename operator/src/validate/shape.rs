//! What the API server does to an object before it checks it: nulls out, defaults in, unknown fields found.
//! It follows the schema's structure only; values are the schema check's.

use serde_json::{Map, Value};

use super::{Fault, message};

/// `object` with the schema's defaults and without nulls, and its unknown fields and repeated list keys.
/// `metadata` is not the schema's and stays as it is.
pub(super) fn shape(schema: &Value, object: &Value) -> (Value, Vec<Fault>) {
    let mut shaped = object.clone();
    let mut faults = Vec::new();
    let Some(fields) = shaped.as_object_mut() else {
        return (shaped, faults);
    };
    let envelope: Vec<(String, Value)> =
        ["apiVersion", "kind", "metadata"].into_iter().filter_map(|name| fields.remove_entry(name)).collect();
    // What stands in status is the operator's, and comes along when a resource is copied out of a cluster.
    fields.remove("status");
    walk(schema, "", &mut shaped, &mut faults);
    if let Some(fields) = shaped.as_object_mut() {
        fields.extend(envelope);
    }
    (shaped, faults)
}

fn walk(schema: &Value, path: &str, value: &mut Value, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => match schema.get("properties").and_then(Value::as_object) {
            Some(properties) => object(properties, keeps_unknown(schema), path, fields, faults),
            None => map(schema.get("additionalProperties"), path, fields, faults),
        },
        Value::Array(items) => list(schema, path, items, faults),
        _ => {}
    }
}

/// Whether the API server leaves alone what it does not know below here.
fn keeps_unknown(schema: &Value) -> bool {
    schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
}

fn object(
    properties: &Map<String, Value>,
    keeps_unknown: bool,
    path: &str,
    fields: &mut Map<String, Value>,
    faults: &mut Vec<Fault>,
) {
    // The API server takes a null for no field at all.
    fields.retain(|name, value| !value.is_null() || !properties.contains_key(name));
    for (name, schema) in properties {
        if let Some(default) = schema.get("default").filter(|_| !fields.contains_key(name)) {
            fields.insert(name.clone(), default.clone());
        }
    }
    for (name, value) in fields.iter_mut() {
        let field = message::join(path, name);
        match properties.get(name) {
            Some(schema) => walk(schema, &field, value, faults),
            None if keeps_unknown => {}
            None => faults.push(Fault { field, message: unknown(properties) }),
        }
    }
}

fn map(values: Option<&Value>, path: &str, fields: &mut Map<String, Value>, faults: &mut Vec<Fault>) {
    let Some(schema) = values else { return };
    for (name, value) in fields.iter_mut() {
        walk(schema, &message::join(path, name), value, faults);
    }
}

fn list(schema: &Value, path: &str, items: &mut [Value], faults: &mut Vec<Fault>) {
    let Some(item_schema) = schema.get("items") else { return };
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut seen: Vec<Vec<Value>> = Vec::new();
    for (index, item) in items.iter_mut().enumerate() {
        let place = format!("{path}[{index}]");
        walk(item_schema, &place, item, faults);
        let key: Vec<Value> = keys.iter().filter_map(|key| item.get(key).cloned()).collect();
        if !key.is_empty() && seen.contains(&key) {
            let message = format!("another one has the same {}; choose another", keys.join(" and "));
            faults.push(Fault { field: place, message });
        }
        seen.push(key);
    }
}

fn unknown(properties: &Map<String, Value>) -> String {
    let known: Vec<&str> = properties.keys().map(String::as_str).filter(|name| *name != "status").collect();
    format!("no such field; here can stand {}", known.join(", "))
}
