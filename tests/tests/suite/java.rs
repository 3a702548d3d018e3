//! A producer in Java, which reports the way the report guide's sample does (`clients/java`).
//! Apache HttpClient 4.5.13, a connection a report, the code read with a JSON library.

use std::process::Command;

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::history::{History, Outcome};
use sluice_tests::kafka;
use sluice_tests::paths;
use sluice_tests::proxy::Proxy;

use crate::support::{kafka as kafka_address, topic};

/// Reports `count` records of `size` characters for `g`/`stream_id`; returns the lines printed, split in two.
fn report(proxy: &Proxy, stream_id: &str, count: usize, size: usize) -> Vec<(String, String)> {
    let home = paths::installed("tests/clients/java/install.sh");
    let url = format!("http://{}/dataproxy/message", proxy.http());
    let output = Command::new("java")
        .args(["-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "out:lib/*", "Report"])
        .args([&url, "g", stream_id, "j", &count.to_string(), &size.to_string()])
        .current_dir(home)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(id, code)| (id.into(), code.into()))
        .collect()
}

#[test]
fn what_a_java_producer_is_told_is_so() {
    let topic = topic("java");
    let streams = vec![stream("g", "s", "kafka", &topic)];
    let proxy = Proxy::start(&on_kafka(&kafka_address(), streams));
    let history = History::new();
    let told = report(&proxy, "s", 500, 200);
    assert_eq!(told.len(), 500);
    for (id, code) in told {
        assert_eq!(code, "0", "{id}");
        history.record(id, Outcome::Stored);
    }
    for (id, code) in report(&proxy, "none", 3, 10) {
        assert_eq!(code, "115", "{id}");
    }
    let records = kafka::read(&kafka_address(), &topic);
    let summary = history.assert_holds(records.iter().map(|record| &record.value));
    assert_eq!((summary.stored, summary.unknown), (500, 0));
    let filling = "a=b&c d+e%\u{4e2d}\u{6587}\u{1f600}|\"'~*";
    assert!(records.iter().all(|record| String::from_utf8_lossy(&record.value).contains(filling)));
}

#[test]
fn a_java_producer_reads_the_code_of_a_body_of_21_mib() {
    let proxy =
        Proxy::start(&on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic("java-large"))]));
    // 22 characters of the filling are 61 bytes on the wire: 21 MiB and 360 KB.
    for size in [7_950_000, 128 * 1024] {
        let told = report(&proxy, "s", 1, size);
        assert_eq!(told, [("j0".to_owned(), "104".to_owned())], "{size}");
    }
    proxy.wait_idle();
}
