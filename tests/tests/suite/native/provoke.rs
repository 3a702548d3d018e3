//! How each answer of the native route is brought about, by trouble where it takes trouble.
//! It says what should come; whether that came is for `contract` to see.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use sluice_tests::document::{document, file_sink, kafka as kafka_connection, kafka_sink, on_kafka, stream};
use sluice_tests::http::{Answer, Connection};
use sluice_tests::kafka;
use sluice_tests::native::{kind, post, target};
use sluice_tests::process::Signal;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::relay::Fault;
use sluice_tests::service_account::{Signer, claims};
use sluice_tests::wait;
use sluice_wire::access::{Listeners, Sources};
use sluice_wire::auth::Auth;
use sluice_wire::document::{Document, KeySource, SinkKind, Stream};

use super::text;
use crate::support::{RelayTurn, kafka as kafka_address, topic};

/// What is done, the status and name of the problem that should come, and the doing.
pub(super) type Row<'a> = (&'static str, u16, &'static str, Box<dyn Fn() -> Answer + Send + Sync + 'a>);

/// A node whose streams are each in another state.
pub(super) fn node() -> Proxy {
    let small = kafka::unique_name("small");
    kafka::create(&kafka_address(), &small, 1, &[("max.message.bytes", "3000")]);
    let [alone, mixed] = [1, 8].map(|partitions| {
        let name = kafka::unique_name("compacted");
        kafka::create(&kafka_address(), &name, partitions, &[("cleanup.policy", "compact")]);
        name
    });
    let plain = topic("native");
    let nobody = Sources { deny: vec!["0.0.0.0/0".parse().unwrap()], ..Sources::default() };
    let on = |id: &str, topic: &str| stream("g", id, "kafka", topic);
    let streams = vec![
        on("s", &plain),
        Stream { max_body_bytes: 1_000, ..on("short", &plain) },
        Stream { paused: true, ..on("paused", &plain) },
        Stream { sources: nobody, ..on("closed", &plain) },
        Stream { auth: Auth::Tokens(Vec::new()), ..on("tokens", &plain) },
        Stream { auth: Auth::ServiceAccounts(Vec::new()), ..on("accounts", &plain) },
        Stream { records_per_second: Some(1), ..on("quota", &plain) },
        on("missing", &kafka::unique_name("missing")),
        on("small", &small),
        on("compacted", &alone),
        Stream { key: Some(KeySource::FromJson("/key".into())), ..on("mixed", &mixed) },
    ];
    let ready = streams.len() - 1;
    let mut document = on_kafka(&kafka_address(), streams);
    document.listeners.token_keys = Some(Signer::new().keys());
    let proxy = Builder::new().start_unready(Some(&document));
    proxy.wait_for("every topic that is there", |status| {
        status.streams.iter().filter(|stream| stream.ready).count() == ready
    });
    proxy
}

