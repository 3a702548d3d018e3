//! The chart's life: upgrade, rollback, uninstall and install again, with streams there all the time.

use std::path::Path;
use std::time::Duration;

use sluice_tests::chart;
use sluice_tests::cluster::product::{KUBELET, PATIENCE, RELEASE, SYSTEM, address, try_report};
use sluice_tests::cluster::{Cluster, KAFKA_SERVICE, Namespace, eventually};

use super::manifests::{fleet, stream};
use super::operator::{Reinstall, meanwhile};
use super::pace::soon_ready;

/// A stream on the default fleet.
const ON_DEFAULT: &str = "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: a}
spec:
  sink: {create: {partitions: 1, replicas: 1}}
";

fn install_from(cluster: &Cluster, chart: &Path) {
    cluster.restrict_system();
    let kafka = format!("defaultFleet.kafka.bootstrapServers={KAFKA_SERVICE}");
    let chart = chart.to_str().unwrap();
    let arguments = ["upgrade", "--install", RELEASE, chart, "--namespace", SYSTEM, "--create-namespace"];
    let values = ["--set", "image.registry=test.local", "--set", &kafka, "--wait", "--timeout", "3m"];
    cluster.helm(&[&arguments[..], &values[..]].concat());
}

fn uninstall(cluster: &Cluster) {
    cluster.helm(&[
        "uninstall",
        RELEASE,
        "--namespace",
        SYSTEM,
        "--ignore-not-found",
        "--wait",
        "--timeout",
        "3m",
    ]);
}

/// Whether the API server knows the field that the older chart's definition lacks.
fn knows_the_new_field(cluster: &Cluster) -> bool {
    let path = format!(
        "-o=jsonpath={{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.{}.type}}",
        chart::NEW_FIELD
    );
    !cluster.kubectl(&["get", "crd", "datastreams.sluice.dev", &path]).is_empty()
}

/// `host:port` of the default fleet's Service.
fn default_service(cluster: &Cluster) -> Result<String, String> {
    let text = cluster.try_kubectl(&["-n", SYSTEM, "get", "service/sluice-default", "-o", "json"])?;
    Ok(address(&serde_json::from_str(&text).map_err(|error| error.to_string())?))
}

/// Names of all streams that stand in a namespace.
fn streams(namespace: &Namespace<'_>) -> String {
    namespace.kubectl(&["get", "datastreams", "-o", "name"])
}

/// Uids of a fleet's pods.
fn pods(namespace: &Namespace<'_>) -> String {
    let uids = r"-o=jsonpath={.items[*].metadata.uid}";
    namespace.kubectl(&["get", "pods", "-l", "app.kubernetes.io/name=sluice-proxy", uids])
}

/// Waits for the first report to a stream of the default fleet.
fn until_default_takes(cluster: &Cluster, space: &Namespace<'_>) -> String {
    eventually("a report to the default fleet", KUBELET, || {
        let service = default_service(cluster)?;
        try_report(&service, space.name(), "a", "first").map(|()| service)
    })
}

/// Reports while something is done; every one of them has to be taken. Gives how many there were.
fn reporting(service: &str, group_id: &str, work: impl FnOnce()) -> usize {
    let report = || {
        // A producer's pace; what is tested is that none of them is refused.
        std::thread::sleep(Duration::from_millis(50));
        try_report(service, group_id, "a", "meanwhile")
    };
    meanwhile(report, work)
}

#[test]
fn an_upgrade_and_a_rollback_refuse_no_report_of_a_stream_in_use() {
    let cluster = Cluster::alone();
    cluster.install();
    let _restore = Reinstall(&cluster);
    uninstall(&cluster);
    let folder = tempfile::tempdir().unwrap();
    install_from(&cluster, &chart::old(folder.path()));
    assert!(!knows_the_new_field(&cluster), "the older chart's definition has the field");
    let space = cluster.namespace("upgrade");
    space.apply(ON_DEFAULT);
    space.until_ready("a");
    let service = until_default_takes(&cluster, &space);

    let count = reporting(&service, space.name(), || {
        cluster.helm_install(&[]);
        assert!(knows_the_new_field(&cluster), "the upgrade has not brought the field");
        cluster.helm(&["rollback", RELEASE, "--namespace", SYSTEM, "--wait", "--timeout", "3m"]);
        assert!(!knows_the_new_field(&cluster), "the rollback has not taken the field back");
        cluster.helm_install(&[]);
    });
    println!("{count} reports during two upgrades and a rollback");
    assert!(count > 10, "{count}");
    // The operator of the last upgrade is at work.
    space.apply(&ON_DEFAULT.replace("sink:", "paused: true\n  sink:"));
    space.until_condition("dstream/a", "Ready", "False", "Paused", KUBELET);
}

