//! The rules against the fixtures, in Rust and in CEL.

use serde::Deserialize;
use serde_json::Value;

use sluice_wire::bounds::{OWN_PARAMETERS, RESERVED_PREFIXES};
use sluice_wire::document::{PROPERTIES, PROPERTY_PREFIXES, RESERVED_HEADERS, SECRET_HEADERS};

use super::{Twin, Violation, all, broken};
use crate::{Kind, definition};

/// An object that breaks one rule.
#[derive(Deserialize)]
struct Case {
    field: String,
    message: String,
    object: Value,
    old: Option<Value>,
}

fn documents<T: for<'a> Deserialize<'a>>(text: &str) -> Vec<T> {
    serde_yaml::Deserializer::from_str(text).map(|document| T::deserialize(document).unwrap()).collect()
}

fn valid() -> Vec<Value> {
    documents(include_str!("../../fixtures/valid.yaml"))
}

fn cases() -> Vec<Case> {
    documents(include_str!("../../fixtures/broken-rules.yaml"))
}

fn kind(object: &Value) -> Kind {
    Kind::from_name(object["kind"].as_str().unwrap()).unwrap()
}

/// What the API server's side of the table says, run by an independent CEL interpreter.
fn broken_in_cel(object: &Value, old: Option<&Value>) -> Vec<String> {
    let definition = serde_json::to_value(definition::definition(kind(object)).unwrap()).unwrap();
    let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    match kube_cel::Validator::new().validate(schema, object, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(|error| error.message.clone()).collect(),
    }
}

fn messages(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(|violation| violation.message.to_owned()).collect()
}

#[test]
fn a_valid_object_keeps_every_rule() {
    for object in valid() {
        let old = object.clone();
        assert_eq!(broken(kind(&object), &object, Some(&old)), [], "{object}");
        assert_eq!(broken_in_cel(&object, Some(&old)), [""; 0], "{object}");
    }
}

#[test]
fn a_broken_rule_names_its_field_and_message() {
    for case in cases() {
        let found = broken(kind(&case.object), &case.object, case.old.as_ref());
        // A property that loads code is also not one of those that can be set; nothing else breaks two.
        assert!(found.iter().all(|violation| violation.field == case.field), "{found:?} in {}", case.object);
        let message = found.first().map(|violation| violation.message.to_string()).unwrap_or_default();
        assert!(message.starts_with(&case.message), "{found:?} in {}", case.object);
    }
}

#[test]
fn cel_and_rust_say_the_same() {
    for case in cases() {
        let rust = messages(&broken(kind(&case.object), &case.object, case.old.as_ref()));
        assert_eq!(broken_in_cel(&case.object, case.old.as_ref()), rust, "{}", case.object);
    }
}

#[test]
fn every_rule_is_broken_by_some_fixture() {
    let told: Vec<Violation> =
        cases().iter().flat_map(|case| broken(kind(&case.object), &case.object, case.old.as_ref())).collect();
    for rule in all() {
        assert!(
            told.iter().any(|violation| violation.message == rule.message),
            "no fixture breaks {} {:?} {:?}",
            rule.kind,
            rule.path,
            rule.cel
        );
    }
}

#[test]
fn a_message_is_of_one_rule_and_one_line() {
    for rule in all() {
        let same = all().filter(|other| other.kind == rule.kind && other.path == rule.path);
        assert_eq!(same.filter(|other| other.message == rule.message).count(), 1, "{}", rule.message);
        assert!(!rule.message.contains('\n') && !rule.message.ends_with('.'), "{}", rule.message);
    }
}

#[test]
fn a_rule_about_changes_says_old_self_and_has_no_list_in_its_path() {
    for rule in all() {
        let about_changes = matches!(rule.twin, Twin::Change(_));
        assert_eq!(rule.cel.contains("oldSelf"), about_changes, "{}", rule.cel);
        assert!(!about_changes || !rule.path.contains('['), "{}", rule.path);
    }
}

/// The texts in the CEL of the one rule at `path` that has `text`.
fn texts_in_cel(path: &str, text: &str) -> Vec<&'static str> {
    let mut rules = all().filter(|rule| rule.path == path && rule.cel.contains(&format!("'{text}'")));
    let (Some(rule), None) = (rules.next(), rules.next()) else { panic!("{path} {text}") };
    rule.cel.split('\'').skip(1).step_by(2).collect()
}

#[test]
fn the_properties_that_may_be_set_are_the_same_in_cel() {
    let in_cel = texts_in_cel("spec.sinks[].kafka.properties", "linger.ms");
    assert_eq!(in_cel, [&PROPERTIES[..], &PROPERTY_PREFIXES[..]].concat());
}

#[test]
fn the_headers_and_parameters_that_may_not_be_named_are_the_same_in_cel() {
    assert_eq!(texts_in_cel("spec.headers[]", "rt"), RESERVED_HEADERS);
    assert_eq!(texts_in_cel("spec.headers[]", "ce_"), RESERVED_PREFIXES);
    assert_eq!(texts_in_cel("spec.headers[]", "cookie"), SECRET_HEADERS);
    assert_eq!(texts_in_cel("spec.key.fromHeader", "cookie"), SECRET_HEADERS);
    assert_eq!(texts_in_cel("spec.key.fromParameter", "body"), OWN_PARAMETERS);
}
