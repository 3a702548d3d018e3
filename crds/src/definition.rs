//! The `CustomResourceDefinition`s: derived from the types, made plain, with the rules put in.
//! It makes values and text; writing files is `crdgen`'s.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use serde_json::Value;
use thiserror::Error;

use crate::rules::{self, Rule};
use crate::{GROUP, Kind};

/// The first lines of each generated file.
const HEADER: &str = "# Generated from the types in crds/src by crdgen; edits are lost.\n";

/// A definition that can't be made: a mistake in this crate.
#[derive(Debug, Error)]
pub enum Error {
    /// A derived type has no schema.
    #[error("{0} has no schema")]
    NoSchema(Kind),
    /// A rule names a place that the schema does not have.
    #[error("the rule on {kind} {path:?} names no place of the schema")]
    NoPlace {
        /// Of which kind.
        kind: Kind,
        /// The rule's path.
        path: &'static str,
    },
    /// The definition can't be written as JSON.
    #[error("can't write the definition of {kind} as JSON")]
    Json {
        /// Of which kind.
        kind: Kind,
        /// Why.
        source: serde_json::Error,
    },
    /// The definition can't be written as YAML.
    #[error("can't write the definition of {kind} as YAML")]
    Yaml {
        /// Of which kind.
        kind: Kind,
        /// Why.
        source: serde_yaml::Error,
    },
}

/// The definition of a kind, with its rules.
///
/// # Errors
/// A mistake in this crate; tests rule it out for every kind.
pub fn definition(kind: Kind) -> Result<CustomResourceDefinition, Error> {
    let mut definition = kind.derived();
    let schema = definition
        .spec
        .versions
        .first_mut()
        .and_then(|version| version.schema.as_mut())
        .and_then(|validation| validation.open_api_v3_schema.as_mut())
        .ok_or(Error::NoSchema(kind))?;
    plain(schema);
    for rule in rules::all().filter(|rule| rule.kind == kind) {
        let place = place(schema, rule.path).ok_or(Error::NoPlace { kind, path: rule.path })?;
        place.x_kubernetes_validations.get_or_insert_default().push(validation(rule));
    }
    Ok(definition)
}

/// The name of a kind's file and its whole content.
///
/// # Errors
/// As [`definition`].
pub fn file(kind: Kind) -> Result<(String, String), Error> {
    let definition = definition(kind)?;
    Ok((file_name(&definition), format!("{HEADER}{}", yaml(kind, &definition)?)))
}

/// The same as a template of the Helm chart. Helm leaves it alone when the chart is uninstalled, because to remove a
/// definition is to remove every resource of the kind.
///
/// # Errors
/// As [`definition`].
pub fn template(kind: Kind) -> Result<(String, String), Error> {
    let mut definition = definition(kind)?;
    let annotations = definition.metadata.annotations.get_or_insert_default();
    annotations.insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    let yaml = yaml(kind, &definition)?.replace("{{", r#"{{ "{{" }}"#);
    let content = format!("{{{{- if .Values.crds.enabled }}}}\n{HEADER}{yaml}{{{{- end }}}}\n");
    Ok((file_name(&definition), content))
}

fn file_name(definition: &CustomResourceDefinition) -> String {
    format!("{}.{GROUP}.yaml", definition.spec.names.plural)
}

fn yaml(kind: Kind, definition: &CustomResourceDefinition) -> Result<String, Error> {
    let mut json = serde_json::to_value(definition).map_err(|source| Error::Json { kind, source })?;
    whole_numbers(&mut json);
    serde_yaml::to_string(&json).map_err(|source| Error::Yaml { kind, source })
}

fn validation(rule: &Rule) -> ValidationRule {
    ValidationRule {
        rule: rule.cel.to_owned(),
        message: Some(rule.message.to_owned()),
        field_path: (!rule.field.is_empty()).then(|| format!(".{}", rule.field)),
        ..ValidationRule::default()
    }
}

fn place<'a>(schema: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let mut place = schema;
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        let (name, is_list) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
        place = place.properties.as_mut()?.get_mut(name)?;
        if is_list {
            place = match place.items.as_mut()? {
                JSONSchemaPropsOrArray::Schema(item) => item,
                JSONSchemaPropsOrArray::Schemas(_) => return None,
            };
        }
    }
    Some(place)
}

/// Takes out what only stems from Rust: `nullable` (to the API server a null is then the same as no field,
/// and defaults apply), the branches of an integer or string (its own keyword says it), titles, formats
/// that OpenAPI does not know, line breaks in descriptions.
fn plain(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.x_kubernetes_int_or_string == Some(true) {
        schema.any_of = None;
    }
    schema.title = None;
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    if let Some(description) = &mut schema.description {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| plain(property));
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        plain(item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        plain(value);
    }
}

