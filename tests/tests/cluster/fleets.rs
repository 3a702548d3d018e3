//! What becomes of a fleet: its objects by mode, how many proxies it has, and what happens when it changes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::cluster::product::{PATIENCE, try_report};
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually, image};
use sluice_tests::history::History;
use sluice_tests::kafka;
use sluice_tests::load::{Load, Progress};

use super::manifests::{fleet, stream};
use super::pace::{hurry, soon_has, soon_ready};

/// A fleet with more in its spec, in lines.
fn fleet_that(name: &str, more: &str) -> String {
    fleet(name, 1).replace("  replicas: 1\n", &format!("  replicas: 1\n  {more}\n"))
}

/// A stream with a groupId of its own fleet, so that one namespace can have several fleets.
fn stream_of(space: &Namespace<'_>, fleet: &str) -> String {
    stream(fleet, fleet).replace("  fleet:", &format!("  groupId: {}-{fleet}\n  fleet:", space.name()))
}

fn patch(space: &Namespace<'_>, object: &str, patch: &Value) {
    space.kubectl(&["patch", object, "--type=merge", "-p", &patch.to_string()]);
}

fn until_fleet(space: &Namespace<'_>, name: &str, kind: &str, status: &str, reason: &str) -> String {
    space.until_condition(&format!("pf/{name}"), kind, status, reason, PATIENCE)
}

/// Names and uids of a fleet's pods that are not going.
fn pods(space: &Namespace<'_>, fleet: &str) -> Vec<(String, String)> {
    let selector = format!("sluice.dev/fleet={fleet}");
    let text = space.kubectl(&["get", "pods", "-l", &selector, "-o", "json"]);
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let pods = list["items"].as_array().expect("a list").iter();
    let stays = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    stays.map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["uid"]))).collect()
}

fn until_pods(space: &Namespace<'_>, fleet: &str, count: usize) {
    eventually(&format!("{count} pods"), PATIENCE, || {
        let there = pods(space, fleet);
        if there.len() == count { Ok(()) } else { Err(format!("{there:?}")) }
    });
}

#[test]
fn every_mode_serves_under_the_strictest_pod_security() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("modes");
    for (name, mode) in [("deploy", "Deployment"), ("state", "StatefulSet"), ("daemon", "DaemonSet")] {
        space.apply(&(stream_of(&space, name) + &fleet_that(name, &format!("mode: {mode}"))));
    }
    for (name, workload) in
        [("deploy", "deployment"), ("state", "statefulset"), ("daemon", "daemonsets.apps")]
    {
        soon_ready(&space, name, &space);
        let group = format!("{}-{name}", space.name());
        try_report(&space.service(&format!("sluice-{name}")), &group, name, "served").expect("a report");
        assert_eq!(kafka::count(KAFKA, &format!("{group}.{name}")), Some(1), "{name}");
        until_fleet(&space, name, "Available", "True", "NodesReady");
        let object = space.get(&format!("{workload}/sluice-{name}"));
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!((owner["kind"].as_str(), owner["name"].as_str()), (Some("ProxyFleet"), Some(name)));
        let spec = &object["spec"]["template"]["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{spec}");
        assert_eq!(spec["serviceAccountName"], format!("sluice-{name}"));
    }
}

