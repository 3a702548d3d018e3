//! Which pod templates are taken, and what they come to.

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};
use serde_json::{Value, json};

use super::*;

fn ours() -> PodTemplateSpec {
    serde_json::from_value(json!({
        "metadata": {"labels": {"sluice.dev/fleet": "f"}, "annotations": {"a": "1"}},
        "spec": {
            "containers": [{
                "name": "proxy", "image": "sluice-proxy:1", "args": ["--config=/c"],
                "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "resources": {"requests": {"cpu": "25m", "memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 2},
            }],
            "volumes": [{"name": "sluice-config", "emptyDir": {}}],
            "topologySpreadConstraints": [{
                "topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"
            }],
        }
    }))
    .unwrap()
}

fn merged(template: Value) -> PodTemplateSpec {
    over(ours(), Some(&serde_json::from_value(template).unwrap())).unwrap()
}

fn merged_spec(spec: &Value) -> PodSpec {
    merged(json!({"spec": spec})).spec.unwrap()
}

fn proxy(fields: &Value) -> Container {
    let mut container = json!({"name": "proxy"});
    container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    merged_spec(&json!({"containers": [container]})).containers.remove(0)
}

fn faults(template: Value) -> Vec<String> {
    let template = serde_json::from_value(template).unwrap();
    let faults = over(ours(), Some(&template)).expect_err("the template is refused");
    faults.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(template: Value, field: &str, words: &str) {
    let faults = faults(template);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with(&format!("spec.podTemplate.{field}: ")), "{faults:?}");
    assert!(faults[0].contains(words), "{faults:?}");
}

#[test]
fn without_a_template_ours_stands() {
    assert_eq!(over(ours(), None), Ok(ours()));
    assert_eq!(merged(json!({})), ours());
}

#[test]
fn nulls_say_nothing() {
    let template =
        json!({"metadata": {"creationTimestamp": null}, "spec": {"hostNetwork": null, "odd": null}});
    assert_eq!(merged(template), ours());
}

#[test]
fn an_unknown_field_is_refused_with_its_path() {
    let unknown = "is no field of a pod template";
    refused(json!({"spce": {}}), "spce", unknown);
    refused(json!({"spec": {"nodeSelectr": {"disk": "ssd"}}}), "spec.nodeSelectr", unknown);
    let container = json!({"name": "log", "image": "log:1", "ports": [{"containerPort": 1, "hosstPort": 2}]});
    refused(json!({"spec": {"containers": [container]}}), "spec.containers[0].ports[0].hosstPort", unknown);
}

#[test]
fn an_unknown_field_is_found_whatever_its_value() {
    for value in [json!({}), json!([]), json!(""), json!(false), json!(0)] {
        refused(json!({"spec": {"odd": value}}), "spec.odd", "is no field");
    }
}

