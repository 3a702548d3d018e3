//! Objects against schema and rules, on the fixtures that the definitions are tested with.

use serde::Deserialize;
use serde_json::json;

use super::*;

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

fn check(object: &Value, old: Option<&Value>) -> Result<Validated, Vec<Fault>> {
    let kind = Kind::from_name(object["kind"].as_str().unwrap()).unwrap();
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
    Validator::new().unwrap().check(kind, namespace, object, old)
}

fn stream(spec: &Value) -> Value {
    json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream", "metadata": {"name": "orders"}, "spec": spec})
}

#[test]
fn every_valid_fixture_is_taken_and_taken_again_unchanged() {
    for object in documents::<Value>(include_str!("../../../crds/fixtures/valid.yaml")) {
        let first = check(&object, None).unwrap();
        let again = check(&first.json, Some(&first.json)).unwrap();
        assert_eq!(first, again);
    }
}

#[test]
fn a_broken_rule_is_told_with_its_field() {
    for case in documents::<Case>(include_str!("../../../crds/fixtures/broken-rules.yaml")) {
        assert_fault(&case, &check(&case.object, case.old.as_ref()).unwrap_err());
    }
}

#[test]
fn a_broken_schema_is_told_with_its_field() {
    for case in documents::<Case>(include_str!("../../../crds/fixtures/broken-schema.yaml")) {
        assert_fault(&case, &check(&case.object, None).unwrap_err());
    }
}

fn assert_fault(case: &Case, faults: &[Fault]) {
    let [fault] = faults else { panic!("{faults:?} in {}", case.object) };
    assert_eq!(fault.field, case.field, "{fault:?}");
    assert!(fault.message.starts_with(&case.message), "{fault:?}, wanted {:?}", case.message);
}

#[test]
fn defaults_are_those_of_the_schema() {
    let validated = check(&stream(&json!({})), None).unwrap();
    assert_eq!(
        validated.json["spec"],
        json!({
            "limits": {"maxBodyBytes": "64Ki"}, "output": "Raw", "paused": false, "split": "Auto",
            "successCode": 0
        })
    );
    let fleet = json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "metadata": {"name": "f"},
        "spec": {"sinks": [{"name": "k", "kafka": {"bootstrapServers": "k:1"}}, {"name": "f", "file": {}}]}});
    assert_eq!(
        check(&fleet, None).unwrap().json["spec"],
        json!({
            "sinks": [
                {"name": "k", "kafka": {"bootstrapServers": "k:1", "deliveryTimeout": "8s"}},
                {"name": "f", "file": {"directory": "./data", "maxBytes": "1Gi"}}
            ],
            "drain": {"notify": "15s"},
            "listeners": {"http": {"port": 46802}},
            "mode": "Deployment",
            "overload": {"maxConnections": 10000, "maxInflightBytes": "64Mi"},
            "replicas": 2
        })
    );
}

#[test]
fn an_envelope_is_compressed_unless_it_says_otherwise() {
    for (spec, wanted) in [
        (json!({"output": "InLongMsg", "inLongMsg": {}}), json!({"compression": "Snappy"})),
        (
            json!({"output": "InLongMsg", "inLongMsg": {"compression": "None"}}),
            json!({"compression": "None"}),
        ),
    ] {
        assert_eq!(check(&stream(&spec), None).unwrap().json["spec"]["inLongMsg"], wanted);
    }
}

#[test]
fn the_defaults_in_rust_are_those_of_the_schema() {
    let Resource::Stream(ours) = check(&stream(&json!({})), None).unwrap().resource else { panic!() };
    assert_eq!(ours.spec, sluice_crds::DataStreamSpec::default());
}

#[test]
fn a_null_is_no_field_and_status_is_left_alone() {
    let mut object = stream(&json!({"output": null, "sink": null, "limits": {"maxBodyBytes": null}}));
    object["status"] = json!({"anything": 1});
    let validated = check(&object, None).unwrap();
    assert_eq!(validated, check(&stream(&json!({})), None).unwrap());
}

#[test]
fn a_pod_template_is_kept_whole_and_its_neighbours_are_not() {
    let template = json!({"metadata": {"labels": {"a": "b"}, "odd": null}, "spec": {"containers": [{"name": "x"}]}, "n": 1});
    let fleet = |more: Value| {
        let mut spec = json!({"sinks": [{"name": "k", "file": {}}], "podTemplate": template});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "metadata": {"name": "f"}, "spec": spec})
    };
    let validated = check(&fleet(json!({})), None).unwrap();
    assert_eq!(validated.json["spec"]["podTemplate"], template);
    let faults = check(&fleet(json!({"podTemplates": {}})), None).unwrap_err();
    assert_eq!(faults[0].field, "spec.podTemplates");
}

#[test]
fn what_a_fleet_allows_has_the_defaults_of_the_schema_in_rust_too() {
    let fleet = json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "metadata": {"name": "f"},
        "spec": {"sinks": [{"name": "k", "file": {}}], "allowedStreams": {}}});
    let validated = check(&fleet, None).unwrap();
    assert_eq!(
        validated.json["spec"]["allowedStreams"],
        json!({"namespaces": {"from": "Same"}, "groupIds": ["{namespace}"], "topics": ["{namespace}.*"],
            "sinks": ["*"], "createTopics": false})
    );
    let Resource::Fleet(ours) = validated.resource else { panic!() };
    assert_eq!(ours.spec.allowed_streams, Some(sluice_crds::attach::AllowedStreams::default()));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let faults = check(&stream(&json!({"topic": "x", "output": 1, "successCode": 5})), None).unwrap_err();
    let mut fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["spec.output", "spec.successCode", "spec.topic"]);
}