#[test]
fn a_fleets_objects_are_made_for_its_mode() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("objects");
    for (name, mode) in [("deploy", "Deployment"), ("state", "StatefulSet"), ("daemon", "DaemonSet")] {
        space.apply(&fleet_that(name, &format!("mode: {mode}")).replace("replicas: 1", "replicas: 0"));
        eventually("the fleet's Service", PATIENCE, || {
            space.try_get(&format!("service/sluice-{name}")).ok_or_else(|| "none".to_owned())
        });
    }
    let version: Value = serde_json::from_str(&cluster.kubectl(&["get", "--raw", "/version"])).expect("JSON");
    let minor: u32 =
        version["minor"].as_str().expect("a number").trim_end_matches('+').parse().expect("a number");
    let same_node = if minor >= 34 { "PreferSameNode" } else { "PreferClose" };
    for (name, near) in [("deploy", "PreferClose"), ("state", "PreferClose"), ("daemon", same_node)] {
        let service = space.get(&format!("service/sluice-{name}"));
        assert_eq!(service["spec"]["trafficDistribution"], near, "{name}");
        assert_eq!(service["spec"]["type"], "ClusterIP");
        let nodes = space.get(&format!("service/nodes-sluice-{name}"));
        assert_eq!(nodes["spec"]["clusterIP"], "None");
    }
    for name in ["deploy", "state"] {
        let budget = eventually("a disruption budget", PATIENCE, || {
            space.try_get(&format!("pdb/sluice-{name}")).ok_or_else(|| "none".to_owned())
        });
        assert_eq!(budget["spec"]["maxUnavailable"], 1);
        assert_eq!(budget["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    }
    // Its pods leave with their machine, which a budget would only keep from being drained.
    until_fleet(&space, "daemon", "Available", "True", "NodesReady");
    assert!(space.try_get("pdb/sluice-daemon").is_none());
}

#[test]
fn a_fleet_is_scaled_like_any_workload() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("scaled");
    space.apply(&fleet("edge", 1));
    until_fleet(&space, "edge", "Progressing", "False", "UpToDate");
    space.kubectl(&["scale", "pf/edge", "--replicas=2"]);
    until_pods(&space, "edge", 2);
    let path = format!("/apis/sluice.dev/v1alpha1/namespaces/{}/proxyfleets/edge/scale", space.name());
    let scale = eventually("both to count", PATIENCE, || {
        let scale: Value = serde_json::from_str(&space.kubectl(&["get", "--raw", &path])).expect("JSON");
        if scale["status"]["replicas"] == 2 { Ok(scale) } else { Err(scale.to_string()) }
    });
    // What an autoscaler finds the pods by.
    let selector = scale["status"]["selector"].as_str().expect("a selector");
    let found = space.kubectl(&["get", "pods", "-l", selector, "-o", "name"]);
    assert_eq!(found.lines().count(), 2, "{found}");
    space.kubectl(&["scale", "pf/edge", "--replicas=0"]);
    until_pods(&space, "edge", 0);
    until_fleet(&space, "edge", "Available", "False", "ScaledToZero");
}

#[test]
fn a_paused_fleet_stays_as_it_is_until_the_annotation_goes() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("paused");
    space.apply(&(fleet("edge", 1) + &stream("before", "edge")));
    soon_ready(&space, "before", &space);
    space.kubectl(&["annotate", "pf/edge", "sluice.dev/paused=true"]);
    let told = until_fleet(&space, "edge", "Progressing", "False", "Paused");
    assert!(told.contains("take the annotation sluice.dev/paused off"), "{told}");
    let content = |object: &str| {
        let object = space.get(object);
        [&object["spec"], &object["data"], &object["binaryData"]].map(Clone::clone)
    };
    let untouched = ["deployment/sluice-edge", "service/sluice-edge", "configmap/edge-config-0"];
    let before = untouched.map(content);
    space.kubectl(&["delete", "pdb/sluice-edge"]);
    patch(&space, "pf/edge", &json!({"spec": {"replicas": 2}}));
    space.apply(&stream("after", "edge"));
    // Told of the new stream, the operator has seen all that came before it.
    let told = soon_has((&space, "dstream/after"), ("Programmed", "False", "FleetPaused"), &space);
    assert!(told.contains("is paused and takes nothing new"), "{told}");
    assert_eq!(untouched.map(content), before);
    assert!(space.try_get("pdb/sluice-edge").is_none());
    try_report(&space.service("sluice-edge"), space.name(), "before", "goes on").expect("a report");

    space.kubectl(&["annotate", "pf/edge", "sluice.dev/paused-"]);
    until_pods(&space, "edge", 2);
    eventually("the budget to be back", PATIENCE, || {
        space.try_get("pdb/sluice-edge").ok_or_else(|| "none".to_owned())
    });
    soon_ready(&space, "after", &space);
}

#[test]
fn a_pod_template_is_merged_into_the_operators_own() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("template");
    let template = "podTemplate: {metadata: {annotations: {team: data}}, spec: {nodeSelector: {kubernetes.io/os: linux}, \
                    containers: [{name: proxy, env: [{name: EXTRA, value: \"1\"}]}]}}";
    space.apply(&fleet_that("edge", template));
    until_fleet(&space, "edge", "Available", "True", "NodesReady");
    let pod = space.get(&format!("pod/{}", pods(&space, "edge")[0].0));
    assert_eq!(pod["metadata"]["annotations"]["team"], "data");
    assert_eq!(pod["spec"]["nodeSelector"]["kubernetes.io/os"], "linux");
    let container = &pod["spec"]["containers"][0];
    let env = container["env"].as_array().expect("variables");
    let value = |name: &str| env.iter().find(|variable| variable["name"] == name);
    assert_eq!(value("EXTRA").expect("the fleet's own")["value"], "1");
    assert!(value("POD_IP").is_some(), "{env:?}");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
}

