//! A fleet whose proxies follow their load: more when they are full, fewer when they are idle, and nothing that was
//! acknowledged is lost on either way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually};
use sluice_tests::history::History;
use sluice_tests::kafka;
use sluice_tests::load::{Load, Progress};

use super::manifests::{fleet, stream};
use super::metrics::until_event;
use super::pace::soon_ready;

const SOON: Duration = Duration::from_secs(60);
/// Loads are smoothed over 10 s and asked for every 10 s; a pod starts; a step down waits for 30 s after the last step.
const STEP: Duration = Duration::from_secs(150);

/// Connections that a proxy takes.
const CONNECTIONS: usize = 40;
/// So many held open are a load of 80, which is two proxies' at a target of 50.
const HELD: usize = 32;

fn autoscaling_fleet() -> String {
    let more = format!(
        "  replicas: 1
  overload: {{maxConnections: {CONNECTIONS}}}
  autoscaling: {{min: 1, max: 3, targetLoad: 50, scaleDownStabilization: 10s}}\n"
    );
    fleet("edge", 1).replace("  replicas: 1\n", &more)
}

fn replicas(space: &Namespace<'_>) -> Value {
    space.get("deployment/sluice-edge")["spec"]["replicas"].clone()
}

/// Waits until as many proxies are ready as there are to be, and these are enough.
fn until_replicas(space: &Namespace<'_>, what: &str, enough: impl Fn(i64) -> bool) -> i64 {
    eventually(what, STEP, || {
        let status = space.try_get("deployment/sluice-edge").ok_or("no Deployment")?;
        let (wanted, ready) = (&status["spec"]["replicas"], &status["status"]["readyReplicas"]);
        match wanted.as_i64() {
            Some(count) if enough(count) && wanted == ready => Ok(count),
            _ => Err(format!("{wanted} wanted, {ready} ready")),
        }
    })
}

#[test]
fn a_full_fleet_grows_and_an_idle_one_shrinks_and_no_acknowledged_record_is_lost() {
    // Nodes that wait for the CPU are not idle.
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("autoscaling");
    space.apply(&(autoscaling_fleet() + &stream("s", "edge")));
    soon_ready(&space, "s", &space);
    let (history, all_along, while_full) = (Arc::new(History::new()), Progress::new(), Progress::new());
    let of = |connections: usize, pause: u64, close: bool| {
        let steady = Load::steady(&space.service("sluice-edge"), connections, Duration::from_millis(pause));
        Load { group_id: space.name().to_owned(), close, ..steady }
    };
    // These meet every pod that comes and goes, each report over a connection of its own.
    let trickle = of(2, 50, true).spawn(&history, &all_along);
    let full = of(HELD, 500, false).spawn(&history, &while_full);
    let grown = until_replicas(&space, "a full fleet to grow", |count| count > 1);
    let note = until_event(&space, ("ProxyFleet", "edge"), ("Normal", "ScaledUp"));
    assert!(note.starts_with("1 to ") && note.contains("of target 50"), "{note}");
    println!("{note}");
    assert_eq!(space.get("pf/edge")["spec"]["replicas"], 1, "the spec stays as it was written");

    while_full.stop();
    let codes = full.join().expect("a load");
    let shrunk = until_replicas(&space, "an idle fleet to shrink", |count| count < grown);
    let note = until_event(&space, ("ProxyFleet", "edge"), ("Normal", "ScaledDown"));
    assert!(note.contains("of target 50") && note.contains("needed in the last 10s"), "{note}");
    println!("{note}; {grown} proxies, then {shrunk}");
    let stored = history.stored();
    eventually("reports to those that stay", SOON, || {
        if history.stored() > stored { Ok(()) } else { Err(format!("{stored}")) }
    });
    all_along.stop();
    println!("full: {codes:?}, all along: {:?}", trickle.join().expect("a load"));
    let values = kafka::read(KAFKA, &format!("{}.s", space.name())).into_iter().map(|record| record.value);
    let summary = history.assert_holds(values);
    assert!(summary.stored > stored, "{summary:?}");
}

#[test]
fn the_specs_number_is_of_no_account_and_the_bounds_hold_at_once() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("bounds");
    space.apply(&autoscaling_fleet().replace("max: 3", "max: 2").replace("min: 1", "min: 2"));
    until_replicas(&space, "the least number", |count| count == 2);
    space.kubectl(&["scale", "pf/edge", "--replicas=4"]);
    eventually("the scaled spec to be seen", SOON, || {
        let fleet = space.get("pf/edge");
        let (seen, newest) = (&fleet["status"]["observedGeneration"], &fleet["metadata"]["generation"]);
        if seen == newest { Ok(()) } else { Err(format!("{seen} of {newest}")) }
    });
    assert_eq!(replicas(&space), 2);
    // What somebody does to the workload itself is put right too.
    space.kubectl(&["scale", "deployment/sluice-edge", "--replicas=0"]);
    until_replicas(&space, "the least number again", |count| count == 2);
}