#[test]
fn an_operator_that_watches_some_namespaces_sees_nothing_of_the_others() {
    let cluster = Cluster::alone();
    cluster.install();
    let _restore = Reinstall(&cluster);
    let (watched, other) = (cluster.namespace("watched"), cluster.namespace("other"));
    let list = format!("watchNamespaces={{{}}}", watched.name());
    cluster.helm_install(&["--set", &list, "--set-json", "longPolling.namespaces={}"]);
    other.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    watched.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    soon_ready(&watched, "a", &watched);
    try_report(&watched.service("sluice-edge"), watched.name(), "a", "seen").expect("a report");
    assert_eq!(other.get("dstream/a").get("status"), None, "a stream elsewhere is told something");
    assert!(other.children().is_empty(), "{:?}", other.children());
    let operator = format!("system:serviceaccount:{SYSTEM}:sluice-operator");
    let may = |namespace: &str, verb: &str, what: &str| {
        let asked = ["auth", "can-i", verb, what, "-n", namespace, "--as", &operator];
        cluster.try_kubectl(&asked).is_ok_and(|answer| answer.trim() == "yes")
    };
    for (verb, what) in
        [("list", "datastreams"), ("list", "pods"), ("get", "secrets"), ("create", "deployments")]
    {
        assert!(may(watched.name(), verb, what), "{verb} {what} where it watches");
        assert!(!may(other.name(), verb, what), "{verb} {what} elsewhere");
    }
}

#[test]
fn uninstalling_takes_the_default_fleet_and_leaves_all_that_users_made() {
    let cluster = Cluster::alone();
    cluster.install();
    let _restore = Reinstall(&cluster);
    let (space, gone) = (cluster.namespace("kept"), cluster.namespace("gone"));
    let own = fleet("edge", 1)
        + &stream("b", "edge").replace("spec:\n", &format!("spec:\n  groupId: {}.b\n", space.name()));
    space.apply(ON_DEFAULT);
    space.apply(&own);
    gone.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    space.until_condition("dstream/a", "Accepted", "True", "Accepted", PATIENCE);
    space.until_ready("b");
    gone.until_ready("a");
    let before = pods(&space);

    uninstall(&cluster);
    for definition in ["datastreams.sluice.dev", "proxyfleets.sluice.dev"] {
        cluster.kubectl(&["get", "crd", definition]);
    }
    assert_eq!(streams(&space), "datastream.sluice.dev/a\ndatastream.sluice.dev/b\n");
    // Without an operator too, nothing holds a namespace.
    cluster.kubectl(&["delete", "namespace", gone.name(), "--wait=false"]);
    eventually("nothing of the default fleet to be left", PATIENCE, || {
        let kinds = "proxyfleets,configmaps,services,deployments,poddisruptionbudgets,pods";
        let left = cluster.try_kubectl(&[
            "-n",
            SYSTEM,
            "get",
            kinds,
            "-l",
            "sluice.dev/fleet=default",
            "-o",
            "name",
        ])?;
        let fleets = cluster.try_kubectl(&["-n", SYSTEM, "get", "pf", "-o", "name"])?;
        if left.is_empty() && fleets.is_empty() { Ok(()) } else { Err(left + &fleets) }
    });
    let group = format!("{}.b", space.name());
    try_report(&space.service("sluice-edge"), &group, "b", "alone").expect("a user's own fleet goes on");
    cluster.kubectl(&["wait", "--for=delete", &format!("namespace/{}", gone.name()), "--timeout=90s"]);

    cluster.helm_install(&[]);
    until_default_takes(&cluster, &space);
    // The fleet that went on is taken up as it is, and told to serve what comes.
    space.apply(&stream("c", "edge").replace("spec:\n", &format!("spec:\n  groupId: {group}\n")));
    space.until_condition("dstream/c", "Accepted", "True", "Accepted", PATIENCE);
    try_report(&space.service("sluice-edge"), &group, "b", "taken up").expect("a report");
    assert_eq!(pods(&space), before, "the fleet's pods are the same as before");
}

#[test]
fn a_namespace_with_a_fleet_and_streams_goes_without_waiting_for_anything() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("gone");
    space.apply(&(fleet("edge", 1) + &stream("a", "edge") + &stream("b", "edge")));
    space.until_ready("a");
    cluster.kubectl(&["delete", "namespace", space.name(), "--timeout=90s"]);
}
