//! How proxies and operators come to know each other: a headless Service, a port, and rights to two Secrets.

use serde_json::{Value, json};
use sluice_tests::chart::template;

use super::{deployment, object};

/// The rules about Secrets.
pub(super) fn about_secrets(objects: &[Value]) -> Vec<Value> {
    let roles = ["ClusterRole", "Role"].map(|kind| object(objects, kind, "sluice-operator"));
    let rules = roles.into_iter().flat_map(|role| role["rules"].as_array().unwrap());
    let about =
        |rule: &&Value| rule["resources"].as_array().is_some_and(|all| all.contains(&json!("secrets")));
    rules.filter(about).cloned().collect()
}

#[test]
fn every_replica_is_found_under_one_name_ready_or_not() {
    let objects = template(&[]).unwrap();
    let spec = &object(&objects, "Service", "sluice-operator-replicas")["spec"];
    assert_eq!((&spec["clusterIP"], &spec["publishNotReadyAddresses"]), (&json!("None"), &json!(true)));
    assert_eq!(spec["selector"], deployment(&[])["spec"]["selector"]["matchLabels"]);
    assert_eq!(spec["ports"], json!([{"name": "proxies", "port": 8443, "targetPort": "proxies"}]));
}

#[test]
fn the_certificate_s_secrets_may_be_written_and_no_other_may_be_read() {
    let named = json!({
        "apiGroups": [""], "resources": ["secrets"],
        "resourceNames": ["sluice-operator-ca", "sluice-operator-tls"], "verbs": ["list", "watch", "update"]
    });
    let made = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]});
    let objects = template(&[]).unwrap();
    assert_eq!(about_secrets(&objects), [made, named]);
    let cluster = object(&objects, "ClusterRole", "sluice-operator");
    assert!(!cluster.to_string().contains("secrets"), "in its own namespace alone");
}

#[test]
fn the_keys_of_tokens_may_be_read_and_no_other_path() {
    let objects = template(&[]).unwrap();
    let cluster = object(&objects, "ClusterRole", "sluice-operator");
    let rules = cluster["rules"].as_array().unwrap().iter();
    let paths: Vec<&Value> = rules.filter(|rule| rule.get("nonResourceURLs").is_some()).collect();
    let wanted = json!({
        "nonResourceURLs": ["/openid/v1/jwks", "/.well-known/openid-configuration"], "verbs": ["get"]
    });
    assert_eq!(paths, [&wanted]);
}
