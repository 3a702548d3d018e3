//! What the chart says, and the fleet that comes of it.

use super::*;
use crate::validate::{Resource, Validator};
use sluice_crds::{Kind, ProxyFleet};

fn owner() -> Owner {
    Owner::config_map("sluice-default-fleet", "u")
}

fn made(yaml: &str) -> Option<Value> {
    let key = ("sluice-system".to_owned(), "default".to_owned());
    let settings = DefaultFleet::parse(yaml).unwrap()?;
    Some(default_fleet(&settings, &key, &owner()))
}

/// The fleet as the API server takes it: schema, rules, defaults.
fn accepted(object: &Value) -> ProxyFleet {
    let validated = Validator::new().unwrap().check(Kind::ProxyFleet, "sluice-system", object, None);
    match validated.unwrap().resource {
        Resource::Fleet(fleet) => *fleet,
        Resource::Stream(_) => unreachable!("a fleet was checked"),
    }
}

const WHOLE: &str = r#"
kafka:
  bootstrapServers: kafka-0:9092,kafka-1:9092
  tls: {caSecret: kafka-ca, certSecret: ""}
  sasl: {mechanism: SCRAM-SHA-512, secret: sluice-login}
  deliveryTimeout: 9s
  properties: {linger.ms: "5"}
createTopics: true
replicas: 3
image: proxy:7
resources: {requests: {cpu: 100m}, limits: {memory: 256Mi}}
"#;

#[test]
fn all_that_is_said_stands_in_the_fleet() {
    let object = made(WHOLE).unwrap();
    assert_eq!(object["metadata"]["namespace"], "sluice-system");
    assert_eq!(object["metadata"]["name"], "default");
    let wanted = json!({
        "sinks": [{"name": "kafka", "kafka": {
            "bootstrapServers": "kafka-0:9092,kafka-1:9092",
            "tls": {"caSecret": "kafka-ca"},
            "sasl": {"mechanism": "SCRAM-SHA-512", "secret": "sluice-login"},
            "deliveryTimeout": "9s",
            "properties": {"linger.ms": "5"}
        }}],
        "allowedStreams": {"namespaces": {"from": "All"}, "createTopics": true},
        "replicas": 3,
        "image": "proxy:7",
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "256Mi"}}
    });
    assert_eq!(object["spec"], wanted);
    accepted(&object);
}

#[test]
fn what_is_not_said_is_left_to_the_defaults() {
    let object = made("kafka: {bootstrapServers: 'kafka:9092'}").unwrap();
    let spec = accepted(&object).spec;
    let allowed = spec.allowed_streams.unwrap();
    assert_eq!((spec.replicas, spec.image), (2, None));
    assert_eq!(allowed.group_ids, ["{namespace}"]);
    assert_eq!(allowed.topics, ["{namespace}.*"]);
    assert!(!allowed.create_topics);
}

#[test]
fn the_fleet_goes_with_the_chart() {
    let object = made("kafka: {bootstrapServers: 'kafka:9092'}").unwrap();
    let wanted = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "sluice-default-fleet", "uid": "u", "controller": true
    }]);
    assert_eq!(object["metadata"]["ownerReferences"], wanted);
}

#[test]
fn without_brokers_there_is_no_fleet() {
    for yaml in ["{}", "kafka: {}", "kafka: {bootstrapServers: ''}", "createTopics: true"] {
        assert_eq!(made(yaml), None, "{yaml}");
    }
}

#[test]
fn empty_tls_encrypts_and_none_does_not() {
    let tls = |tls: &str| {
        let object = made(&format!("kafka: {{bootstrapServers: 'kafka:9092', tls: {tls}}}")).unwrap();
        object["spec"]["sinks"][0]["kafka"].get("tls").cloned()
    };
    assert_eq!(tls("{}"), Some(json!({})));
    assert_eq!(tls("null"), None);
}

#[test]
fn a_field_that_is_not_known_is_named() {
    for (yaml, field) in [
        ("createTopic: true", "createTopic"),
        ("kafka: {bootstrap: a}", "bootstrap"),
        ("kafka: {tls: {ca: a}}", "ca"),
        ("kafka: {sasl: {mechanism: PLAIN, secret: a, user: b}}", "user"),
        ("resources: {claims: []}", "claims"),
    ] {
        let error = DefaultFleet::parse(yaml).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown field `{field}`")), "{error}");
    }
}

#[test]
fn what_is_no_yaml_is_refused() {
    assert!(DefaultFleet::parse("kafka: [").unwrap_err().location().is_some());
}