/// Requests that are refused for what they are.
pub(super) fn by_request(node: &Proxy) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut row = |what, status, name, request: Vec<u8>| {
        rows.push((what, status, name, Box::new(move || node.exchange(&request))));
    };
    let to = |stream: &str| target("g", stream);
    let json = |body: &str| post(&to("s"), "application/json", "", body.as_bytes());
    let headed = |headers: &str| post(&to("s"), "text/plain", headers, b"x");
    let deep = format!("[{}{}]", "[".repeat(129), "]".repeat(129));
    let events = "application/cloudevents-batch+json";
    let bad_event = br#"[{"specversion":"1.0","id":"1","source":"/s"}]"#;
    row("a broken query", 400, "malformed", post(&(to("s") + "?dt=%"), "text/plain", "", b"x"));
    row("a dt that is no time", 400, "malformed", post(&(to("s") + "?dt=soon"), "text/plain", "", b"x"));
    row("text that is no UTF-8", 400, "malformed", post(&to("s"), "text/plain", "", b"\xff"));
    row("no JSON", 400, "malformed", json("{"));
    row("JSON too deep", 400, "malformed", json(&deep));
    row("a bad line", 400, "malformed", post(&to("s"), "application/x-ndjson", "", b"1\n{]\n"));
    row("no event", 400, "malformed", post(&to("s"), events, "", bad_event));
    row("an event of no version", 400, "malformed", headed("ce-specversion: 0.3\r\n"));
    row("no record", 400, "malformed", text("s", " \n"));
    row("no gzip", 400, "malformed", headed("Content-Encoding: gzip\r\n"));
    row("no zstd", 400, "malformed", headed("Content-Encoding: zstd\r\n"));
    row("no HTTP", 400, "", b"what\r\n\r\n".to_vec());
    row("no credential", 401, "credential", text("tokens", "x"));
    row("a wrong token", 401, "credential", bearer("tokens", "wrong"));
    row("no service account's token", 401, "credential", bearer("accounts", "wrong"));
    row("a stream that is not for this client", 403, "source", text("closed", "x"));
    row("another path", 404, "not-found", post("/v1/groups/g", "text/plain", "", b"x"));
    row("no such stream", 404, "no-stream", text("none", "x"));
    row("no such group", 404, "no-stream", post(&target("none", "s"), "text/plain", "", b"x"));
    row("another method", 405, "method", format!("PUT {} HTTP/1.1\r\nHost: t\r\n\r\n", to("s")).into_bytes());
    row("another type", 415, "content", post(&to("s"), "text/html", "", b"x"));
    row("another charset", 415, "content", post(&to("s"), "text/plain; charset=gbk", "", b"x"));
    row("another encoding", 415, "content", headed("Content-Encoding: br\r\n"));
    row("two encodings", 415, "content", headed("Content-Encoding: gzip, zstd\r\n"));
    row("too long", 413, "too-long", text("short", &"x".repeat(1_001)));
    row("too long by far", 413, "too-long", text("short", &"x".repeat(200_000)));
    row("too long in chunks", 413, "too-long", {
        let chunk = format!("3ea\r\n{}\r\n0\r\n\r\n", "x".repeat(1_002));
        let head = format!("POST {} HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\n", to("short"));
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}").into_bytes()
    });
    row("too long once unpacked", 413, "too-long", {
        post(&to("short"), "text/plain", "Content-Encoding: gzip\r\n", &gzip(&vec![b'x'; 100_000]))
    });
    row("too many records", 413, "too-long", text("s", &"x\n".repeat(10_001)));
    row("too long for its topic", 413, "too-long", text("small", &format!("x\n{}", "x".repeat(2_900))));
    row("too long a key", 413, "too-long", {
        let record = format!("{{\"key\":\"{}\"}}", "k".repeat(33_000));
        post(&to("mixed"), "application/json", "", record.as_bytes())
    });
    row("head too long", 431, "", headed(&format!("X-Long: {}\r\n", "x".repeat(20_000))));
    row("target too long", 431, "", post(&(to("s") + "?x=" + &"x".repeat(70_000)), "text/plain", "", b"x"));
    row("too many headers", 431, "", headed(&"X-More: x\r\n".repeat(65)));
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: ";
    let long_trace = format!("{trace}{}\r\n", "x".repeat(9_000));
    row("too long a trace", 431, "headers", headed(&long_trace));
    rows
}

