//! Checks each object alone: fields, schema, rules, as the API server would.
//! It is pure, and it never looks at two objects together but an object and what it was before.

mod message;
mod meta;
mod shape;

use serde_json::Value;
use sluice_crds::{DataStream, Kind, ProxyFleet, definition, rules};
use thiserror::Error;

/// A resource that keeps its schema and every rule, defaults applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A fleet.
    Fleet(Box<ProxyFleet>),
    /// A stream.
    Stream(Box<DataStream>),
}

/// A resource and the JSON it came from, which later versions are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// The resource.
    pub resource: Resource,
    /// The same as JSON, nulls removed and defaults applied.
    pub json: Value,
}

/// Something wrong with a field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, such as `spec.sinks[0].name`; empty for the object as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// A definition that nothing can be checked against: a mistake in the product.
#[derive(Debug, Error)]
pub enum Error {
    /// The definition can't be made.
    #[error("no definition")]
    Definition(#[from] definition::Error),
    /// The definition's schema is none.
    #[error("the schema of {kind} can't be used: {message}")]
    Schema {
        /// Of which kind.
        kind: Kind,
        /// Why.
        message: String,
    },
}

/// Checks objects against the definitions.
#[derive(Debug)]
pub struct Validator {
    schemas: Vec<(Kind, Schema)>,
}

#[derive(Debug)]
struct Schema {
    structure: Value,
    compiled: jsonschema::Validator,
}

impl Validator {
    /// Compiles the definitions' schemas.
    ///
    /// # Errors
    /// A mistake in the product.
    pub fn new() -> Result<Self, Error> {
        let schemas = Kind::ALL.into_iter().map(|kind| Ok((kind, Schema::new(kind)?)));
        Ok(Self { schemas: schemas.collect::<Result<_, Error>>()? })
    }

    /// Checks `object`, in `namespace`, against what it was before, if it was.
    ///
    /// # Errors
    /// Everything that is wrong with it. Rules are looked at only when the schema is kept.
    pub fn check(
        &self,
        kind: Kind,
        namespace: &str,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<Validated, Vec<Fault>> {
        let Some((_, schema)) = self.schemas.iter().find(|(of, _)| *of == kind) else {
            return Err(vec![Fault { field: "kind".to_owned(), message: "unknown".to_owned() }]);
        };
        let (mut json, mut faults) = shape::shape(&schema.structure, object);
        faults.extend(meta::check(&mut json, namespace));
        faults.extend(schema.compiled.iter_errors(&json).map(|error| message::fault(&error)));
        if faults.is_empty() {
            let broken = rules::broken(kind, &json, old).into_iter();
            faults.extend(broken.map(|rule| Fault { field: rule.field, message: rule.message.to_owned() }));
        }
        if !faults.is_empty() {
            return Err(first_of_each_field(faults));
        }
        let resource = read(kind, &json)
            .map_err(|error| vec![Fault { field: String::new(), message: error.to_string() }])?;
        Ok(Validated { resource, json })
    }
}

/// A value of the wrong type breaks other keywords too; one line says enough.
fn first_of_each_field(faults: Vec<Fault>) -> Vec<Fault> {
    let mut kept: Vec<Fault> = Vec::new();
    for fault in faults {
        if kept.iter().all(|other| other.field != fault.field) {
            kept.push(fault);
        }
    }
    kept
}

impl Schema {
    fn new(kind: Kind) -> Result<Self, Error> {
        let wrong = |message: String| Error::Schema { kind, message };
        let definition =
            serde_json::to_value(definition::definition(kind)?).map_err(|error| wrong(error.to_string()))?;
        let structure = definition
            .pointer("/spec/versions/0/schema/openAPIV3Schema")
            .cloned()
            .ok_or_else(|| wrong("it is missing".to_owned()))?;
        let mut plain = structure.clone();
        name_both_types(&mut plain);
        let compiled = jsonschema::options()
            .should_validate_formats(false)
            .build(&plain)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { structure, compiled })
    }
}

/// Says in JSON Schema's words what `x-kubernetes-int-or-string` says in Kubernetes'.
fn name_both_types(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                fields.insert("type".to_owned(), serde_json::json!(["integer", "string"]));
            }
            fields.values_mut().for_each(name_both_types);
        }
        Value::Array(items) => items.iter_mut().for_each(name_both_types),
        _ => {}
    }
}

fn read(kind: Kind, json: &Value) -> Result<Resource, serde_json::Error> {
    Ok(match kind {
        Kind::ProxyFleet => Resource::Fleet(serde_json::from_value(json.clone())?),
        Kind::DataStream => Resource::Stream(serde_json::from_value(json.clone())?),
    })
}

#[cfg(test)]
mod tests;