#[test]
fn every_unknown_field_is_told_up_to_eight() {
    let fields: serde_json::Map<String, Value> = (0..20).map(|n| (format!("odd{n}"), json!(1))).collect();
    assert_eq!(faults(json!({"spec": fields})).len(), 8);
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_its_path() {
    refused(json!({"spec": 1}), "spec", "invalid type");
    let spec = json!({"terminationGracePeriodSeconds": "long"});
    refused(json!({"spec": spec}), "spec.terminationGracePeriodSeconds", "invalid type: string");
    let container = json!({"name": "log", "env": [{"name": "A", "value": 1}]});
    refused(json!({"spec": {"containers": [container]}}), "spec.containers[0].env[0].value", "invalid type");
}

#[test]
fn a_long_value_makes_no_long_message() {
    let spec = json!({"terminationGracePeriodSeconds": "x".repeat(10_000)});
    assert!(faults(json!({"spec": spec}))[0].len() < 400);
}

#[test]
fn the_labels_pods_are_found_by_cannot_be_set() {
    for label in ["app.kubernetes.io/name", "app.kubernetes.io/managed-by", "sluice.dev/fleet"] {
        let template = json!({"metadata": {"labels": {label: "mine"}}});
        refused(template, &format!("metadata.labels[{label}]"), "found by this label");
    }
}

#[test]
fn metadata_other_than_labels_and_annotations_cannot_be_set() {
    for (name, value) in [("name", json!("a")), ("namespace", json!("a")), ("finalizers", json!(["a/b"]))] {
        refused(
            json!({"metadata": {name: value}}),
            &format!("metadata.{name}"),
            "only labels and annotations",
        );
    }
}

#[test]
fn what_binds_a_pod_to_its_account_and_node_cannot_be_set() {
    for (name, value, words) in [
        ("serviceAccountName", json!("admin"), "its own service account"),
        ("serviceAccount", json!("admin"), "its own service account"),
        ("automountServiceAccountToken", json!(true), "no token"),
        ("hostNetwork", json!(true), "own address"),
        ("hostNetwork", json!(false), "own address"),
        ("hostPID", json!(true), "no process"),
        ("hostIPC", json!(true), "no memory"),
    ] {
        refused(json!({"spec": {name: value}}), &format!("spec.{name}"), words);
    }
}

#[test]
fn the_proxys_container_keeps_what_is_the_operators() {
    for (name, value, words) in [
        ("securityContext", json!({"runAsUser": 0}), "restricted Pod Security Standard"),
        ("securityContext", json!({}), "restricted Pod Security Standard"),
        ("image", json!("mine:1"), "spec.image"),
        ("command", json!(["sh"]), "command line"),
        ("args", json!([]), "command line"),
    ] {
        let others = json!({"name": "log", "image": "log:1"});
        let template = json!({"spec": {"containers": [others, {"name": "proxy", name: value}]}});
        refused(template, &format!("spec.containers[1].{name}"), words);
    }
}

#[test]
fn the_operators_names_are_its_own() {
    let spec = json!({"initContainers": [{"name": "proxy", "image": "a"}]});
    refused(json!({"spec": spec}), "spec.initContainers[0].name", "choose another");
    for name in ["sluice-config", "sluice-secret-login"] {
        let spec = json!({"volumes": [{"name": name, "emptyDir": {}}]});
        refused(json!({"spec": spec}), "spec.volumes[0].name", "choose another");
    }
}

#[test]
fn what_is_merged_by_name_needs_one() {
    for list in ["containers", "initContainers", "volumes"] {
        refused(json!({"spec": {list: [{}]}}), &format!("spec.{list}[0].name"), "is missing");
    }
}

#[test]
fn labels_and_annotations_are_added_and_replaced() {
    let template = json!({"metadata": {"labels": {"team": "shop"}, "annotations": {"a": "2", "b": "3"}}});
    let metadata = serde_json::to_value(merged(template).metadata).unwrap();
    let wanted = json!({
        "labels": {"sluice.dev/fleet": "f", "team": "shop"}, "annotations": {"a": "2", "b": "3"}
    });
    assert_eq!(metadata, wanted);
}

#[test]
fn scheduling_is_the_fleets_word() {
    let spec = merged_spec(&json!({
        "nodeSelector": {"disk": "ssd"}, "priorityClassName": "high", "terminationGracePeriodSeconds": 5,
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": [
            {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
            {"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "ScheduleAnyway"}
        ]
    }));
    assert_eq!(spec.priority_class_name.as_deref(), Some("high"));
    assert_eq!(spec.termination_grace_period_seconds, Some(5));
    assert_eq!(spec.tolerations.unwrap().len(), 1);
    let spread = spec.topology_spread_constraints.unwrap();
    let spread: Vec<_> =
        spread.iter().map(|s| (s.topology_key.as_str(), s.when_unsatisfiable.as_str())).collect();
    assert_eq!(spread, [("kubernetes.io/hostname", "DoNotSchedule"), ("rack", "ScheduleAnyway")]);
}

#[test]
fn a_further_container_and_volume_stand_beside_ours() {
    let spec = merged_spec(&json!({
        "containers": [{"name": "log", "image": "log:1", "securityContext": {"runAsNonRoot": true}}],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": 1024}}]
    }));
    let names: Vec<_> = spec.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["proxy", "log"]);
    let volumes: Vec<_> = spec.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    assert_eq!(volumes, ["sluice-config", "scratch"]);
}

#[test]
fn the_proxys_container_is_found_by_its_name_and_keeps_the_rest() {
    let container = proxy(&json!({
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "128Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }));
    assert_eq!(container.image.as_deref(), Some("sluice-proxy:1"));
    let resources = serde_json::to_value(container.resources).unwrap();
    let wanted = json!({"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
    assert_eq!(resources, wanted);
    assert_eq!(container.volume_mounts.unwrap().len(), 1);
}

#[test]
fn a_variable_is_replaced_whole() {
    let env = proxy(&json!({"env": [{"name": "POD_IP", "value": "::1"}, {"name": "A", "value": "b"}]}))
        .env
        .unwrap();
    let variable = |name: &str, value: &str| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    };
    assert_eq!(env, [variable("POD_IP", "::1"), variable("A", "b")]);
}

#[test]
fn a_probe_of_another_kind_replaces_ours_and_a_number_only_changes_it() {
    let other = proxy(&json!({"readinessProbe": {"tcpSocket": {"port": 1}}})).readiness_probe.unwrap();
    assert!(other.http_get.is_none() && other.tcp_socket.is_some());
    assert_eq!(other.period_seconds, Some(2));
    let slower = proxy(&json!({"readinessProbe": {"periodSeconds": 9}})).readiness_probe.unwrap();
    assert!(slower.http_get.is_some());
    assert_eq!(slower.period_seconds, Some(9));
}