/// Requests that are refused for the state of their stream, their node or Kafka.
pub(super) fn by_state(node: &Proxy) -> Vec<Row<'_>> {
    vec![
        ("broken off", 400, "malformed", Box::new(|| broken_off(node))),
        ("too slow", 408, "too-slow", Box::new(|| too_slow(node))),
        ("over the quota", 429, "quota", Box::new(|| over_quota(node))),
        ("another service account", 403, "forbidden", Box::new(another_account)),
        ("no keys for tokens", 503, "no-keys", Box::new(without_keys)),
        ("paused", 503, "paused", Box::new(|| node.exchange(&text("paused", "x")))),
        ("no topic", 503, "no-topic", Box::new(|| node.exchange(&text("missing", "x")))),
        ("a connection too many", 503, "busy", Box::new(a_connection_too_many)),
        ("no room to read", 503, "busy", Box::new(no_room)),
        ("no room in its share", 503, "busy", Box::new(share_taken)),
        (
            "not configured",
            503,
            "not-configured",
            Box::new(|| Builder::new().start_unready(None).exchange(&text("s", "x"))),
        ),
        ("leaving", 503, "leaving", Box::new(leaving)),
        ("refused by Kafka", 503, "not-stored", Box::new(|| refused(node))),
        ("no room in the files", 503, "not-stored", Box::new(full_files)),
        ("refused in part", 503, "partly-stored", Box::new(|| refused_in_part(node))),
        ("not acknowledged", 504, "unknown", Box::new(not_acknowledged)),
        ("in trouble", 503, "breaker", Box::new(in_trouble)),
    ]
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The client says that it sends no more, before it has sent what it said it would.
fn broken_off(node: &Proxy) -> Answer {
    let mut connection = Connection::open(node.http());
    let request = text("s", "half");
    connection.send(&request[..request.len() - 1]);
    connection.finish_sending();
    connection.answer()
}

fn too_slow(node: &Proxy) -> Answer {
    let mut connection = Connection::open(node.http());
    let request = text("s", "late");
    connection.send(&request[..request.len() - 1]);
    connection.answer()
}

fn over_quota(node: &Proxy) -> Answer {
    wait::for_some("the second of two in a second", Duration::from_secs(20), || {
        let _ = node.exchange(&text("quota", "one\ntwo"));
        Some(node.exchange(&text("quota", "three"))).filter(|answer| answer.status != 200)
    })
}

fn on_files(change: impl FnOnce(&mut Document)) -> (tempfile::TempDir, Builder, Document) {
    let directory = tempfile::tempdir().unwrap();
    let sinks = vec![file_sink("local", directory.path())];
    let mut document = document(sinks, vec![stream("g", "s", "local", "unused")]);
    change(&mut document);
    (directory, Builder::new(), document)
}

/// A request with a token.
fn bearer(stream: &str, token: &str) -> Vec<u8> {
    post(&target("g", stream), "text/plain", &format!("Authorization: Bearer {token}\r\n"), b"x")
}

fn another_account() -> Answer {
    let signer = Signer::new();
    let (_directory, builder, document) = on_files(|document| {
        document.listeners = Listeners { token_keys: Some(signer.keys()), ..Listeners::default() };
        document.streams[0].auth = Auth::ServiceAccounts(Vec::new());
    });
    builder.start(&document).exchange(&bearer("s", &signer.token(&claims("shop", "orders"))))
}

fn without_keys() -> Answer {
    let (_directory, builder, document) =
        on_files(|document| document.streams[0].auth = Auth::ServiceAccounts(Vec::new()));
    builder.start(&document).exchange(&bearer("s", "a.b.c"))
}

fn a_connection_too_many() -> Answer {
    let (_directory, builder, document) = on_files(|document| document.overload.max_connections = 1);
    let proxy = builder.start(&document);
    let _held = Connection::open(proxy.http());
    proxy.wait_for("the connection", |status| status.connections == 1);
    proxy.exchange(&text("s", "x"))
}

/// A body that fits its stream and not what the others left of the node.
fn no_room() -> Answer {
    let (_directory, builder, document) = on_files(|document| document.overload.max_inflight_bytes = 300_000);
    let proxy = builder.start(&document);
    let mut held = Vec::new();
    wait::for_some("no room", Duration::from_secs(20), || {
        let mut connection = Connection::open(proxy.http());
        let request = text("s", &"x".repeat(60_000));
        connection.send(&request[..request.len() - 1]);
        held.push(connection);
        Some(proxy.exchange(&request)).filter(|answer| answer.status != 200)
    })
}

