//! Traces: spans as a collector gets them off the wire, and the context that records carry.
//! A collector that is slow or gone costs spans, never reports.

use std::time::{Duration, Instant};

use sluice_tests::collector::{Arrived, Collector, hex};
use sluice_tests::document::one_stream;
use sluice_tests::http::{form, post};
use sluice_tests::kafka;
use sluice_tests::native::post as post_native;
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::{ports, wait};

use crate::support::{kafka as kafka_address, proxy as plain, topic};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const RECORDS: &str = "/v1/groups/g/streams/s/records";
const SERVER: i32 = 2;
const PRODUCER: i32 = 4;
const ERROR: i32 = 2;

fn parent(trace: &str, flags: &str) -> String {
    format!("traceparent: 00-{trace}-{CALLER}-{flags}\r\ntracestate: a=1,b=2\r\n")
}

fn native(headers: &str, body: &str) -> Vec<u8> {
    post_native(RECORDS, "text/plain", headers, body.as_bytes())
}

fn inlong(headers: &str, body: &str) -> Vec<u8> {
    post("/dataproxy/message", headers, &form(&[("groupId", "g"), ("streamId", "s"), ("body", body)]))
}

/// A proxy that exports what it has ten times a second.
fn traced(prefix: &str, endpoint: &str, env: &[(&str, &str)]) -> (Proxy, String) {
    let topic = topic(prefix);
    let builder = Builder::new().args(&["--otlp-endpoint", endpoint]).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let builder = env.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
    (builder.start(&one_stream(&kafka_address(), &topic)), topic)
}

/// The span of that kind; exactly one.
fn of_kind(spans: &[Arrived], kind: i32) -> &Arrived {
    let found: Vec<_> = spans.iter().filter(|one| one.span.kind == kind).collect();
    assert_eq!(found.len(), 1, "spans of kind {kind} in {spans:#?}");
    found[0]
}

fn assert_attributes(of: &Arrived, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(of.attributes.get(*name).map(String::as_str), Some(*value), "{name} in {of:#?}");
    }
}

#[test]
fn a_sampled_request_is_a_span_below_its_caller_and_its_records_go_on_below_it() {
    let collector = Collector::listen();
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop");
    let (proxy, topic) = traced("traced", &collector.url(), &[headers]);
    let headers = format!("{}X-Request-Id: r-17\r\n", parent(TRACE, "01"));
    let answer = proxy.exchange(&native(&headers, "one\ntwo"));
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("r-17")));

    let spans = collector.trace(TRACE, 2);
    let (server, sent) = (of_kind(&spans, SERVER), of_kind(&spans, PRODUCER));
    assert_eq!(hex(&server.span.parent_span_id), CALLER);
    assert_eq!(server.span.trace_state, "a=1,b=2");
    assert_eq!(server.span.name, "POST /v1/groups/{groupId}/streams/{streamId}/records");
    assert_attributes(
        server,
        &[
            ("http.request.method", "POST"),
            ("http.route", "/v1/groups/{groupId}/streams/{streamId}/records"),
            ("http.response.status_code", "200"),
            ("url.path", RECORDS),
            ("url.scheme", "http"),
            ("client.address", "127.0.0.1"),
            ("network.protocol.version", "1.1"),
            ("sluice.group_id", "g"),
            ("sluice.stream_id", "s"),
            ("sluice.records", "2"),
            ("sluice.outcome", "stored"),
            ("sluice.request_id", "r-17"),
        ],
    );
    assert_eq!(sent.span.parent_span_id, server.span.span_id);
    assert_eq!(sent.span.name, format!("send {topic}"));
    assert_attributes(
        sent,
        &[
            ("messaging.system", "kafka"),
            ("messaging.destination.name", &topic),
            ("messaging.operation.type", "send"),
            ("messaging.batch.message_count", "2"),
            ("sluice.outcome", "stored"),
        ],
    );
    assert!(sent.span.start_time_unix_nano >= server.span.start_time_unix_nano);
    assert!(sent.span.end_time_unix_nano <= server.span.end_time_unix_nano);
    assert_eq!(server.resource["service.name"], "sluice-proxy");
    assert!(server.head.contains("x-tenant: shop"), "{}", server.head);
    let expected = format!("00-{TRACE}-{}-01", hex(&sent.span.span_id));
    let records = kafka::read(&kafka_address(), &topic);
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record.headers["traceparent"], expected);
        assert_eq!(record.headers["tracestate"], "a=1,b=2");
    }
}

