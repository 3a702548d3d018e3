//! What the operator and people may do by the chart's roles.
//! That the operator uses all of it is held against the audit log of the test cluster.

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_tests::chart::{NAMESPACE, template};

use super::{kinds, object};

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

/// Every rule of every role.
fn rules(objects: &[Value]) -> Vec<&Value> {
    let roles = objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Role"));
    roles.flat_map(|role| role["rules"].as_array().unwrap()).collect()
}

/// Whether a role allows `verb` on `resource`, for any name.
fn allows(role: &Value, resource: &str, verb: &str) -> bool {
    role["rules"].as_array().unwrap().iter().any(|rule| {
        rule.get("resourceNames").is_none()
            && texts(&rule["resources"]).contains(&resource)
            && texts(&rule["verbs"]).contains(&verb)
    })
}

#[test]
fn no_rule_has_a_wildcard_or_grants_more_than_it_has() {
    let objects = template(&[]).unwrap();
    for rule in rules(&objects) {
        let of_paths = rule.get("nonResourceURLs").is_some();
        let parts =
            if of_paths { &["nonResourceURLs", "verbs"][..] } else { &["apiGroups", "resources", "verbs"] };
        for part in parts {
            let parts = texts(&rule[part]);
            assert!(!parts.is_empty(), "{rule}");
            assert!(!parts.iter().any(|part| part.contains('*')), "{rule}");
        }
        for verb in ["escalate", "bind", "impersonate"] {
            assert!(!texts(&rule["verbs"]).contains(&verb), "{rule}");
        }
    }
}

#[test]
fn no_pod_s_inside_and_of_users_secrets_only_those_with_tokens_are_within_reach() {
    for (value, readable) in [("true", 1), ("false", 0)] {
        let objects = template(&["--set", &format!("rbac.tokensSecrets={value}")]).unwrap();
        let mut others = 0;
        for rule in rules(&objects) {
            for resource in texts(&rule["resources"]) {
                let own = texts(&rule["resourceNames"]) == ["sluice-operator-ca", "sluice-operator-tls"];
                let made = texts(&rule["verbs"]) == ["create"];
                others += usize::from(resource.starts_with("secrets") && !own && !made);
                assert!(!resource.starts_with("pods/"), "{rule}");
            }
        }
        assert_eq!(others, readable, "{value}");
        let names: Vec<_> =
            objects.iter().filter(|object| object["metadata"]["name"] == "sluice-operator-tokens").collect();
        assert_eq!(names.len(), 2 * readable, "a role and its binding");
        for role in names.iter().filter(|object| object["kind"] == "ClusterRole") {
            assert_eq!(texts(&role["rules"][0]["verbs"]), ["get"], "none can be listed");
        }
    }
}

