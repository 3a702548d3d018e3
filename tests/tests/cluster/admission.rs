//! What the API server itself refuses, by schema and rules alone, and what it says: the fixtures of the resource
//! types, each with the message that stands beside it. No operator has a say, whether one is there by now or not.

use kube::core::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_crds::rules;
use sluice_tests::cluster::{Cluster, Namespace};
use sluice_tests::paths;

/// An object that is refused.
#[derive(Deserialize)]
struct Case {
    field: String,
    /// What local mode says; of a rule, what the API server says too.
    message: String,
    /// What the API server says where the schema is broken.
    server: Option<String>,
    object: Value,
    old: Option<Value>,
}

fn fixtures<T: for<'a> Deserialize<'a>>(name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(paths::repository().join("crds/fixtures").join(name)).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|document| T::deserialize(document).unwrap()).collect()
}

/// What kubectl makes of the numbers in YAML: one without a fraction is an integer, however it was written.
fn as_kubectl_sends(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
                *value = serde_json::from_str(&format!("{whole:.0}")).unwrap();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(as_kubectl_sends),
        Value::Object(fields) => fields.values_mut().for_each(as_kubectl_sends),
        _ => {}
    }
}

/// What the API server says to a request as strict as kubectl's: the object, or why not.
fn ask(cluster: &Cluster, method: &str, path: &str, body: &Value, dry: bool) -> Result<Value, Box<Status>> {
    let dry = if dry { "&dryRun=All" } else { "" };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{path}?fieldValidation=Strict{dry}"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(body).unwrap())
        .unwrap();
    match cluster.run(cluster.client().request(request)) {
        Ok(object) => Ok(object),
        Err(kube::Error::Api(status)) => Err(status),
        Err(error) => panic!("{error}"),
    }
}

/// Where objects of its kind are in a namespace.
fn collection(namespace: &Namespace<'_>, object: &Value) -> String {
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    format!("/apis/sluice.dev/v1alpha1/namespaces/{}/{plural}", namespace.name())
}

fn create(
    cluster: &Cluster,
    namespace: &Namespace<'_>,
    object: &Value,
    dry: bool,
) -> Result<Value, Box<Status>> {
    let mut object = object.clone();
    as_kubectl_sends(&mut object);
    object["metadata"].as_object_mut().unwrap().remove("namespace");
    ask(cluster, "POST", &collection(namespace, &object), &object, dry)
}

/// Makes the old object and says what is answered to its change into the new one.
fn change(
    cluster: &Cluster,
    namespace: &Namespace<'_>,
    old: &Value,
    new: &Value,
    name: &str,
) -> Result<Value, Box<Status>> {
    let named = |object: &Value| {
        let mut object = object.clone();
        object["metadata"] = json!({"name": name});
        object
    };
    let mut there = create(cluster, namespace, &named(old), false).unwrap();
    let mut new = named(new);
    as_kubectl_sends(&mut new);
    let place = format!("{}/{name}", collection(namespace, &new));
    for _ in 0..20 {
        new["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
        match ask(cluster, "PUT", &place, &new, true) {
            // The operator, which another test may have installed, tells the object its status at the same time.
            Err(status) if status.code == 409 => there = ask(cluster, "GET", &place, &Value::Null, false)?,
            answer => return answer,
        }
    }
    panic!("{name} changes all the time");
}

#[test]
fn a_valid_object_is_accepted() {
    let cluster = Cluster::shared();
    cluster.install_definitions();
    let namespace = cluster.unchecked_namespace("admission");
    for (number, object) in fixtures::<Value>("valid.yaml").into_iter().enumerate() {
        create(&cluster, &namespace, &object, true)
            .unwrap_or_else(|status| panic!("{}: {object}", status.message));
        let name = format!("same-{number}");
        change(&cluster, &namespace, &object, &object, &name)
            .unwrap_or_else(|status| panic!("{}: {object}", status.message));
    }
}

#[test]
fn a_broken_schema_is_refused_and_the_field_is_named() {
    let cluster = Cluster::shared();
    cluster.install_definitions();
    let namespace = cluster.unchecked_namespace("admission");
    for case in fixtures::<Case>("broken-schema.yaml") {
        let status = create(&cluster, &namespace, &case.object, true).expect_err(&case.object.to_string());
        let told = case.server.as_ref().is_some_and(|server| status.message.contains(server));
        assert!(told, "{:?} isn't said to {}, but {}", case.server, case.object, status.message);
    }
}

#[test]
fn every_rule_is_kept_by_the_api_server_which_says_its_message() {
    let cluster = Cluster::shared();
    cluster.install_definitions();
    let namespace = cluster.unchecked_namespace("admission");
    let mut told = Vec::new();
    for (number, case) in fixtures::<Case>("broken-rules.yaml").into_iter().enumerate() {
        let answer = match &case.old {
            None => create(&cluster, &namespace, &case.object, true),
            Some(old) => change(&cluster, &namespace, old, &case.object, &format!("changed-{number}")),
        };
        let status = answer.expect_err(&case.object.to_string());
        let causes = status.details.map(|details| details.causes).unwrap_or_default();
        let ours = |cause: &kube::core::response::StatusCause| {
            // Of the whole object it names no field.
            let field = cause.field == case.field || case.field.is_empty();
            field && cause.message.contains(&format!(": {}", case.message))
        };
        assert!(causes.iter().any(ours), "{} {:?}: {causes:?}", case.field, case.message);
        told.extend(causes.into_iter().map(|cause| cause.message));
    }
    for rule in rules::all() {
        let kept = told.iter().any(|message| message.ends_with(&format!(": {}", rule.message)));
        assert!(kept, "no fixture has the API server say: {}", rule.message);
    }
}
