//! What the log tells: refusals in few lines, requests by their ids, and never what was sent or a secret.

use std::process::Command;
use std::time::Duration;

use sluice_tests::collector::Collector;
use sluice_tests::document::{kafka_sink, on_kafka, stream};
use sluice_tests::http::{form, post, report};
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::{kafka, native, paths};
use sluice_wire::document::{Document, KafkaSink, Sasl, SaslMechanism, Stream};

use crate::support::{kafka as kafka_address, proxy as plain, topic};

/// In every body, header, query and secret that is sent.
const MARK: &str = "xyzzy0b5cure";

/// The log of a proxy that was told to leave and did.
fn last_log(proxy: &mut Proxy) -> String {
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.exit(Duration::from_secs(30)).is_some_and(|status| status.success()));
    assert!(proxy.log().wait_for("left", Duration::from_secs(5)));
    proxy.log().text()
}

#[test]
fn a_flood_of_refusals_is_a_few_lines_that_count_them() {
    let (mut proxy, _) = plain("flood");
    let too_long = report("g", "s", &"x".repeat(70_000));
    for number in 0..300 {
        assert_eq!(proxy.exchange(&report("g", &format!("made-up-{number}"), "x")).code(), "115");
    }
    for _ in 0..20 {
        assert_eq!(proxy.exchange(&too_long).code(), "104");
    }
    let log = last_log(&mut proxy);
    let refused = |code: &str| -> (usize, u64) {
        let lines = log.lines().filter(|line| line.contains("requests refused") && line.contains(code));
        let counts: Vec<u64> =
            lines.map(|line| line.rsplit_once("requests=").unwrap().1.parse().unwrap()).collect();
        (counts.len(), counts.iter().sum())
    };
    let ((lines, unknown), (more, long)) = (refused("code=115"), refused("code=104"));
    assert_eq!((unknown, long), (300, 20), "{log}");
    // A look every 10 s and one at the end.
    assert!(lines <= 10 && more <= 10, "{log}");
    assert!(!log.contains("made-up"), "ids that nobody configured: {log}");
    assert!(log.contains(r#"group_id="g" stream_id="s" code=104"#), "{log}");
}

/// A stream for every way to be refused, and a connection with a password that goes nowhere.
fn streams() -> Document {
    let compacted = kafka::unique_name("marked.compacted");
    kafka::create(&kafka_address(), &compacted, 1, &[("cleanup.policy", "compact")]);
    let plain = stream("g", "s", "kafka", &topic("marked"));
    let named =
        |stream_id: &str| Stream { stream_id: stream_id.into(), name: stream_id.into(), ..plain.clone() };
    let mut document = on_kafka(
        &kafka_address(),
        vec![
            Stream { headers: vec!["x-listed".into()], ..plain.clone() },
            Stream { paused: true, ..named("paused") },
            Stream { records_per_second: Some(1), ..named("slow") },
            Stream { topic: compacted, ..named("compacted") },
            Stream { topic: "marked.missing".into(), ..named("missing") },
            Stream { sink: "locked".into(), topic: "t".into(), ..named("locked") },
        ],
    );
    let sasl = Some(Sasl { mechanism: SaslMechanism::Plain, secret: "login".into() });
    document
        .sinks
        .push(kafka_sink("locked", KafkaSink { sasl, ..sluice_tests::document::kafka("127.0.0.1:9") }));
    document
}

/// A request to the native route with marked headers.
fn post_native(stream_id: &str, content: &str, headers: &str, body: &str) -> Vec<u8> {
    let target = format!("{}?x={MARK}", native::target("g", stream_id));
    let own =
        format!("Authorization: Bearer {MARK}\r\nX-Other: {MARK}\r\nX-Request-Id: native-1\r\n{headers}");
    native::post(&target, content, &own, body.as_bytes())
}

/// Requests to the native route, and the statuses that they may get.
fn native_requests() -> Vec<(Vec<u8>, &'static [u16])> {
    let (json, event, text) = ("application/json", "application/cloudevents+json", "text/plain");
    let broken = format!(r#"{{"{MARK}": {MARK}"#);
    let attribute =
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","{MARK}":{{}},"data":"{MARK}"}}"#);
    let long = format!("{MARK}{}", "x".repeat(70_000));
    let listed = format!("x-listed: {MARK}{}\r\n", "x".repeat(9_000));
    vec![
        (post_native("s", json, "", &broken), &[400]),
        (post_native("s", event, "", &attribute), &[400]),
        (post_native("s", "application/x-ndjson", "", &broken), &[400]),
        (post_native("s", &format!("text/{MARK}"), "", MARK), &[415]),
        (post_native("s", text, &format!("Content-Encoding: {MARK}\r\n"), MARK), &[415]),
        (post_native("s", text, "Content-Encoding: gzip\r\n", MARK), &[400]),
        (post_native("s", text, "", &long), &[413]),
        (post_native("s", text, &listed, MARK), &[431]),
        (post_native("none", text, "", MARK), &[404]),
        (post_native("paused", text, "", MARK), &[503]),
        (post_native("missing", text, "", MARK), &[503]),
        (post_native("locked", text, "", MARK), &[503]),
        (post_native("slow", text, "", &format!("{MARK}\n{MARK}\n{MARK}")), &[200]),
        (post_native("slow", text, "", MARK), &[429]),
        (post_native("compacted", text, "", MARK), &[503, 504]),
        (post_native("s", text, "", MARK), &[200]),
    ]
}

/// Reports of the InLong path, and the codes that they may get.
fn reports() -> Vec<(Vec<u8>, &'static [&'static str])> {
    let headers = format!("Authorization: Bearer {MARK}\r\nX-Other: {MARK}\r\nX-Request-Id: report-1\r\n");
    let send = |fields: &str| post("/dataproxy/message", &headers, fields);
    let fields = |stream_id: &str, more: &[(&str, &str)]| {
        send(&form(&[&[("groupId", "g"), ("streamId", stream_id)], more].concat()))
    };
    let body = [("body", MARK)];
    let long = format!("{MARK}{}", "x".repeat(70_000));
    vec![
        (send(&format!("groupId=g&streamId=s&body={MARK}%")), &["31"]),
        (fields("s", &[("callback", &format!("{MARK}(")), ("body", MARK)]), &["31"]),
        (post(&format!("/dataproxy/message?{MARK}=%"), &headers, ""), &["34"]),
        (post(&format!("/{MARK}"), &headers, ""), &["35"]),
        (post("/dataproxy/message", &format!("{headers}Content-Encoding: {MARK}\r\n"), "x"), &["36"]),
        (send(&format!("body={MARK}")), &["100"]),
        (send(&format!("groupId={MARK}")), &["101"]),
        (fields("s", &[("other", MARK)]), &["103"]),
        (fields("s", &[("body", &long)]), &["104"]),
        (fields("s", &[("body", " "), ("other", MARK)]), &["111"]),
        (fields("paused", &body), &["114"]),
        (fields(MARK, &body), &["115"]),
        (fields("missing", &body), &["115"]),
        (fields("compacted", &body), &["118", "119"]),
        (fields("s", &body), &["0"]),
    ]
}

#[test]
fn neither_log_nor_spans_ever_hold_a_body_a_header_or_a_secret() {
    let collector = Collector::listen();
    let mut proxy = Builder::new()
        .args(&["--otlp-endpoint", &collector.url()])
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer {MARK}"))
        .env("OTEL_TRACES_SAMPLER", "always_on")
        .env("SLUICE_LOG", "info,sluice_proxy=trace")
        .secret("login", "username", MARK)
        .secret("login", "password", MARK)
        .start_unready(Some(&streams()));
    for ready in ["s", "slow", "compacted"] {
        proxy.wait_stream(ready, true);
    }
    let (native, inlong) = (native_requests(), reports());
    for (request, statuses) in &native {
        let answer = proxy.exchange(request);
        assert!(statuses.contains(&answer.status), "{statuses:?}: {} {}", answer.status, answer.text());
    }
    for (request, codes) in &inlong {
        let code = proxy.exchange(request).code();
        assert!(codes.contains(&code.as_str()), "{codes:?}: {code}");
    }
    let log = last_log(&mut proxy);
    let lines =
        |words: &[&str]| log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
    // All but the stored ones, and path and method, which no report has reached.
    assert_eq!(lines(&["records refused", r#"request_id="native-1""#]), native.len() - 2, "{log}");
    assert_eq!(lines(&["report refused", r#"request_id="report-1""#]), inlong.len() - 2, "{log}");
    assert!(!log.contains(MARK), "the log shows what was sent:\n{log}");
    let spans = collector.arrived();
    assert!(spans.len() >= native.len() + inlong.len() - 1, "{} spans", spans.len());
    assert!(spans[0].head.contains(MARK), "the collector gets its header");
    for one in spans {
        let shown = format!("{:?} {:?}", one.span, one.attributes);
        assert!(!shown.contains(MARK), "{shown}");
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_one_line_and_an_exit_code() {
    let run = |endpoint: &str| {
        let mut command = Command::new(paths::binary("sluice-proxy"));
        command.args(["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "json"]);
        let output = command.args(["--otlp-endpoint", endpoint]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for endpoint in ["https://collector:4318", "collector", &format!("http://user:{MARK}@collector")] {
        let (code, log) = run(endpoint);
        let lines: Vec<serde_json::Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect();
        assert_eq!((code, lines.len()), (Some(1), 1), "{log}");
        assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&"can't start".into(), &"ERROR".into()));
        assert!(lines[0]["error"].as_str().is_some_and(|error| error.starts_with("traces: ")), "{log}");
        assert!(!log.contains(MARK), "{log}");
    }
}