#[test]
fn an_operator_that_watches_some_namespaces_has_rights_there_alone() {
    let objects = template(&["--set", "watchNamespaces={shop,pay}"]).unwrap();
    let cluster = object(&objects, "ClusterRole", "sluice-operator");
    let resources: Vec<_> =
        cluster["rules"].as_array().unwrap().iter().flat_map(|rule| texts(&rule["resources"])).collect();
    let wanted = ["namespaces", "nodes", "validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
    assert_eq!(resources, wanted);
    let everywhere = template(&[]).unwrap();
    let everywhere = object(&everywhere, "ClusterRole", "sluice-operator")["rules"].as_array().unwrap();
    for kind in ["Role", "RoleBinding"] {
        let named = objects
            .iter()
            .filter(|one| one["kind"] == kind && one["metadata"]["name"] == "sluice-operator-watched");
        let (mut spaces, mut rules) = (BTreeSet::new(), Vec::new());
        for one in named {
            spaces.insert(one["metadata"]["namespace"].as_str().unwrap());
            rules.extend(one["rules"].as_array().into_iter().flatten());
        }
        assert_eq!(spaces, ["shop", "pay", NAMESPACE].into(), "{kind}");
        for rule in rules {
            let tokens = texts(&rule["resources"]) == ["secrets"] && texts(&rule["verbs"]) == ["get"];
            assert!(tokens || everywhere.contains(rule), "{rule}");
        }
    }
    assert!(!kinds_named(&objects, "sluice-operator-tokens"));
    let deployment = object(&objects, "Deployment", "sluice-operator");
    let arguments = texts(&deployment["spec"]["template"]["spec"]["containers"][0]["args"]).join(" ");
    assert!(arguments.contains("--watch-namespace shop --watch-namespace pay"), "{arguments}");
    let asked = object(&objects, "MutatingWebhookConfiguration", "sluice-operator");
    let selector = &asked["webhooks"][0]["namespaceSelector"]["matchExpressions"][0];
    assert_eq!(texts(&selector["values"]), ["shop", "pay", NAMESPACE]);
    let outside = template(&["--set", "watchNamespaces={shop},longPolling.namespaces.id=demo"]).unwrap_err();
    assert!(outside.contains("demo has to be one of watchNamespaces"), "{outside}");
}

/// Whether there is an object of this name.
fn kinds_named(objects: &[Value], name: &str) -> bool {
    objects.iter().any(|object| object["metadata"]["name"] == name)
}

#[test]
fn pods_nodes_and_namespaces_are_only_looked_at() {
    let objects = template(&[]).unwrap();
    let role = object(&objects, "ClusterRole", "sluice-operator");
    for rule in role["rules"].as_array().unwrap() {
        let looks_only = ["pods", "nodes", "namespaces", "datastreams", "proxyfleets"];
        if texts(&rule["resources"]).iter().any(|resource| looks_only.contains(resource)) {
            assert_eq!(texts(&rule["verbs"]), ["list", "watch"], "{rule}");
        }
    }
}

#[test]
fn leases_and_the_default_fleet_are_bound_to_one_namespace_and_name() {
    let objects = template(&[]).unwrap();
    let cluster = object(&objects, "ClusterRole", "sluice-operator");
    assert!(!allows(cluster, "leases", "create") && !allows(cluster, "proxyfleets", "patch"));
    let role = object(&objects, "Role", "sluice-operator");
    assert_eq!(role["metadata"]["namespace"], NAMESPACE);
    let unbound = role["rules"].as_array().unwrap().iter().filter(|rule| rule.get("resourceNames").is_none());
    let unbound: Vec<_> = unbound.map(|rule| (texts(&rule["resources"]), texts(&rule["verbs"]))).collect();
    assert_eq!(unbound, [(vec!["leases"], vec!["create"]), (vec!["secrets"], vec!["create"])]);
}

#[test]
fn the_roles_are_the_operator_s_service_account_s() {
    let objects = template(&["--set", "serviceAccount.create=false,serviceAccount.name=given"]).unwrap();
    assert!(!kinds(&objects).contains("ServiceAccount"));
    for binding in ["ClusterRoleBinding", "RoleBinding"] {
        let binding = object(&objects, binding, "sluice-operator");
        assert_eq!(binding["roleRef"]["name"], "sluice-operator");
        let subject =
            serde_json::json!([{"kind": "ServiceAccount", "name": "given", "namespace": NAMESPACE}]);
        assert_eq!(binding["subjects"], subject);
    }
    let deployment = object(&objects, "Deployment", "sluice-operator");
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], "given");
}

#[test]
fn editors_write_streams_and_only_administrators_write_fleets() {
    let objects = template(&[]).unwrap();
    let into = |role: &Value| -> BTreeSet<String> {
        let labels = role["metadata"]["labels"].as_object().unwrap();
        let prefix = "rbac.authorization.k8s.io/aggregate-to-";
        labels.keys().filter_map(|label| label.strip_prefix(prefix)).map(str::to_owned).collect()
    };
    let [view, edit, admin] =
        ["sluice-view", "sluice-edit", "sluice-admin"].map(|name| object(&objects, "ClusterRole", name));
    let roles = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(into(view), roles(&["view", "edit", "admin"]));
    assert_eq!(into(edit), roles(&["edit", "admin"]));
    assert_eq!(into(admin), roles(&["admin"]));
    assert!(allows(view, "datastreams", "get") && allows(view, "proxyfleets", "list"));
    for verb in ["create", "update", "patch", "delete"] {
        assert!(!allows(view, "datastreams", verb) && !allows(view, "proxyfleets", verb));
        assert!(allows(edit, "datastreams", verb) && !allows(edit, "proxyfleets", verb));
        assert!(allows(admin, "proxyfleets", verb));
    }
    for role in [view, edit, admin] {
        for status in ["datastreams/status", "proxyfleets/status"] {
            assert!(!allows(role, status, "update") && !allows(role, status, "patch"), "{role}");
        }
    }
}

#[test]
fn roles_can_be_left_to_others() {
    let objects = template(&["--set", "rbac.create=false"]).unwrap();
    let kinds = kinds(&objects);
    assert!(kinds.iter().all(|kind| !kind.contains("Role")), "{kinds:?}");
}
