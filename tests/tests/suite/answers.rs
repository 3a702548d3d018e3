//! Every answer of the report contract: the rows of `fixtures/http-answers.json`, and every code there is.
//! The words of `msg` are free; code, shape, content type and the connection's fate are not.

use std::time::Duration;

use serde_json::Value;
use sluice_tests::document::{document, file_sink, on_kafka, stream};
use sluice_tests::http::{self, Answer, Connection, form, post, report};
use sluice_tests::kafka;
use sluice_tests::paths::fixture;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::relay::Fault;
use sluice_wire::access::Sources;
use sluice_wire::code::Code;
use sluice_wire::document::{Document, SinkKind, Stream};

use crate::support::{RelayTurn, kafka as kafka_address, topic};

const MESSAGE: &str = "/dataproxy/message";

/// A row of the fixture as bytes.
fn request(row: &Value) -> Vec<u8> {
    let text = |name: &str, default: &str| row[name].as_str().unwrap_or(default).to_owned();
    let mut body = text("form", "");
    let fill = row["fill"].as_u64().unwrap_or(0);
    body.extend(std::iter::repeat_n('x', usize::try_from(fill).unwrap()));
    let content_type = match row.get("contentType") {
        Some(Value::Null) => String::new(),
        Some(other) => format!("Content-Type: {}\r\n", other.as_str().unwrap()),
        None if body.is_empty() => String::new(),
        None => "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
    };
    let method = text("method", "POST");
    let length = if body.is_empty() && method == "GET" {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let (target, headers) = (text("target", MESSAGE), text("headers", ""));
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{content_type}{headers}{length}\r\n{body}")
        .into_bytes()
}

/// The answer without the row's callback around it.
fn unwrap(row: &Value, mut answer: Answer) -> Answer {
    if let Some(callback) = row["callback"].as_str() {
        let text = answer.text();
        let inner = text.strip_prefix(callback).and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'));
        let inner = inner.unwrap_or_else(|| panic!("{row}: {text}"));
        answer.body = inner.as_bytes().to_vec();
    }
    answer
}

fn answered_streams() -> Document {
    let topic = topic("answers");
    let one = Stream { success_code: 1, ..stream("g_test", "s_one", "kafka", &topic) };
    on_kafka(&kafka_address(), vec![stream("g_test", "s_test", "kafka", &topic), one])
}

#[test]
fn every_row_of_the_contract_is_answered_as_it_says() {
    let proxy = Proxy::start(&answered_streams());
    let rows: Vec<Value> =
        serde_json::from_slice(&std::fs::read(fixture("http-answers.json")).unwrap()).unwrap();
    let failures: Vec<_> = rows.iter().filter_map(|row| failure(&proxy, row)).collect();
    assert!(failures.is_empty(), "{} of {} rows:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

/// What is wrong about the answer to a row.
fn failure(proxy: &Proxy, row: &Value) -> Option<String> {
    let what = &row["what"];
    let mut connection = Connection::open(proxy.http());
    connection.send(&request(row));
    let answer = unwrap(row, connection.answer());
    let status = if row["code"] == "35" { 404 } else { 200 };
    if answer.status != status || answer.header("content-type") != Some("application/json;charset=utf-8") {
        return Some(format!("{what}: {answer:?}"));
    }
    if answer.code() != row["code"] {
        return Some(format!("{what}: {}, not {}", answer.text(), row["code"]));
    }
    let says_close = answer.header("connection") == Some("close");
    if row["closes"] == true {
        let closed = connection.closed_within(Duration::from_secs(10)).is_some();
        return (!closed || !says_close).then(|| format!("{what}: closes {closed}, says so {says_close}"));
    }
    if says_close {
        return Some(format!("{what}: says it closes"));
    }
    connection.send(&report("g_test", "s_test", "again"));
    let again = connection.answer_within(http::PATIENCE).map(|answer| answer.code());
    (again.as_deref() != Some("0"))
        .then(|| format!("{what}: the next request on the connection got {again:?}"))
}

#[test]
fn connection_close_is_answered_and_honoured_and_http_1_0_too() {
    let proxy = Proxy::start(&answered_streams());
    let fields = [("groupId", "g_test"), ("streamId", "s_test"), ("body", "x")];
    let mut connection = Connection::open(proxy.http());
    connection.send(&post(MESSAGE, "Connection: close\r\n", &form(&fields)));
    let answer = connection.answer();
    assert_eq!((answer.code().as_str(), answer.header("connection")), ("0", Some("close")));
    assert!(connection.closed_within(Duration::from_secs(5)).is_some());

    let mut connection = Connection::open(proxy.http());
    let request = format!("GET {MESSAGE}?{} HTTP/1.0\r\n\r\n", form(&fields));
    connection.send(request.as_bytes());
    assert_eq!(connection.answer().code(), "0");
    assert!(connection.closed_within(Duration::from_secs(5)).is_some());
}

#[test]
fn a_stored_record_carries_the_contracts_headers() {
    let topic = topic("headers");
    let document = on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]);
    let proxy = Builder::new().args(&["--node-ip", "192.0.2.7"]).start(&document);
    let before = now_ms();
    for extra in [
        &[("dt", "1700000000123"), ("auditVersion", "42")][..],
        &[("dt", "soon"), ("auditVersion", "42&x=1"), ("cnt", "many")],
        &[],
    ] {
        let fields = [&[("groupId", "g"), ("streamId", "s"), ("body", "a\nb")], extra].concat();
        assert_eq!(proxy.exchange(&post(MESSAGE, "", &form(&fields))).code(), "0");
    }
    let after = now_ms();
    let records = kafka::read(&kafka_address(), &topic);
    assert_eq!(records.len(), 3, "cnt that is no number counts as 1, so newlines stay");
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.value, b"a\nb");
        assert_eq!(record.key, None);
        assert!((before..=after).contains(&record.timestamp_ms), "the timestamp is the time of receipt");
        let number = |name: &str| record.headers[name].parse::<i64>().unwrap();
        assert!((before..=after).contains(&number("rt")), "{:?}", record.headers);
        assert!((number("rt")..=after).contains(&number("st")), "{:?}", record.headers);
        let text = |name: &str| record.headers.get(name).map(String::as_str);
        assert_eq!(text("srcIp"), Some("127.0.0.1"));
        assert_eq!(text("dpIp"), Some("192.0.2.7"));
        assert_eq!((text("msgEnType"), text("version")), (Some("0"), Some("0")));
        let dt = if index == 0 { 1_700_000_000_123 } else { number("rt") };
        assert_eq!(number("dt"), dt, "dt that is no number is the time of receipt");
        assert_eq!(text("auditVersion"), (index == 0).then_some("42"), "only an integer is passed on");
        assert_eq!(record.headers.len(), if index == 0 { 8 } else { 7 }, "{:?}", record.headers);
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A code's answer, by trouble where it takes trouble; a code without a row doesn't compile.
fn provoke(code: Code, proxy: &Proxy) -> Answer {
    let get = |target: &str| proxy.exchange(&http::get(target));
    let send = |fields: &str| proxy.exchange(&post(MESSAGE, "", fields));
    match code {
        Code::Ok => proxy.exchange(&report("g", "s", "x")),
        Code::Closed => while_leaving(),
        Code::NotReady => Builder::new().start_unready(None).exchange(&report("g", "s", "x")),
        Code::Form => send("groupId=%"),
        Code::Method => proxy.exchange(b"PATCH /dataproxy/message HTTP/1.1\r\nHost: t\r\n\r\n"),
        Code::Uri => get("/dataproxy/message?groupId=%"),
        Code::Path => get("/"),
        Code::ContentType => proxy.exchange(
            b"POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
        ),
        Code::Source => proxy.exchange(&report("g", "closed", "x")),
        Code::GroupId => send(""),
        Code::StreamId => send("groupId=g"),
        Code::BodyMissing => send("groupId=g&streamId=s"),
        Code::TooLong => proxy.exchange(&report("g", "s", &"x".repeat(70_000))),
        Code::BodyBlank => send("groupId=g&streamId=s&body="),
        Code::Busy => with_full_files(),
        Code::NoTopic => proxy.exchange(&report("g", "none", "x")),
        Code::Refused => refused_at_once(proxy),
        Code::Unknown => with_a_swallowed_answer(),
    }
}

/// Kafka's refusal. One that takes long may be of a second try, so it is in doubt; on an open connection it is not.
fn refused_at_once(proxy: &Proxy) -> Answer {
    sluice_tests::wait::for_some("a refusal at once", Duration::from_secs(20), || {
        Some(proxy.exchange(&report("g", "compacted", "x"))).filter(|answer| answer.code() != "119")
    })
}

/// A node in phase B of its drain.
fn while_leaving() -> Answer {
    let directory = tempfile::tempdir().unwrap();
    let sinks = vec![file_sink("local", directory.path())];
    let document = document(sinks, vec![stream("g", "s", "local", "unused")]);
    let proxy = Builder::new().drain("0s", "10s").start(&document);
    proxy.signal(sluice_tests::process::Signal::SIGTERM);
    sluice_tests::wait::until("phase B", Duration::from_secs(5), || {
        proxy.exchange(&report("g", "s", "x")).status == 503
    });
    proxy.exchange(&report("g", "s", "x"))
}

/// Files at their limit.
fn with_full_files() -> Answer {
    let directory = tempfile::tempdir().unwrap();
    let mut sink = file_sink("local", directory.path());
    if let SinkKind::File(file) = &mut sink.kind {
        file.max_bytes = 1;
    }
    Proxy::start(&document(vec![sink], vec![stream("g", "s", "local", "unused")]))
        .exchange(&report("g", "s", "x"))
}

/// Kafka's answer never comes.
fn with_a_swallowed_answer() -> Answer {
    let turn = RelayTurn::take();
    let mut sink = sluice_tests::document::kafka(&turn.relay.address());
    sink.delivery_timeout_ms = 1_500;
    let sink = sluice_tests::document::kafka_sink("kafka", sink);
    let proxy = Proxy::start(&document(vec![sink], vec![stream("g", "s", "kafka", &topic("unknown"))]));
    turn.relay.set(Fault::SwallowAnswer);
    proxy.exchange(&report("g", "s", "x"))
}

#[test]
fn every_code_is_reached_by_a_real_request() {
    // Kafka refuses records without a key in a compacted topic, surely and at once.
    let compacted = kafka::unique_name("compacted");
    kafka::create(&kafka_address(), &compacted, 1, &[("cleanup.policy", "compact")]);
    let sources = Sources { deny: vec!["0.0.0.0/0".parse().unwrap()], ..Sources::default() };
    let streams = vec![
        stream("g", "s", "kafka", &topic("codes")),
        Stream { sources, ..stream("g", "closed", "kafka", &topic("closed")) },
        stream("g", "compacted", "kafka", &compacted),
    ];
    let proxy = Proxy::start(&on_kafka(&kafka_address(), streams));
    for code in Code::ALL {
        let answer = provoke(code, &proxy);
        assert_eq!(answer.code(), code.number().to_string(), "{code:?}: {}", answer.text());
        let status = match code {
            Code::Closed => 503,
            Code::Path => 404,
            _ => 200,
        };
        assert_eq!(answer.status, status, "{code:?}");
    }
    assert!(kafka::read(&kafka_address(), &compacted).is_empty(), "refused is not stored");
}

#[test]
fn the_heartbeat_is_answered_before_there_is_any_configuration() {
    let proxy = Builder::new().start_unready(None);
    assert_eq!(proxy.exchange(&http::get("/dataproxy/heartbeat")).code(), "0");
    assert_eq!(proxy.get_admin("/readyz").status, 503);
    assert_eq!(proxy.get_admin("/healthz").status, 200);
}

#[test]
fn a_path_that_is_none_of_inlongs_is_not_found() {
    let (proxy, _topic) = crate::support::proxy("paths");
    for (path, status) in [
        ("/dataproxy/other", 200),
        ("/groups/g/streams/s/records", 404),
        ("/V1/groups/g/streams/s/records", 404),
        ("/", 404),
    ] {
        let answer = proxy.exchange(&post(path, "", "groupId=g&streamId=s&body=x"));
        assert_eq!((answer.status, answer.code().as_str()), (status, "35"), "{path}");
    }
}