#[test]
fn a_report_is_traced_with_its_code_and_a_refusal_of_the_nodes_own_is_an_error() {
    let collector = Collector::listen();
    let (proxy, topic) = traced("reports", &collector.url(), &[("OTEL_SERVICE_NAME", "edge")]);
    let other = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(proxy.exchange(&inlong(&parent(TRACE, "01"), "x")).code(), "0");
    assert_eq!(proxy.exchange(&inlong(&parent(other, "01"), &"x".repeat(70_000))).code(), "104");
    let stored = collector.trace(TRACE, 2);
    let server = of_kind(&stored, SERVER);
    assert_eq!(
        (server.span.name.as_str(), &*server.resource["service.name"]),
        ("POST /dataproxy/message", "edge")
    );
    assert_attributes(server, &[("sluice.code", "0"), ("sluice.records", "1"), ("sluice.outcome", "stored")]);
    let refused = collector.trace(other, 1);
    let server = of_kind(&refused, SERVER);
    assert_attributes(
        server,
        &[("sluice.code", "104"), ("sluice.outcome", "not_stored"), ("sluice.stream_id", "s")],
    );
    assert_eq!(server.span.status.as_ref().map_or(0, |status| status.code), 0, "the producer's mistake");

    proxy.publish(&{
        let mut document = one_stream(&kafka_address(), &topic);
        document.revision = 2;
        document.streams[0].paused = true;
        document
    });
    let third = "11111111111111111111111111111111";
    wait::until("the pause", Duration::from_secs(10), || proxy.status().revision == 2);
    assert_eq!(proxy.exchange(&inlong(&parent(third, "01"), "x")).code(), "114");
    let paused = collector.trace(third, 1);
    let server = of_kind(&paused, SERVER);
    assert_attributes(server, &[("error.type", "114")]);
    assert_eq!(server.span.status.as_ref().map_or(0, |status| status.code), ERROR);
}

#[test]
fn an_unsampled_request_has_no_span_and_its_context_is_passed_on_as_it_came() {
    let collector = Collector::listen();
    let (proxy, topic) = traced("unsampled", &collector.url(), &[]);
    assert_eq!(proxy.exchange(&native(&parent(TRACE, "00"), "not")).status, 200);
    let other = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(proxy.exchange(&native(&parent(other, "01"), "sampled")).status, 200);
    // Spans leave in their order: with the second request's here, the first one's would be.
    assert_eq!(collector.trace(other, 2).len(), 2);
    assert_eq!(collector.arrived().len(), 2, "{:#?}", collector.arrived());
    let records = kafka::read(&kafka_address(), &topic);
    assert_eq!(records[0].headers["traceparent"], format!("00-{TRACE}-{CALLER}-00"));
    assert_eq!(records[0].headers["tracestate"], "a=1,b=2");
}

