//! What the API server asks the operator, by which port, and with which certificate.

use serde_json::{Value, json};
use sluice_tests::chart::{NAMESPACE, template};

use super::trust::about_secrets;
use super::{deployment, kinds, object};

/// The one webhook of a configuration.
fn hook(kind: &str, args: &[&str]) -> Value {
    let objects = template(args).unwrap();
    let hooks = object(&objects, kind, "sluice-operator")["webhooks"].as_array().unwrap().clone();
    assert_eq!(hooks.len(), 1);
    hooks[0].clone()
}

fn called(path: &str) -> Value {
    json!({"service": {"name": "sluice-operator", "namespace": NAMESPACE, "path": path, "port": 9443}})
}

#[test]
fn streams_and_fleets_are_checked_and_taken_where_nobody_answers() {
    let hook = hook("ValidatingWebhookConfiguration", &["--set", "webhooks.failurePolicy=Fail"]);
    // Helm takes back what it writes and somebody else changes: whom to trust is the operator's to write.
    assert_eq!(hook["clientConfig"], called("/validate"));
    assert_eq!(hook["failurePolicy"], "Ignore");
    assert_eq!((&hook["sideEffects"], &hook["matchPolicy"]), (&json!("None"), &json!("Equivalent")));
    assert_eq!(hook["timeoutSeconds"], 3);
    assert_eq!(
        hook["rules"],
        json!([{
            "apiGroups": ["sluice.dev"], "apiVersions": ["v1alpha1"], "resources": ["datastreams", "proxyfleets"],
            "operations": ["CREATE", "UPDATE"], "scope": "Namespaced"
        }])
    );
}

#[test]
fn only_pods_that_ask_for_a_proxy_wait_for_the_operator() {
    for (policy, args) in [("Fail", &[][..]), ("Ignore", &["--set", "webhooks.failurePolicy=Ignore"])] {
        let hook = hook("MutatingWebhookConfiguration", args);
        assert_eq!(hook["clientConfig"], called("/mutate"));
        assert_eq!(hook["failurePolicy"], policy);
        let labelled = json!({"matchExpressions": [{"key": "sluice.dev/inject", "operator": "Exists"}]});
        assert_eq!(hook["objectSelector"], labelled);
        assert_eq!(hook["reinvocationPolicy"], "IfNeeded");
        assert_eq!((&hook["sideEffects"], &hook["timeoutSeconds"]), (&json!("None"), &json!(5)));
        let rule = &hook["rules"][0];
        assert_eq!((&rule["resources"], &rule["operations"]), (&json!(["pods"]), &json!(["CREATE"])));
    }
}

#[test]
fn namespaces_can_be_left_out() {
    let selector = r#"webhooks.namespaceSelector={"matchLabels":{"a":"b"}}"#;
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        assert_eq!(hook(kind, &[])["namespaceSelector"], json!({}));
        let given = hook(kind, &["--set-json", selector]);
        assert_eq!(given["namespaceSelector"], json!({"matchLabels": {"a": "b"}}));
    }
}

#[test]
fn the_operator_may_say_whom_to_trust_in_these_two_and_in_no_other() {
    let about = |objects: &[Value]| {
        let rules = object(objects, "ClusterRole", "sluice-operator")["rules"].as_array().unwrap().clone();
        let group = json!(["admissionregistration.k8s.io"]);
        rules.into_iter().filter(|rule| rule["apiGroups"] == group).collect::<Vec<_>>()
    };
    let wanted = json!({
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
        "resourceNames": ["sluice-operator"], "verbs": ["list", "watch", "patch"]
    });
    assert_eq!(about(&template(&[]).unwrap()), [wanted]);
    assert!(about(&template(&["--set", "webhooks.enabled=false"]).unwrap()).is_empty());
}

#[test]
fn switched_off_nobody_is_asked_and_nobody_listens() {
    let off = ["--set", "webhooks.enabled=false"];
    let objects = template(&off).unwrap();
    assert!(kinds(&objects).iter().all(|kind| !kind.contains("Webhook")));
    for kind in ["Deployment", "Service", "NetworkPolicy"] {
        assert!(!object(&objects, kind, "sluice-operator").to_string().contains("9443"), "{kind}");
    }
}

#[test]
fn its_port_is_the_service_s() {
    let objects = template(&[]).unwrap();
    let port = json!({"name": "webhooks", "port": 9443, "targetPort": "webhooks", "appProtocol": "https"});
    assert_eq!(object(&objects, "Service", "sluice-operator")["spec"]["ports"][2], port);
}

#[test]
fn a_given_certificate_is_mounted_and_the_operator_then_writes_no_secret() {
    let given = ["--set", "tls.existingSecret=mine"];
    let pod = &deployment(&given)["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"], json!([{"name": "tls", "secret": {"secretName": "mine"}}]));
    let container = &pod["containers"][0];
    assert_eq!(
        container["volumeMounts"],
        json!([{"name": "tls", "mountPath": "/etc/sluice/tls", "readOnly": true}])
    );
    let args = container["args"].to_string();
    assert!(args.contains(r#""--tls-files","/etc/sluice/tls""#), "{args}");
    assert!(about_secrets(&template(&given).unwrap()).is_empty());
}
