//! What the operator tells of itself while it works: metrics on its own port, and Events beside the resources.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use sluice_tests::cluster::operators::{Operator, operators};
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, Namespace, eventually};
use sluice_tests::http;

use super::manifests::{fleet, stream};
use super::operator::leader;

/// A Service of the name that fleet `taken` needs.
const SOMEBODY_ELSES: &str = "
apiVersion: v1
kind: Service
metadata: {name: sluice-taken}
spec: {ports: [{port: 80}]}
---
";

/// A stream on the default fleet whose topic is outside of what its namespace may name.
const ELSEWHERE: &str = "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: elsewhere}
spec:
  sink: {topic: payroll.salaries}
";

/// Metrics of a pod: their lines' values, by name and labels.
pub(crate) type Metrics = BTreeMap<String, f64>;

/// What each operator shows, by the name of its pod.
fn of_each(cluster: &Cluster) -> Result<BTreeMap<String, Metrics>, String> {
    let of = |operator: Operator| match values(&operator.ip) {
        Some(metrics) => Ok((operator.name, metrics)),
        None => Err(format!("{operator:?} does not answer")),
    };
    operators(cluster).into_iter().map(of).collect()
}

/// What the pod with this address shows.
pub(crate) fn values(ip: &str) -> Option<Metrics> {
    let answer = http::try_exchange(&format!("{ip}:9102"), &http::get("/metrics"), Duration::from_secs(5))?;
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    let values = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Some(values.collect())
}

/// What the operator that leads shows.
fn of_leader(cluster: &Cluster) -> Result<Metrics, String> {
    let leader = leader(cluster);
    of_each(cluster)?.remove(&leader).ok_or_else(|| format!("{leader} is gone"))
}

/// Waits until one of the leader's metrics is more than `than`.
fn until_more(cluster: &Cluster, name: &str, than: f64) {
    eventually(&format!("{name} to be more than {than}"), PATIENCE, || {
        let metrics = of_leader(cluster)?;
        match metrics.get(name) {
            Some(value) if *value > than => Ok(()),
            other => Err(format!("{other:?} of {:?}", metrics.keys())),
        }
    });
}

/// Events about an object, each as its type, reason and note.
fn events(
    namespace: &Namespace<'_>,
    kind: &str,
    name: &str,
) -> Result<Vec<(String, String, String)>, String> {
    let text = namespace.try_kubectl(&["get", "events.events.k8s.io", "-o", "json"])?;
    let list: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let about = |event: &&Value| {
        let regarding = &event["regarding"];
        let ours = event["reportingController"] == "sluice-operator";
        ours && regarding["kind"] == kind && regarding["name"] == name
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = items.iter().filter(about);
    Ok(told.map(|event| (text(&event["type"]), text(&event["reason"]), text(&event["note"]))).collect())
}

/// Waits for an Event and gives its note.
pub(crate) fn until_event(
    namespace: &Namespace<'_>,
    (kind, name): (&str, &str),
    (warns, reason): (&str, &str),
) -> String {
    eventually(&format!("an Event {reason} of {kind} {name}"), PATIENCE, || {
        let events = events(namespace, kind, name)?;
        let found = events.iter().find(|event| event.0 == warns && event.1 == reason);
        found.map(|event| event.2.clone()).ok_or_else(|| format!("{events:?}"))
    })
}

#[test]
fn exactly_one_operator_leads_and_it_is_the_leases_holder() {
    let cluster = Cluster::shared();
    cluster.install();
    eventually("one leader by its own account", PATIENCE, || {
        let holder = leader(&cluster);
        let operators = of_each(&cluster)?;
        let leading = |metrics: &&Metrics| metrics.get("sluice_operator_leader") == Some(&1.0);
        let leaders: Vec<_> = operators.iter().filter(|(_, metrics)| leading(metrics)).collect();
        match (&leaders[..], operators.len()) {
            ([(pod, _)], 2) if **pod == holder => Ok(()),
            _ => Err(format!("{holder} holds the lease; {operators:?}")),
        }
    });
}

#[test]
fn the_leader_counts_what_it_does_and_how_its_resources_are() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("metrics");
    let before = eventually("the leader's metrics", PATIENCE, || of_leader(&cluster));
    let value = |name: &str| before.get(name).copied().unwrap_or_default();
    space.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    space.until_ready("a");
    for name in [
        "sluice_operator_reconcile_duration_seconds_count",
        "sluice_operator_publish_interval_seconds_count",
        "sluice_operator_publish_interval_seconds_sum",
        r#"sluice_operator_writes_total{about="object"}"#,
        r#"sluice_operator_writes_total{about="configuration"}"#,
        r#"sluice_operator_writes_total{about="stream_status"}"#,
        r#"sluice_operator_writes_total{about="fleet_status"}"#,
    ] {
        until_more(&cluster, name, value(name));
    }
    for name in [
        r#"sluice_operator_objects{condition="Ready",kind="DataStream",status="True"}"#,
        r#"sluice_operator_objects{condition="Accepted",kind="DataStream",status="True"}"#,
        r#"sluice_operator_objects{condition="Available",kind="ProxyFleet",status="True"}"#,
    ] {
        until_more(&cluster, name, 0.0);
    }
    assert!(
        eventually("the queue", PATIENCE, || of_leader(&cluster)).contains_key("sluice_operator_queue_depth")
    );
}

#[test]
fn a_write_that_fails_is_counted_by_its_kind_and_waits_in_the_queue() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("errors");
    let name = r#"sluice_operator_errors_total{kind="name_taken"}"#;
    let before = eventually("the leader's metrics", PATIENCE, || of_leader(&cluster));
    space.apply(SOMEBODY_ELSES);
    space.apply(&fleet("taken", 1));
    space.until_condition("pf/taken", "Degraded", "True", "NameTaken", PATIENCE);
    until_more(&cluster, name, before.get(name).copied().unwrap_or_default());
    until_more(&cluster, "sluice_operator_queue_depth", 0.0);
    until_event(&space, ("ProxyFleet", "taken"), ("Warning", "NameTaken"));
}

#[test]
fn a_stream_that_becomes_ready_is_an_event() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("events");
    space.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    space.until_ready("a");
    until_event(&space, ("DataStream", "a"), ("Normal", "Ready"));
    until_event(&space, ("ProxyFleet", "edge"), ("Normal", "NodesReady"));
    let described = space.kubectl(&["describe", "datastream/a"]);
    assert!(described.contains("sluice-operator  reports are taken"), "{described}");
}

#[test]
fn a_refusal_is_an_event_that_says_why() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.unchecked_namespace("refused");
    space.apply(ELSEWHERE);
    let note = until_event(&space, ("DataStream", "elsewhere"), ("Warning", "NotPermitted"));
    let message = space.until_condition("dstream/elsewhere", "Accepted", "False", "NotPermitted", PATIENCE);
    assert_eq!(note, message);
    assert!(note.starts_with("spec.sink.topic: topic payroll.salaries"), "{note}");
}
