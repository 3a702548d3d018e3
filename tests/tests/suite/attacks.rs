//! What a hostile producer tries on ids, paths and headers. Credentials, addresses, floods and slowness have suites of their
//! own (`credentials`, `sources`, `https`, `overload`, `framing`).

use serde_json::Value;
use sluice_tests::document::{document, file_sink, stream};
use sluice_tests::http::{Connection, post};
use sluice_tests::native;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_wire::document::Stream;

use crate::support::lines;

fn start() -> Proxy {
    let builder = Builder::new();
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let passing = Stream { headers: vec!["x-tenant".to_owned()], ..stream("g", "s", "local", "") };
    builder.start(&document(sinks, vec![passing]))
}

/// Every file below the sink's directory, but for the lock that says whose it is.
fn stored(proxy: &Proxy) -> Vec<String> {
    let data = proxy.directory().join("data");
    let mut found = Vec::new();
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() != ".lock" {
                found.push(path.strip_prefix(&data).unwrap().display().to_string());
            }
        }
    }
    found
}

#[test]
fn an_id_is_looked_up_and_never_becomes_a_path_or_a_topic() {
    let proxy = start();
    let odd = [
        "../g",
        "..",
        ".",
        "/etc",
        "g/../g",
        "g\0",
        "g ",
        "G",
        "g.s",
        "*",
        "%2e%2e",
        "g\r\nx: y",
        "\u{202e}g",
    ];
    for id in odd {
        let escaped: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (group, stream) in [(escaped.as_str(), "s"), ("g", escaped.as_str())] {
            let form = format!("groupId={group}&streamId={stream}&body=x");
            let code = proxy.exchange(&post("/dataproxy/message", "", &form)).code();
            assert!(["115", "100", "101"].contains(&code.as_str()), "{id:?}: {code}");
            let target = native::target(group, stream);
            let answer = proxy.exchange(&native::post(&target, "text/plain", "", b"x"));
            assert!([400, 404].contains(&answer.status), "{id:?}: {}", answer.status);
        }
    }
    for target in [
        "/v1/groups/g/streams/s/records/../../../s/records",
        "/v1/groups/g/streams//records",
        "//v1/groups/g/streams/s/records",
    ] {
        assert_eq!(proxy.exchange(&native::post(target, "text/plain", "", b"x")).status, 404, "{target}");
    }
    assert_eq!(stored(&proxy), [""; 0], "nothing is stored anywhere");
}

#[test]
fn a_producer_writes_no_header_but_those_that_its_stream_lists() {
    let proxy = start();
    let headers =
        "X-Tenant: a\r\nrt: 1\r\nsrcIp: 6.6.6.6\r\nce_type: forged\r\nmsgEncType: x\r\nX-Other: y\r\n";
    let answer = proxy.exchange(&native::post(&native::target("g", "s"), "text/plain", headers, b"x"));
    assert_eq!(answer.status, 200);
    let form = "groupId=g&streamId=s&body=x&rt=1&srcIp=6.6.6.6&x-tenant=b";
    assert_eq!(proxy.exchange(&post("/dataproxy/message", headers, form)).code(), "0");
    for line in lines(&proxy.directory().join("data"), "s") {
        let headers = line["headers"].as_object().unwrap();
        let text = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(text("x-tenant"), "a", "{line}");
        assert_eq!(text("srcIp"), "127.0.0.1", "{line}");
        assert_ne!(text("rt"), "1", "{line}");
        for name in ["ce_type", "X-Other", "x-other"] {
            assert!(!headers.contains_key(name), "{line}");
        }
    }
}

#[test]
fn a_line_break_in_a_header_makes_no_other_header() {
    let proxy = start();
    for smuggled in ["a\r\n rt: 1", "a\r\n\tx-tenant: b", "a\rrt: 1", "a\0b"] {
        let headers = format!("X-Tenant: {smuggled}\r\n");
        let mut connection = Connection::open(proxy.http());
        connection.send(&native::post(&native::target("g", "s"), "text/plain", &headers, b"x"));
        assert_eq!(connection.answer().status, 400, "{smuggled:?}");
    }
    assert_eq!(stored(&proxy), [""; 0]);
}
