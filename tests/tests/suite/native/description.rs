//! The OpenAPI document that a node serves, and an answer held against it: status, headers, type and body.
//! It adds one thing: a member that is not described fails, though producers are to pass over it.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use sluice_tests::http::{self, Answer};
use sluice_tests::proxy::Proxy;

const PATH: &str = "/v1/groups/{groupId}/streams/{streamId}/records";
const PROBLEM: &str = "application/problem+json";

/// Headers that every HTTP answer may have.
const OF_HTTP: [&str; 4] = ["content-type", "content-length", "date", "transfer-encoding"];

/// A status, and the type of its problem where it has one.
pub(super) type Kind = (u16, Option<String>);

/// The document.
pub(super) struct Description(pub(super) Value);

impl Description {
    /// The one that a node serves.
    pub(super) fn of(proxy: &Proxy) -> Self {
        let answer = proxy.exchange(&http::get("/openapi.json"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        Self(serde_json::from_slice(&answer.body).unwrap())
    }

    /// The one operation on records.
    pub(super) fn post(&self) -> &Value {
        &self.0["paths"][PATH]["post"]
    }

    /// What `value` says, or what it refers to.
    pub(super) fn follow<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let pointer = reference.strip_prefix('#').unwrap();
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} refers to nothing"))
    }

    /// A schema of the document, ready to be asked.
    pub(super) fn schema(&self, schema: &Value) -> Validator {
        Self::compile(schema, json!({"components": self.0["components"]}))
    }

    /// The same for an answer: a member that is not described is an error.
    fn answer_schema(&self, schema: &Value) -> Validator {
        let mut components = self.0["components"].clone();
        components["schemas"]["FailedRecord"]["unevaluatedProperties"] = json!(false);
        Self::compile(schema, json!({"components": components, "unevaluatedProperties": false}))
    }

    fn compile(schema: &Value, mut root: Value) -> Validator {
        root["allOf"] = json!([schema]);
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        options.build(&root).unwrap_or_else(|error| panic!("{error}: {schema}"))
    }

    /// Every kind of answer that is described.
    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        for (status, response) in self.post()["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            let mut types = Vec::new();
            types_in(&response["content"][PROBLEM]["schema"], &mut types);
            if types.is_empty() || response["x-also-without-body"] == true {
                kinds.insert((status, None));
            }
            kinds.extend(types.into_iter().map(|kind| (status, Some(kind))));
        }
        kinds
    }

    /// Holds an answer against the document; `what` says in a failure what it answers.
    pub(super) fn check(&self, what: &str, answer: &Answer) -> Kind {
        let response = &self.post()["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{what}: status {} is not described", answer.status);
        if answer.body.is_empty() {
            assert_eq!(response["x-also-without-body"], true, "{what}: {answer:?} has no body");
            return (answer.status, None);
        }
        self.check_headers(what, response, answer);
        let content_type = answer.header("content-type").unwrap_or_default();
        let content = &response["content"][content_type];
        assert!(content.is_object(), "{what}: {content_type:?} is not described for {}", answer.status);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let schema = self.answer_schema(&content["schema"]);
        let errors: Vec<_> = schema.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{what}: {errors:?} in {body:#}");
        if content_type == PROBLEM {
            assert_eq!(body["status"], answer.status, "{what}");
            assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"), "{what}");
        }
        (answer.status, body["type"].as_str().map(str::to_owned))
    }

    fn check_headers(&self, what: &str, response: &Value, answer: &Answer) {
        let described = response["headers"].as_object().unwrap();
        for (name, _) in &answer.headers {
            let known = OF_HTTP.contains(&name.as_str())
                || described.keys().any(|key| key.eq_ignore_ascii_case(name));
            assert!(known, "{what}: header {name} is not described for {}", answer.status);
        }
        for (name, header) in described {
            let header = self.follow(header);
            let value = answer.header(&name.to_ascii_lowercase());
            assert!(value.is_some() || header["required"] != true, "{what}: no {name} in {answer:?}");
            let Some(value) = value else { continue };
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => json!(value.parse::<u64>().unwrap()),
                _ => json!(value),
            };
            assert!(jsonschema::is_valid(&header["schema"], &value), "{what}: {name}: {value}");
        }
    }
}

/// The values that a schema allows for `type`, wherever in it they stand.
fn types_in(schema: &Value, types: &mut Vec<String>) {
    let named = schema["properties"]["type"]["enum"].as_array().into_iter().flatten();
    types.extend(named.map(|name| name.as_str().unwrap().to_owned()));
    schema["oneOf"].as_array().into_iter().flatten().for_each(|one| types_in(one, types));
}