#[test]
fn an_invalid_context_begins_a_new_trace_and_never_reaches_a_record() {
    let collector = Collector::listen();
    let (proxy, topic) =
        traced("invalid", &collector.url(), &[("OTEL_TRACES_SAMPLER", "parentbased_always_on")]);
    let bad = "traceparent: 00-4BF9-00-1\r\ntracestate: a=1\r\n";
    assert_eq!(proxy.exchange(&native(bad, "x")).status, 200);
    let records = kafka::read(&kafka_address(), &topic);
    let new = records[0].headers["traceparent"].split('-').nth(1).unwrap().to_owned();
    assert!(!records[0].headers.contains_key("tracestate"), "{:?}", records[0].headers);
    let spans = collector.trace(&new, 2);
    assert_eq!(of_kind(&spans, SERVER).span.parent_span_id, b"");

    let (off, topic) = plain("off");
    for headers in [bad, &parent(TRACE, "01")] {
        assert_eq!(off.exchange(&inlong(headers, "x")).code(), "0");
    }
    let records = kafka::read(&kafka_address(), &topic);
    assert!(
        !records[0].headers.contains_key("traceparent") && !records[0].headers.contains_key("tracestate")
    );
    assert_eq!(records[1].headers["traceparent"], format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(records[1].headers["tracestate"], "a=1,b=2");
}

/// The median of how long so many sampled reports take, of each proxy in turn.
fn medians(proxies: [&Proxy; 2], reports: usize) -> [Duration; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..reports {
        for (proxy, taken) in proxies.into_iter().zip(&mut taken) {
            let start = Instant::now();
            assert_eq!(proxy.exchange(&inlong(&parent(TRACE, "01"), "x")).code(), "0");
            taken.push(start.elapsed());
        }
    }
    taken.map(|mut taken| {
        taken.sort_unstable();
        taken[taken.len() / 2]
    })
}

#[test]
fn a_collector_that_never_answers_slows_neither_reports_nor_the_end() {
    // Connections to it are accepted by the kernel, and nobody ever reads them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "8"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")];
    let ((mut proxy, _), (off, _)) = (traced("silent", &url, &small), plain("beside"));
    let [on, off] = medians([&proxy, &off], 100);
    assert!(
        on < off * 2 + Duration::from_millis(5),
        "{on:?} with a silent collector, {off:?} without traces"
    );
    // 200 spans of which 8 wait.
    let dropped = proxy.metric("sluice_spans_dropped_total", &["queue_full"]);
    assert!(dropped >= 192.0, "{dropped} dropped");
    let start = Instant::now();
    proxy.signal(Signal::SIGTERM);
    let status = proxy.exit(Duration::from_secs(20)).expect("it ends, though its spans can't");
    // Its end has 2 s for spans; a request to the collector has 60.
    assert!(
        status.success() && start.elapsed() < Duration::from_secs(10),
        "{status} after {:?}",
        start.elapsed()
    );
    assert!(proxy.log().wait_for("not every span was exported", Duration::from_secs(5)));
}

#[test]
fn a_collector_that_is_gone_is_logged_once_counted_and_used_when_it_is_back() {
    let port = ports::free();
    let (proxy, _) = traced("gone", &format!("http://127.0.0.1:{port}"), &[]);
    let lost = |than: f64| {
        wait::until("more lost spans", Duration::from_secs(30), || {
            proxy.metric("sluice_spans_dropped_total", &["export_failed"]) > than
        });
    };
    for round in 0..3_u8 {
        assert_eq!(proxy.exchange(&inlong(&parent(TRACE, "01"), "x")).code(), "0");
        lost(f64::from(round) * 2.0);
    }
    assert_eq!(proxy.log().count("traces can't be exported"), 1, "{}", proxy.log().text());
    let collector = Collector::listen_on(port);
    let other = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(proxy.exchange(&inlong(&parent(other, "01"), "x")).code(), "0");
    assert_eq!(collector.trace(other, 2).len(), 2);
    assert!(proxy.log().wait_for("traces are exported again", Duration::from_secs(5)));
    wait::until("the count", Duration::from_secs(5), || {
        proxy.metric("sluice_spans_exported_total", &[]) == 2.0
    });
}

#[test]
fn spans_that_wait_are_sent_before_the_end() {
    let collector = Collector::listen();
    let (mut proxy, _) = traced("flushed", &collector.url(), &[("OTEL_BSP_SCHEDULE_DELAY", "60000")]);
    assert_eq!(proxy.exchange(&inlong(&parent(TRACE, "01"), "x")).code(), "0");
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.exit(Duration::from_secs(20)).is_some_and(|status| status.success()));
    assert_eq!(collector.trace(TRACE, 2).len(), 2);
}
