//! What breaks heals by itself: objects that are removed, operators that die, an API server that restarts.

use std::time::{Duration, Instant};

use sluice_tests::cluster::operators::{PODS, lease};
use sluice_tests::cluster::product::{KUBELET, PATIENCE, SYSTEM, try_report};
use sluice_tests::cluster::{Cluster, Entry, Mark, Namespace, eventually};

use super::manifests::{fleet, stream};
use super::operator::{another_leader, leader, until_quiet, writes};

/// What the holder that there is now did not write itself since it acquired the lease; it must have written.
fn only_the_holder_wrote(cluster: &Cluster, mark: Mark) {
    let (holder, acquired) = lease(cluster).expect("a holder");
    let entries = cluster.audit_since(mark);
    let late: Vec<_> =
        writes(&entries).filter(|entry| entry.received > acquired && entry.pod != holder).collect();
    assert!(late.is_empty(), "written by a former holder after {acquired}: {late:#?}");
    assert!(writes(&entries).any(|entry| entry.pod == holder), "the new holder wrote nothing");
}

fn all_accepted(space: &Namespace<'_>, count: usize) {
    for number in 0..count {
        space.until_condition(&format!("dstream/s{number}"), "Accepted", "True", "Accepted", PATIENCE);
    }
    eventually("every stream's endpoints", PATIENCE, || {
        let made = space.children().iter().filter(|name| name.ends_with("-endpoints")).count();
        if made == count { Ok(()) } else { Err(format!("{made} of {count}")) }
    });
}

#[test]
fn whatever_is_removed_comes_back() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("heal");
    space.apply(&(fleet("edge", 1) + &stream("a", "edge") + &stream("b", "edge")));
    space.until_ready("a");
    space.until_ready("b");
    let before = space.children();
    assert!(before.len() >= 7, "{before:?}");
    let end = Instant::now() + Duration::from_secs(60);
    let (mut removed, mut next) = (0, 7_usize);
    while Instant::now() < end {
        let now: Vec<String> = space.children().into_iter().collect();
        if !now.is_empty() {
            // Any order will do, as long as it wanders.
            next = next.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
            space.kubectl(&["delete", &now[next / 7 % now.len()], "--ignore-not-found", "--wait=false"]);
            removed += 1;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    println!("removed {removed} objects in a minute");
    // On a busy machine kubectl alone takes seconds.
    assert!(removed > 10, "{removed}");
    eventually("all objects to be back", PATIENCE, || {
        let now = space.children();
        let missing: Vec<_> = before.difference(&now).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    });
    let service = space.service("sluice-edge");
    eventually("a report after all that", KUBELET, || try_report(&service, space.name(), "a", "after"));
}

#[test]
fn another_operator_takes_over_and_nothing_is_missed() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("lead");
    space.apply(&fleet("edge", 1));
    let former = leader(&cluster);
    let mark = cluster.audit_mark();
    for number in 0..20 {
        space.apply(&stream(&format!("s{number}"), "edge"));
        if number == 7 {
            cluster.kubectl(&["-n", SYSTEM, "delete", "pod", &former, "--grace-period=0", "--force"]);
        }
    }
    let began = Instant::now();
    let new = another_leader(&cluster, &former);
    println!("{former} was killed; {new} leads {:.1} s later", began.elapsed().as_secs_f64());
    all_accepted(&space, 20);
    only_the_holder_wrote(&cluster, mark);
}

#[test]
fn a_leader_that_stood_still_writes_nothing_when_it_goes_on() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("still");
    space.apply(&fleet("edge", 1));
    let former = leader(&cluster);
    let mark = cluster.audit_mark();
    cluster.signal_pod(SYSTEM, &former, "STOP");
    for number in 0..10 {
        space.apply(&stream(&format!("s{number}"), "edge"));
    }
    another_leader(&cluster, &former);
    cluster.signal_pod(SYSTEM, &former, "CONT");
    all_accepted(&space, 10);
    only_the_holder_wrote(&cluster, mark);
}

#[test]
fn an_api_server_that_restarts_is_taken_up_again() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("apiserver");
    space.apply(&(fleet("edge", 1) + &stream("before", "edge")));
    space.until_ready("before");
    let service = space.service("sluice-edge");
    cluster.restart_api_server("KILL");
    try_report(&service, space.name(), "before", "meanwhile").expect("proxies need no API server");
    space.apply(&stream("after", "edge"));
    space.until_ready("after");
    try_report(&service, space.name(), "after", "after").expect("a report");
}

#[test]
fn an_operator_that_starts_again_writes_nothing() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("cold");
    space.apply(&(fleet("edge", 1) + &stream("a", "edge") + &stream("b", "edge")));
    space.until_ready("a");
    space.until_ready("b");
    until_quiet(&cluster);
    let former = leader(&cluster);
    let mark = cluster.audit_mark();
    cluster.kubectl(&["-n", SYSTEM, "delete", "pod", "-l", PODS]);
    another_leader(&cluster, &former);
    // Once it answers a change it has looked at everything.
    space.apply(&stream("c", "edge"));
    space.until_condition("dstream/c", "Accepted", "True", "Accepted", PATIENCE);
    let entries = cluster.audit_since(mark);
    // The fleet's configuration and status hold the new stream too.
    let needed = |entry: &&Entry| {
        entry.namespace == space.name() && (entry.name.starts_with("edge") || entry.name.starts_with('c'))
    };
    let needless: Vec<_> = writes(&entries).filter(|entry| !needed(entry)).collect();
    assert!(needless.is_empty(), "written without need: {needless:#?}");
}
