//! What the operator may do, held against what it did: the chart's rules and the audit log since the cluster's start.
//! It has the cluster alone, and so most of the others' requests before it; what it needs it brings about itself.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sluice_tests::cluster::product::{PATIENCE, SYSTEM};
use sluice_tests::cluster::{Cluster, eventually};

use super::manifests::{fleet, stream};
use super::operator::leader;

const USER: &str = "system:serviceaccount:sluice-system:sluice-operator";

/// Rights that no request here shows: group, resource, right.
const NOT_SHOWN: [(&str, &str, &str); 12] = [
    // A certificate is renewed when it is 60 days old.
    ("", "secrets", "update"),
    // OwnerReferencesPermissionEnforcement asks for these when an object with blockOwnerDeletion is made.
    ("sluice.dev", "datastreams/finalizers", "update"),
    ("sluice.dev", "proxyfleets/finalizers", "update"),
    ("", "configmaps/finalizers", "update"),
    // And for these when an owner reference that somebody removed is put back.
    ("", "services", "delete"),
    ("", "serviceaccounts", "delete"),
    ("apps", "deployments", "delete"),
    ("apps", "statefulsets", "delete"),
    ("apps", "daemonsets", "delete"),
    ("policy", "poddisruptionbudgets", "delete"),
    ("networking.k8s.io", "networkpolicies", "delete"),
    ("sluice.dev", "proxyfleets", "delete"),
];

/// A stream on the default fleet whose producers have tokens.
const ON_DEFAULT: &str = "
{apiVersion: v1, kind: Secret, type: sluice.dev/tokens, metadata: {name: producers}, stringData: {one: 0123456789abcdef012345}}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: default}
spec:
  groupId: GROUP
  auth: {type: Token, tokensSecret: {name: producers}}
  sink: {create: {partitions: 1, replicas: 1}}
---
";

/// A right, or its use: in which namespace (empty: all), and on which name (empty: any).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
    namespace: String,
    name: String,
}

impl Right {
    /// Whether a request used this right.
    fn is_used_by(&self, done: &Self) -> bool {
        let same = |right: &str, done: &str| right.is_empty() || right == done;
        (&self.group, &self.resource, &self.verb) == (&done.group, &done.resource, &done.verb)
            && same(&self.namespace, &done.namespace)
            && same(&self.name, &done.name)
    }

    fn is_not_shown(&self) -> bool {
        NOT_SHOWN.contains(&(self.group.as_str(), self.resource.as_str(), self.verb.as_str()))
    }
}

/// Who may list may read in any other way: one right.
fn verb(verb: &str) -> String {
    if ["get", "list", "watch"].contains(&verb) { "read" } else { verb }.to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a role allows, each right apart.
fn rights(role: &Value, namespace: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = Some(texts(&rule["resourceNames"])).filter(|names| !names.is_empty());
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for allowed in texts(&rule["verbs"]) {
                    for name in names.clone().unwrap_or_else(|| vec![String::new()]) {
                        let (group, resource) = (group.clone(), resource.clone());
                        let namespace = namespace.to_owned();
                        rights.insert(Right { group, resource, verb: verb(&allowed), namespace, name });
                    }
                }
            }
        }
    }
    rights
}

/// All that the chart lets the operator do.
fn allowed(cluster: &Cluster) -> BTreeSet<Right> {
    let role = |arguments: &[&str]| -> Value {
        let text = cluster.kubectl(&[&["get", "-o", "json"][..], arguments].concat());
        serde_json::from_str(&text).unwrap()
    };
    let mut all = rights(&role(&["clusterrole/sluice-operator"]), "");
    all.extend(rights(&role(&["-n", SYSTEM, "role/sluice-operator"]), SYSTEM));
    all
}

