//! What a pod that asks for a sidecar gets, and which pods are refused.

use serde_json::Value;
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, Namespace, eventually, image};

use super::pods::{application, until_running};
use super::space;

/// Where Kubernetes mounts a pod's token for the API server, and how the volumes with it are called.
const ACCOUNT: (&str, &str) = ("/var/run/secrets/kubernetes.io/serviceaccount", "kube-api-access-");

/// A pod that asks for a sidecar, with these fields more in its metadata and in its spec.
fn pod(name: &str, metadata: &str, spec: &str, container: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{sluice.dev/inject: beside}}{metadata}}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: app
    image: {image}
    args: [tail, g, s, --follow, --dir, /nowhere]
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
{container}{spec}
---
",
        image = image("sluice"),
    )
}

fn environment(pod: &Value, container: &str) -> Vec<(String, String)> {
    let env = pod.pointer(container).and_then(|container| container["env"].as_array()).expect("variables");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    env.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).collect()
}

#[test]
fn pods_with_init_containers_variables_and_volumes_of_their_own_keep_them() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "own");
    let init = format!(
        "  initContainers:
  - name: first
    image: {image}
    args: [send, $(SLUICE_GROUP_ID), orders, --file, /input/lines]
    volumeMounts: [{{name: input, mountPath: /input}}]
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
  volumes: [{{name: input, configMap: {{name: input}}}}]
",
        image = image("sluice"),
    );
    space.apply("\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: input}\ndata: {lines: \"first\"}\n");
    let annotations = ", annotations: {sluice.dev/stream: orders}";
    let env = "    env: [{name: SLUICE_GROUP_ID, value: mine}, {name: OWN, value: \"$(SLUICE_URL)/x\"}]\n";
    space.apply(&pod("own", annotations, &init, env));
    until_running(&space, 1);
    space.wait("pod/own", "Ready", PATIENCE);
    let made = space.get("pod/own");
    assert_eq!(names(&made["spec"]["initContainers"]), ["sluice-proxy", "first"]);
    assert!(names(&made["spec"]["volumes"]).starts_with(&["input"]), "{}", made["spec"]["volumes"]);
    let own = environment(&made, "/spec/containers/0");
    let has =
        |name: &str, value: &str| assert!(own.contains(&(name.to_owned(), value.to_owned())), "{own:?}");
    has("SLUICE_URL", "http://127.0.0.1:46802");
    has("SLUICE_STREAM_ID", "orders");
    has("SLUICE_GROUP_ID", "mine");
    assert_eq!(super::stored(&space), [b"first"], "what its init container reported, before it started");
}

#[test]
fn the_application_s_token_for_the_api_server_is_not_the_sidecar_s() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "account");
    let plain = pod("mounts", "", "", "").replace("  automountServiceAccountToken: false\n", "");
    space.apply(&plain);
    until_running(&space, 1);
    let made = space.get("pod/mounts");
    let (place, volumes) = ACCOUNT;
    let [application, sidecar] =
        ["containers", "initContainers"].map(|list| &made["spec"][list][0]["volumeMounts"]);
    let has = |mount: &Value| {
        let name = mount["name"].as_str().unwrap_or_default();
        mount["mountPath"] == place && name.starts_with(volumes)
    };
    assert!(application.as_array().expect("mounts").iter().any(has), "{application}");
    assert_eq!(names(&made["spec"]["initContainers"]), ["sluice-proxy"]);
    assert!(!names(sidecar).iter().any(|name| name.starts_with(volumes)), "{sidecar}");
}

#[test]
fn stateful_sets_and_pods_that_are_named_by_their_maker_get_theirs() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "makers");
    space.apply(&application("state", "StatefulSet", 1, "beside"));
    space.apply(&application("deploy", "Deployment", 1, "beside"));
    let found = until_running(&space, 2);
    assert!(found.iter().any(|pod| pod.name == "state-0"), "{found:?}");
    assert!(found.iter().any(|pod| pod.name.starts_with("deploy-")), "{found:?}");
}

#[test]
fn a_pod_without_the_label_is_not_touched() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "plain");
    space.apply(&application("plain", "Pod", 1, ""));
    let made = space.get("pod/plain");
    assert!(
        made["spec"].get("initContainers").is_none() && made["metadata"].get("annotations").is_none(),
        "{made}"
    );
}

fn refused(space: &Namespace<'_>, manifest: &str, words: &str) {
    let said = space.try_apply(manifest).expect_err("it is refused");
    assert!(said.contains(words), "{said}");
}

#[test]
fn pods_in_which_a_sidecar_has_no_place_are_refused_with_what_to_do() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "refused");
    let port = |port: u16| format!("    ports: [{{containerPort: {port}}}]\n");
    refused(&space, &pod("p", "", "", &port(46_802)), "container app takes port 46802");
    refused(&space, &pod("p", "", "", &port(9_102)), "container app takes port 9102");
    let named = pod("p", "", "", "").replace("- name: app", "- name: sluice-proxy");
    refused(&space, &named, "is called sluice-proxy, as the sidecar is; rename it");
    let volume = "  volumes: [{name: sluice-token, emptyDir: {}}]\n";
    refused(&space, &pod("p", "", volume, ""), "a volume of the pod is called sluice-token");
    refused(&space, &pod("p", "", "  hostNetwork: true\n", ""), "take hostNetwork out");
    let nowhere = pod("p", "", "", "").replace("sluice.dev/inject: beside", "sluice.dev/inject: nowhere");
    refused(&space, &nowhere, "make it with mode: Sidecar");
    let annotation = ", annotations: {sluice.dev/stream: nowhere}";
    refused(&space, &pod("p", annotation, "", ""), "there is no DataStream");
    space.apply(&super::super::manifests::fleet("other", 0));
    let other = pod("p", "", "", "").replace("sluice.dev/inject: beside", "sluice.dev/inject: other");
    refused(&space, &other, "is of mode Deployment");
}

#[test]
fn what_makes_pods_is_told_why_it_gets_none() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("told");
    space.apply(&application("app", "Deployment", 1, "nowhere"));
    eventually("the ReplicaSet to say so", PATIENCE, || {
        let events = space.kubectl(&["get", "events", "--field-selector=reason=FailedCreate", "-o", "wide"]);
        if events.contains("make it with mode: Sidecar") { Ok(()) } else { Err(events) }
    });
}