fn leaving() -> Answer {
    let (_directory, builder, document) = on_files(|_| {});
    let proxy = builder.drain("0s", "30s").start(&document);
    proxy.signal(Signal::SIGTERM);
    wait::for_some("phase B", Duration::from_secs(10), || {
        Some(proxy.exchange(&text("s", "x"))).filter(|answer| answer.status != 200)
    })
}

fn full_files() -> Answer {
    let (_directory, builder, document) = on_files(|document| {
        if let SinkKind::File(file) = &mut document.sinks[0].kind {
            file.max_bytes = 1;
        }
    });
    builder.start(&document).exchange(&text("s", "x"))
}

/// Kafka refuses records without a key in a compacted topic. A refusal that takes long may be of a second try, so it
/// is in doubt; on an open connection it is not.
fn refused(node: &Proxy) -> Answer {
    unless(&["unknown"], || node.exchange(&text("compacted", "one\ntwo")))
}

/// Records with a key and one without in a compacted topic: those of other partitions are stored. Where the one without
/// a key came to another's partition, both are refused, or the other is in doubt.
fn refused_in_part(node: &Proxy) -> Answer {
    let mixed = b"{\"key\":\"a\"}\n{}\n{\"key\":\"b\"}\n";
    let request = post(&target("g", "mixed"), "application/x-ndjson", "", mixed);
    unless(&["unknown", "not-stored"], || node.exchange(&request))
}

/// Asks until the answer is none of the kinds that chance brings.
fn unless(chance: &[&str], ask: impl Fn() -> Answer) -> Answer {
    wait::for_some("an answer not by chance", Duration::from_secs(20), || {
        Some(ask()).filter(|answer| !chance.contains(&kind(answer).as_str()))
    })
}

fn behind(turn: &RelayTurn, change: impl FnOnce(&mut Document)) -> Proxy {
    let mut sink = kafka_connection(&turn.relay.address());
    sink.delivery_timeout_ms = 1_500;
    let streams = vec![stream("g", "s", "kafka", &topic("relayed"))];
    let mut document = document(vec![kafka_sink("kafka", sink)], streams);
    change(&mut document);
    Proxy::start(&document)
}

fn not_acknowledged() -> Answer {
    let turn = RelayTurn::take();
    let proxy = behind(&turn, |_| {});
    turn.relay.set(Fault::SwallowAnswer);
    proxy.exchange(&text("s", "one\ntwo"))
}

/// The first record that is not acknowledged in time opens its topic's breaker.
fn in_trouble() -> Answer {
    let turn = RelayTurn::take();
    let proxy = behind(&turn, |_| {});
    turn.relay.set(Fault::SwallowAnswer);
    assert_eq!(proxy.exchange(&text("s", "one")).status, 504);
    // There is one probe at a time, so that of two requests one is refused, however long answers take.
    wait::for_some("a refusal", Duration::from_secs(20), || {
        let mut first = Connection::open(proxy.http());
        first.send(&text("s", "two"));
        let second = proxy.exchange(&text("s", "three"));
        [second, first.answer()].into_iter().find(|answer| answer.status == 503)
    })
}

/// A stream may hold an eighth of the node.
fn share_taken() -> Answer {
    let turn = RelayTurn::take();
    let proxy = behind(&turn, |document| document.overload.max_inflight_bytes = 300_000);
    turn.relay.set(Fault::SwallowAnswer);
    let mut held = Connection::open(proxy.http());
    held.send(&text("s", &"x".repeat(30_000)));
    proxy.wait_for("the first to be in flight", |status| status.inflight_bytes > 30_000);
    let answer = proxy.exchange(&text("s", &"x".repeat(20_000)));
    assert!(answer.text().contains("share"), "{}", answer.text());
    answer
}