#[test]
fn a_pod_template_that_may_not_be_is_told_by_field_and_what_runs_goes_on() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("template");
    space.apply(&fleet("edge", 1));
    until_fleet(&space, "edge", "Progressing", "False", "UpToDate");
    let before = pods(&space, "edge");
    for (template, wanted) in [
        (json!({"spec": {"hostNetwork": true}}), "spec.podTemplate.spec.hostNetwork: can't be set"),
        (
            json!({"spec": {"serviceAccountName": "x"}}),
            "spec.podTemplate.spec.serviceAccountName: can't be set",
        ),
        (json!({"spec": {"hostnetwork": true}}), "spec.podTemplate.spec.hostnetwork"),
        (
            json!({"metadata": {"labels": {"sluice.dev/fleet": "other"}}}),
            "spec.podTemplate.metadata.labels[sluice.dev/fleet]: can't be set",
        ),
        (
            json!({"spec": {"containers": [{"name": "proxy", "securityContext": {"privileged": true}}]}}),
            "spec.podTemplate.spec.containers[0].securityContext: can't be set",
        ),
    ] {
        let whole = json!([{"op": "add", "path": "/spec/podTemplate", "value": template}]);
        space.kubectl(&["patch", "pf/edge", "--type=json", "-p", &whole.to_string()]);
        eventually(&format!("{wanted} to be told"), PATIENCE, || {
            let (status, reason, message) = space.condition("pf/edge", "Degraded");
            let told = status == "True" && reason == "InvalidPodTemplate" && message.contains(wanted);
            if told { Ok(()) } else { Err(message) }
        });
    }
    assert_eq!(pods(&space, "edge"), before);
    space.kubectl(&[
        "patch",
        "pf/edge",
        "--type=json",
        "-p",
        r#"[{"op": "remove", "path": "/spec/podTemplate"}]"#,
    ]);
    until_fleet(&space, "edge", "Degraded", "False", "AsExpected");
    assert_eq!(pods(&space, "edge"), before);
}

#[test]
fn another_image_rolls_out_and_no_acknowledged_record_is_lost() {
    let cluster = Cluster::shared();
    cluster.install();
    let other = "test.local/sluice-proxy:other";
    let tagged =
        cluster.command("ctr").args(["images", "tag", "--force", &image("sluice-proxy"), other]).output();
    assert!(tagged.expect("ctr runs").status.success(), "the image has no second name");
    let space = cluster.namespace("roll");
    space.apply(&(fleet("edge", 2) + &stream("s", "edge")));
    soon_ready(&space, "s", &space);
    until_fleet(&space, "edge", "Progressing", "False", "UpToDate");
    let before = pods(&space, "edge");
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let steady = Load::steady(&space.service("sluice-edge"), 4, Duration::from_millis(20));
    let load = Load { group_id: space.name().to_owned(), close: true, ..steady }.spawn(&history, &progress);
    patch(&space, "pf/edge", &json!({"spec": {"image": other}}));
    until_fleet(&space, "edge", "Progressing", "True", "RollingOut");
    eventually("all pods to be new ones", PATIENCE, || {
        let now = pods(&space, "edge");
        let new = now.iter().all(|pod| !before.contains(pod)) && now.len() == before.len();
        if new { Ok(()) } else { Err(format!("{now:?}")) }
    });
    until_fleet(&space, "edge", "Progressing", "False", "UpToDate");
    let stored = history.stored();
    eventually("reports to the new pods", PATIENCE, || {
        if history.stored() > stored { Ok(()) } else { Err(format!("{stored}")) }
    });
    progress.stop();
    let codes = load.join().expect("a load");
    let values = kafka::read(KAFKA, &format!("{}.s", space.name())).into_iter().map(|record| record.value);
    let summary = history.assert_holds(values);
    println!("a rollout of another image: {codes:?}, {summary:?}");
    assert!(summary.stored > stored, "{summary:?}");
}

#[test]
fn an_object_of_somebody_else_is_left_alone_and_told() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("taken");
    let theirs =
        "{apiVersion: v1, kind: Service, metadata: {name: sluice-edge}, spec: {ports: [{port: 80}]}}";
    space.apply(theirs);
    let before = space.get("service/sluice-edge");
    space.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    let told = until_fleet(&space, "edge", "Degraded", "True", "NameTaken");
    assert!(told.contains(&format!("Service {}/sluice-edge", space.name())), "{told}");
    assert_eq!(space.get("service/sluice-edge"), before);
    space.kubectl(&["delete", "service/sluice-edge"]);
    until_fleet(&space, "edge", "Degraded", "False", "AsExpected");
    let service = eventually("the fleet's own Service to take reports", PATIENCE, || {
        hurry(&space);
        let service = space.try_get("service/sluice-edge").ok_or("none")?;
        let address = sluice_tests::cluster::product::address(&service);
        try_report(&address, space.name(), "a", "served").map(|()| service)
    });
    assert_eq!(service["metadata"]["ownerReferences"][0]["kind"], "ProxyFleet");
}
