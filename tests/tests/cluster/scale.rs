//! A thousand streams on twenty fleets: they converge, and once they have, nothing more is written.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

use sluice_tests::cluster::operators::operators;
use sluice_tests::cluster::product::{SYSTEM, try_report};
use sluice_tests::cluster::{Cluster, eventually};

use super::manifests::fleet;
use super::operator::{until_quiet, writes};

const FLEETS: usize = 20;
const STREAMS: usize = 1_000;
/// On two cores that everything else runs on as well; the time itself is printed.
const LONGEST: Duration = Duration::from_secs(400);

/// Who applies streams at the same time: one alone has a thousand answers to wait for.
const APPLIERS: usize = 4;

/// All streams, as many for each who applies them. They share one topic, so that the test's time is not the broker's.
fn streams(topic: &str) -> [String; APPLIERS] {
    let each = STREAMS / APPLIERS;
    std::array::from_fn(|part| some_streams(topic, part * each..(part + 1) * each))
}

fn some_streams(topic: &str, numbers: Range<usize>) -> String {
    let mut text = String::new();
    for number in numbers {
        let fleet = number % FLEETS;
        write!(
            text,
            "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {{name: s{number}}}
spec:
  groupId: g{fleet}
  fleet: {{name: f{fleet}}}
  sink: {{topic: {topic}}}
---
"
        )
        .expect("a string takes all");
    }
    text
}

fn memory(cluster: &Cluster) -> String {
    let mut all = String::new();
    for operator in operators(cluster) {
        let kib = cluster.resident_kib(SYSTEM, &operator.name);
        write!(all, "{} MiB ", kib / 1_024).expect("a string takes all");
    }
    all
}

#[test]
fn a_thousand_streams_on_twenty_fleets_converge_and_then_nothing_is_written() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("scale");
    let topic = format!("{}.all", space.name());
    sluice_tests::kafka::create(sluice_tests::cluster::KAFKA, &topic, 1, &[]);
    let fleets: String = (0..FLEETS).map(|number| fleet(&format!("f{number}"), 1)).collect();
    let mark = cluster.audit_mark();
    let began = Instant::now();
    space.apply(&fleets);
    std::thread::scope(|scope| {
        for some in streams(&topic) {
            let space = &space;
            scope.spawn(move || space.apply(&some));
        }
    });
    println!("applied after {:.1} s", began.elapsed().as_secs_f64());
    let ready = || {
        let states =
            "-o=jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
        let states = space.kubectl(&["get", "datastreams", states]);
        let ready = states.lines().filter(|state| *state == "True").count();
        if ready == STREAMS { Ok(()) } else { Err(format!("{ready} ready")) }
    };
    eventually("every stream to be ready", LONGEST, ready);
    let took = began.elapsed();
    let entries = cluster.audit_since(mark);
    let written = writes(&entries).count();
    println!(
        "{STREAMS} streams on {FLEETS} fleets: ready after {:.1} s, {:.2} writes a stream, operators {}",
        took.as_secs_f64(),
        written as f64 / STREAMS as f64,
        memory(&cluster)
    );
    try_report(&space.service("sluice-f7"), "g7", "s7", "one of many").expect("a report");

    until_quiet(&cluster);
    let mark = cluster.audit_mark();
    cluster.restart_api_server("TERM");
    // Every watch is begun again, and everything is listed again where that is not possible.
    std::thread::sleep(Duration::from_secs(10));
    let needless: Vec<_> = cluster.audit_since(mark);
    let needless: Vec<_> = writes(&needless).collect();
    assert!(needless.is_empty(), "written without need: {needless:#?}");
    // So much that goes would be a load for the next test. A namespace waits for half of the time that its pods may take.
    space.kubectl(&["delete", "proxyfleets", "--all", "--cascade=foreground", "--timeout=180s"]);
    cluster.kubectl(&["delete", "namespace", space.name(), "--timeout=180s"]);
}
