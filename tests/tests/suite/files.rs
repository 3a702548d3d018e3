//! The file sink: one line a record, synced before the answer, cut where it was torn, never past its limit.
//! The layout read here is what people's scripts read.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sluice_tests::document::{document, file_sink, stream};
use sluice_tests::history::History;
use sluice_tests::http::{encode, form, post, report};
use sluice_tests::load::{Load, Progress};
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::wait;
use sluice_wire::document::{Document, SinkKind, Stream};
use sluice_wire::status::NotReady;
use tempfile::TempDir;

use crate::support::{lines, segments};

fn on_files(directory: &Path, max_bytes: u64) -> Document {
    let mut sink = file_sink("local", directory);
    if let SinkKind::File(file) = &mut sink.kind {
        file.max_bytes = max_bytes;
    }
    let large = Stream { max_body_bytes: 2_000_000, ..stream("g", "large", "local", "unused") };
    document(vec![sink], vec![stream("g", "s", "local", "unused"), large])
}

fn start() -> (Proxy, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Proxy::start(&on_files(directory.path(), 1 << 30)), directory)
}

fn values(directory: &Path) -> Vec<String> {
    lines(directory, "s").iter().map(|line| line["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_record_is_one_line_with_everything_about_it() {
    let (proxy, directory) = start();
    let fields = [
        ("groupId", "g"),
        ("streamId", "s"),
        ("body", "a \"b\"\n\u{4e2d}"),
        ("dt", "1700000000123"),
        ("auditVersion", "7"),
    ];
    assert_eq!(proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code(), "0");
    assert_eq!(segments(directory.path(), "s"), [directory.path().join("g/s/00000001.ndjson")]);
    let lines = lines(directory.path(), "s");
    assert_eq!(lines.len(), 1);
    let line = lines[0].as_object().unwrap();
    let names: Vec<_> = line.keys().collect();
    assert_eq!(names, ["time", "groupId", "streamId", "key", "headers", "value"]);
    assert_eq!((&line["groupId"], &line["streamId"], &line["key"]), (&json!("g"), &json!("s"), &Value::Null));
    assert_eq!(line["value"], "a \"b\"\n\u{4e2d}");
    let headers = line["headers"].as_object().unwrap();
    assert_eq!((&headers["dt"], &headers["auditVersion"]), (&json!("1700000000123"), &json!("7")));
    assert_eq!((&headers["srcIp"], &headers["version"]), (&json!("127.0.0.1"), &json!("0")));
    let time = line["time"].as_str().unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time}");
}

#[test]
fn a_body_that_is_no_text_is_kept_as_base64() {
    let (proxy, directory) = start();
    let form = format!("groupId=g&streamId=s&body={}", encode(&[0xff, 0x00, 0xfe, b'a']));
    assert_eq!(proxy.exchange(&post("/dataproxy/message", "", &form)).code(), "0");
    let lines = lines(directory.path(), "s");
    assert_eq!((&lines[0]["valueBase64"], lines[0].get("value")), (&json!("/wD+YQ=="), None));
}

#[test]
fn a_torn_last_line_is_cut_when_the_proxy_starts() {
    let (proxy, directory) = start();
    assert_eq!(proxy.report("g", "s", "whole").0, "0");
    drop(proxy);
    let segment = directory.path().join("g/s/00000001.ndjson");
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, [&whole[..], b"{\"time\":\"2026-01-01T00:00"].concat()).unwrap();
    let proxy = Proxy::start(&on_files(directory.path(), 1 << 30));
    assert_eq!(proxy.report("g", "s", "next").0, "0");
    assert_eq!(values(directory.path()), ["whole", "next"]);
}

#[test]
fn files_at_their_limit_refuse_and_delete_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 100_000;
    let proxy = Proxy::start(&on_files(directory.path(), limit));
    let body = "x".repeat(10_000);
    let codes: Vec<_> = (0..20).map(|_| proxy.report("g", "s", &body).0).collect();
    let stored = codes.iter().filter(|code| *code == "0").count();
    assert!((5..=9).contains(&stored), "{codes:?}");
    assert!(codes[stored..].iter().all(|code| code == "114"), "{codes:?}");
    assert_eq!(values(directory.path()).len(), stored);
    let size: u64 = segments(directory.path(), "s").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(size <= limit, "{size}");
    drop(proxy);
    let proxy = Proxy::start(&on_files(directory.path(), limit));
    assert_eq!(proxy.report("g", "s", &body).0, "114", "what lies there counts after a restart too");
    assert_eq!(values(directory.path()).len(), stored);
}

#[test]
fn files_are_begun_anew_past_64_mib_and_none_is_lost() {
    let (proxy, directory) = start();
    let request = report("g", "large", &"x".repeat(1_900_000));
    for _ in 0..40 {
        assert_eq!(proxy.exchange(&request).code(), "0");
    }
    let names: Vec<_> = segments(directory.path(), "large");
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["00000001.ndjson", "00000002.ndjson"]);
    assert_eq!(lines(directory.path(), "large").len(), 40);
}

#[test]
fn what_was_acknowledged_is_in_the_file_after_a_kill() {
    let (mut proxy, directory) = start();
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = Load::steady(proxy.http(), 32, std::time::Duration::ZERO).spawn(&history, &progress);
    wait::until("load", std::time::Duration::from_secs(30), || history.stored() > 2_000);
    proxy.signal(Signal::SIGKILL);
    assert!(proxy.exit(std::time::Duration::from_secs(10)).is_some());
    progress.stop();
    let _ = load.join().unwrap();
    let proxy = Proxy::start(&on_files(directory.path(), 1 << 30));
    assert_eq!(proxy.report("g", "s", "after").0, "0");
    let values = values(directory.path());
    let summary = history.assert_holds(values.iter().filter(|value| *value != "after"));
    assert!(summary.stored > 2_000, "{summary:?}");
}

#[test]
fn a_directory_that_cant_be_written_refuses_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("blocked");
    std::fs::write(&blocked, "a file where the directory should be").unwrap();
    let proxy = Builder::new().start_unready(Some(&on_files(&blocked, 1 << 30)));
    proxy.wait_for("the document", |status| status.revision == 1);
    let code = proxy.report("g", "s", "x").0;
    assert!(code == "114" || code == "118", "{code}");
    proxy.wait_for("the reason", |status| {
        !status.sinks[0].ready && status.sinks[0].message.contains("blocked")
    });
    let status = proxy.status();
    assert_eq!(
        (status.sinks[0].reason, status.streams[0].reason),
        (Some(NotReady::Other), Some(NotReady::Other))
    );
}