/// Bounds are floats in the API's type; the files read better with `1` than with `1.0`.
fn whole_numbers(json: &mut Value) {
    match json {
        Value::Number(number) => {
            // The text of a float without a fraction is its integer and `.0`.
            let whole = number.to_string().strip_suffix(".0").and_then(|text| text.parse::<i64>().ok());
            if let Some(whole) = whole {
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use sluice_wire::access::{MAX_CIDRS, MAX_CLIENT_NAME, MAX_CLIENT_NAMES};
    use sluice_wire::bounds::{MAX_HEADER_NAME, MAX_PARAMETER, MAX_POINTER, MAX_RECORDS_PER_SECOND};
    use sluice_wire::document::MAX_HEADERS;

    use super::*;
    use crate::pattern;

    fn each(schema: &JSONSchemaProps, path: &str, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
        visit(path, schema);
        for (name, property) in schema.properties.iter().flatten() {
            each(property, &format!("{path}.{name}"), visit);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
            each(item, &format!("{path}[]"), visit);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
            each(value, &format!("{path}{{}}"), visit);
        }
    }

    fn schema(kind: Kind) -> JSONSchemaProps {
        let definition = definition(kind).unwrap();
        definition.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap()
    }

    fn is_open(schema: &JSONSchemaProps) -> bool {
        schema.x_kubernetes_preserve_unknown_fields == Some(true)
    }

    fn is_rust(path: &str) -> bool {
        path.starts_with(".spec")
    }

    #[test]
    fn every_field_of_a_spec_is_described() {
        for kind in Kind::ALL {
            each(&schema(kind), "", &mut |path, schema| {
                let is_field = is_rust(path) && !path.ends_with("{}") && !path.ends_with("[]");
                assert!(!is_field || schema.description.is_some(), "{kind} {path} has no description");
            });
        }
    }

    #[test]
    fn every_list_map_and_string_of_a_spec_is_bounded() {
        for kind in Kind::ALL {
            each(&schema(kind), "", &mut |path, schema| {
                if !is_rust(path) {
                    return;
                }
                let bounded = match schema.type_.as_deref() {
                    Some("array") => schema.max_items.is_some(),
                    Some("string") => schema.max_length.is_some() || schema.enum_.is_some(),
                    Some("object") => match schema.additional_properties {
                        Some(_) => schema.max_properties.is_some(),
                        // A pod template is read by the operator, which bounds what it takes of it; until
                        // then the longest request that the API server takes is its bound.
                        None => schema.properties.is_some() || path == ".spec.podTemplate" && is_open(schema),
                    },
                    Some("integer") => schema.maximum.is_some(),
                    Some("boolean") => true,
                    _ => schema.max_length.is_some(),
                };
                assert!(bounded, "{kind} {path} has no maximum");
            });
        }
    }

    #[test]
    fn every_pattern_is_said_in_words() {
        for kind in Kind::ALL {
            each(&schema(kind), "", &mut |path, schema| {
                let words = schema.pattern.as_deref().map(pattern::words);
                assert!(
                    words.is_none_or(|words| words.is_some()),
                    "{kind} {path} has a pattern without words"
                );
            });
        }
    }

    #[test]
    fn the_bounds_of_a_stream_are_those_the_proxy_checks() {
        let mut schema = serde_json::to_value(schema(Kind::DataStream)).unwrap();
        whole_numbers(&mut schema);
        let bound = |place: &str| {
            schema.pointer(&format!("/properties/spec/properties/{place}")).unwrap().as_u64().unwrap()
        };
        let length = |length: usize| u64::try_from(length).unwrap();
        for (place, wanted) in [
            ("headers/maxItems", length(MAX_HEADERS)),
            ("headers/items/maxLength", length(MAX_HEADER_NAME)),
            ("key/properties/fromHeader/maxLength", length(MAX_HEADER_NAME)),
            ("key/properties/fromParameter/maxLength", length(MAX_PARAMETER)),
            ("key/properties/fromJson/maxLength", length(MAX_POINTER)),
            ("sources/properties/allow/maxItems", length(MAX_CIDRS)),
            ("sources/properties/deny/maxItems", length(MAX_CIDRS)),
            ("sources/properties/clientNames/maxItems", length(MAX_CLIENT_NAMES)),
            ("sources/properties/clientNames/items/maxLength", length(MAX_CLIENT_NAME)),
            ("limits/properties/recordsPerSecond/minimum", 1),
            ("limits/properties/recordsPerSecond/maximum", MAX_RECORDS_PER_SECOND),
        ] {
            assert_eq!(bound(place), wanted, "{place}");
        }
    }

    #[test]
    fn the_schema_is_structural() {
        for kind in Kind::ALL {
            each(&schema(kind), "", &mut |path, schema| {
                assert!(schema.ref_path.is_none(), "{kind} {path} has a reference");
                assert!(schema.nullable.is_none(), "{kind} {path} is nullable");
                assert!(schema.one_of.is_none() && schema.all_of.is_none(), "{kind} {path} has branches");
                assert!(
                    schema.properties.is_none() || schema.additional_properties.is_none(),
                    "{kind} {path} has properties and additionalProperties"
                );
                let either = schema.x_kubernetes_int_or_string == Some(true);
                assert_eq!(schema.type_.is_none(), either, "{kind} {path} has no type");
                assert!(schema.any_of.is_none(), "{kind} {path} has branches");
                assert!(
                    !is_open(schema) || path == ".spec.podTemplate",
                    "{kind} {path} keeps unknown fields"
                );
            });
        }
    }
}