/// Lines of the whole audit log that are the operator's, or about what binds its roles to it, in their order.
fn log(cluster: &Cluster) -> Vec<Value> {
    // Files that were full come first by their names.
    let command = format!(
        r#"grep -hF -e '"username":"{USER}"' -e '"resource":"clusterrolebindings"' -e '"resource":"rolebindings"' "${{KUBECONFIG%/*}}"/audit*.log"#
    );
    let output = cluster.command("sh").args(["-c", &command]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The last line may be half written.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn text<'a>(entry: &'a Value, place: &str) -> &'a str {
    entry.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn code(entry: &Value) -> u64 {
    entry.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default()
}

/// The rights that a request used, if it was answered well.
fn used(entry: &Value) -> Vec<Right> {
    let code = code(entry);
    // Who is told that something is not there was let in.
    let answered = (200..300).contains(&code) || (code == 404 && text(entry, "/verb") == "get");
    if text(entry, "/user/username") != USER || !answered {
        return Vec::new();
    }
    let (resource, sub) = (text(entry, "/objectRef/resource"), text(entry, "/objectRef/subresource"));
    let resource = if sub.is_empty() { resource.to_owned() } else { format!("{resource}/{sub}") };
    let right = |verb: String| Right {
        group: text(entry, "/objectRef/apiGroup").to_owned(),
        resource: resource.clone(),
        verb,
        namespace: text(entry, "/objectRef/namespace").to_owned(),
        name: text(entry, "/objectRef/name").to_owned(),
    };
    let verb = verb(text(entry, "/verb"));
    // An apply that made its object.
    let made = (verb == "patch" && code == 201).then(|| right("create".to_owned()));
    std::iter::once(right(verb)).chain(made).collect()
}

fn done(log: &[Value]) -> BTreeSet<Right> {
    log.iter().flat_map(used).collect()
}

/// Who asked for what, wherever it is.
fn asked(entry: &Value) -> [&str; 5] {
    let places =
        ["/user/username", "/verb", "/objectRef/apiGroup", "/objectRef/resource", "/objectRef/subresource"];
    places.map(|place| text(entry, place))
}

/// Which object it is.
fn object(entry: &Value) -> [&str; 4] {
    ["/objectRef/apiGroup", "/objectRef/resource", "/objectRef/namespace", "/objectRef/name"]
        .map(|place| text(entry, place))
}

/// A request and its answer, in a line.
fn line(entry: &Value) -> String {
    let received = text(entry, "/requestReceivedTimestamp");
    let [_, verb, _, _, sub] = asked(entry);
    format!("{received} {verb} {:?} {sub}: {}", object(entry), text(entry, "/responseStatus/message"))
}

/// Requests of the operator that were refused for want of a right. While the chart is being removed its roles go
/// before its pods have ended: what they are refused then is as it should be.
/// So it is with what an API server refuses that has just started and does not know its rules yet: a right that
/// is had at any other time is not missing. Admission asks for rights to an object's owners, which differ from
/// object to object: there the same object counts.
fn refused(log: &[Value]) -> Vec<String> {
    let well = || log.iter().filter(|entry| code(entry) < 300 && text(entry, "/user/username") == USER);
    let granted: BTreeSet<_> = well().map(asked).collect();
    let written: BTreeSet<_> =
        well().filter(|entry| verb(text(entry, "/verb")) != "read").map(object).collect();
    let (mut refused, mut missing, mut changed) = (Vec::new(), BTreeSet::new(), Timestamp::MIN);
    for entry in log {
        let resource = text(entry, "/objectRef/resource");
        let received: Timestamp = text(entry, "/requestReceivedTimestamp").parse().expect("a time");
        if resource.ends_with("rolebindings") && text(entry, "/objectRef/name").starts_with("sluice-operator")
        {
            match text(entry, "/verb") {
                "delete" => drop(missing.insert(resource.to_owned())),
                "create" | "patch" => drop(missing.remove(resource)),
                _ => {}
            }
            changed = received;
        }
        // What a binding allows, the API server knows a moment after it is made.
        let bound = missing.is_empty() && received.duration_since(changed) > SignedDuration::from_secs(2);
        let message = text(entry, "/responseStatus/message");
        let by_rules =
            entry.pointer("/annotations/authorization.k8s.io~1decision").is_some_and(|d| d == "forbid");
        // What a quota or an ending namespace refuses is no right.
        let by_admission = message.contains("cannot set") && message.contains("ownerRef");
        let by_admission = by_admission && !written.contains(&object(entry));
        let ours = text(entry, "/user/username") == USER && code(entry) == 403;
        let by_rules = by_rules && !granted.contains(&asked(entry));
        if ours && bound && (by_rules || by_admission) {
            refused.push(line(entry));
        }
    }
    refused
}

/// Has the operator do everything that it can do, by what users do.
fn bring_about(cluster: &Cluster) {
    let space = cluster.namespace("rbac");
    let group = |name: &str| format!("{}.{name}", space.name());
    let own_group = |manifest: &str, name: &str| {
        manifest.replace("spec:\n", &format!("spec:\n  groupId: {}\n", group(name)))
    };
    // Every kind of workload, its configuration, endpoints and status.
    for mode in ["Deployment", "StatefulSet", "DaemonSet"] {
        let name = mode.to_lowercase();
        space.apply(&fleet(&name, 1).replace("spec:\n", &format!("spec:\n  mode: {mode}\n")));
        space.apply(&own_group(&stream(&name, &name), &name));
        space.until_condition(&format!("pf/{name}"), "Available", "True", "NodesReady", PATIENCE);
        space.until_condition(&format!("dstream/{name}"), "Accepted", "True", "Accepted", PATIENCE);
    }
    // Another configuration, and a fleet that goes with its stream's endpoints.
    space.apply(&own_group(&stream("second", "deployment"), "deployment"));
    space.until_condition("dstream/second", "Accepted", "True", "Accepted", PATIENCE);
    space.kubectl(&["delete", "pf/daemonset", "--timeout=60s"]);
    eventually("the endpoints of a stream without a fleet to be gone", PATIENCE, || {
        space.try_get("configmap/daemonset-endpoints").map_or(Ok(()), |_| Err("it is there".to_owned()))
    });
    // An Event that comes again is written as a series: a refusal, its end, the refusal.
    for (fleet, status, reason) in [
        ("daemonset", "False", "FleetNotFound"),
        ("deployment", "True", "Accepted"),
        ("daemonset", "False", "FleetNotFound"),
    ] {
        let change = format!(r#"{{"spec":{{"fleet":{{"name":"{fleet}"}}}}}}"#);
        space.kubectl(&["patch", "dstream/daemonset", "--type=merge", "-p", &change]);
        space.until_condition("dstream/daemonset", "Accepted", status, reason, PATIENCE);
    }
    // The default fleet, made anew at need.
    cluster.kubectl(&["-n", SYSTEM, "delete", "pf/default", "--ignore-not-found", "--timeout=90s"]);
    space.apply(&ON_DEFAULT.replace("GROUP", space.name()));
    space.until_condition("dstream/default", "Accepted", "True", "Accepted", PATIENCE);
    // The lease.
    cluster.kubectl(&["-n", SYSTEM, "delete", "lease/sluice-operator"]);
    leader(cluster);
}

#[test]
fn every_right_of_the_operator_is_used_and_none_is_missing() {
    let cluster = Cluster::alone();
    cluster.install();
    bring_about(&cluster);
    let rights = allowed(&cluster);
    assert!(rights.iter().all(|right| right.verb != "*" && right.resource != "*"));
    // Of Secrets those of its own certificates alone, in its own namespace, and producers' tokens, by their names.
    let own = |right: &Right| {
        let named = ["sluice-operator-ca", "sluice-operator-tls"].contains(&right.name.as_str());
        let tokens = right.namespace.is_empty() && right.verb == "read";
        tokens || right.namespace == SYSTEM && (named || right.verb == "create")
    };
    assert!(rights.iter().filter(|right| right.resource == "secrets").all(own));
    // Events and the last writes are on their way still.
    let log = eventually("every right to be used", PATIENCE, || {
        let log = log(&cluster);
        let done = done(&log);
        let is_used = |right: &&Right| done.iter().any(|done| right.is_used_by(done));
        let unused: Vec<_> = rights.iter().filter(|right| !right.is_not_shown() && !is_used(right)).collect();
        if unused.is_empty() { Ok(log) } else { Err(format!("never used: {unused:#?}")) }
    });
    assert!(log.len() > 100, "the log has {} lines of the operator", log.len());
    let refused = refused(&log);
    assert!(refused.is_empty(), "refused for want of a right: {refused:#?}");
}
