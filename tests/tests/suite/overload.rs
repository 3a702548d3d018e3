//! More than a node can hold: clients that leave, bodies that never end, connections that only wait.
//! Memory stays within the limit, and who behaves is served or told to come back.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluice_tests::document::{one_stream, stream};
use sluice_tests::http::{self, Connection, report};
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::process;
use sluice_tests::proxy::Proxy;
use sluice_tests::wait;
use sluice_wire::document::{Document, Overload, Stream};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{kafka as kafka_address, machine, peak_kib, topic};

const MIB: u64 = 1024 * 1024;
/// What a proxy takes beside the bytes in flight: itself, librdkafka, connections, what malloc keeps back.
const SLACK_KIB: u64 = 64 * 1024;
/// What a connection that is sending a large form may take beside its charged buffer, as docs/guarantees.md says: what
/// is read ahead, and the holes that growing buffers leave in the heap.
const CONNECTION_KIB: u64 = 96;
/// What a connection may take that waits for its answer: 150 MiB for 10,000.
const WAITING_KIB: u64 = 15;

fn limited(mut document: Document, inflight: u64) -> Document {
    document.overload = Overload { max_inflight_bytes: inflight, ..document.overload };
    document
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn ten_thousand_clients_that_post_and_leave_while_kafka_stands_still_stay_within_the_limit() {
    let broker = Broker::start(Listeners::default());
    kafka::create(&broker.address(), "left", 1, &[]);
    let proxy = Proxy::start(&limited(one_stream(&broker.address(), "left"), 16 * MIB));
    assert_eq!(proxy.report("g", "s", "before").0, "0");
    let _turn = machine();
    broker.pause();
    let peak = peak_kib(&proxy, || {
        runtime().block_on(async {
            let mut clients = JoinSet::new();
            for number in 0..10_000 {
                let address = proxy.http().to_owned();
                let request = report("g", "s", &format!("left-{number} {}", "x".repeat(10_000)));
                clients.spawn(async move {
                    let mut connection = TcpStream::connect(address).await.unwrap();
                    // Refused connections close before all is sent, which is as good.
                    let _ = connection.write_all(&request).await;
                });
                if clients.len() >= 500 {
                    clients.join_next().await.unwrap().unwrap();
                }
            }
            while clients.join_next().await.is_some() {}
        });
    });
    println!("at most {peak} KiB");
    assert!(peak < 16 * 1024 + 10_000 * WAITING_KIB, "{peak} KiB");
    let inflight = proxy.status().inflight_bytes;
    assert!(inflight <= 16 * MIB, "{inflight}");
    broker.resume();
    proxy.wait_idle();
    wait::until("success again", Duration::from_secs(40), || proxy.report("g", "s", "after").0 == "0");
    let stored = kafka::read(&broker.address(), "left");
    let mut ids: Vec<_> = stored.iter().map(|r| String::from_utf8_lossy(&r.value).into_owned()).collect();
    ids.retain(|value| value.starts_with("left-"));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no record of a client that left is there twice");
}

#[test]
fn a_thousand_senders_of_20_mib_that_stop_at_90_percent_are_held_to_the_limit() {
    let topic = topic("senders");
    let mut document = limited(one_stream(&kafka_address(), &topic), 64 * MIB);
    document.streams[0] = Stream { max_body_bytes: 20 * MIB, ..stream("g", "s", "kafka", &topic) };
    let streams = vec![document.streams[0].clone(), stream("g", "small", "kafka", &topic)];
    let proxy = Proxy::start(&Document { streams, ..document });
    let _turn = machine();
    let small = AtomicUsize::new(0);
    let peak = peak_kib(&proxy, || {
        let stalled = Arc::new(AtomicUsize::new(0));
        let runtime = runtime();
        for _ in 0..1_000 {
            runtime.spawn(stall(proxy.http().to_owned(), Arc::clone(&stalled)));
        }
        wait::until("every sender to stall or be refused", Duration::from_secs(100), || {
            let code = proxy.report("g", "small", "while").0;
            assert!(code == "0" || code == "114", "{code}");
            small.fetch_add(1, Ordering::Relaxed);
            stalled.load(Ordering::Relaxed) == 1_000
        });
        runtime.shutdown_background();
    });
    println!("at most {peak} KiB");
    assert!(small.load(Ordering::Relaxed) > 1, "a small client was answered meanwhile");
    assert!(peak < 64 * 1024 + SLACK_KIB + 1_000 * CONNECTION_KIB, "{peak} KiB");
    proxy.wait_idle();
    assert_eq!(proxy.report("g", "small", "after").0, "0");
    let stored = kafka::read(&kafka_address(), &topic);
    assert!(stored.iter().all(|record| record.value.len() < 100), "no half of a body is stored");
}

/// Sends 90 % of a report of 20 MiB, or until it is answered, and then holds the connection.
async fn stall(address: String, stalled: Arc<AtomicUsize>) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /dataproxy/message HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\ngroupId=g&streamId=s&body=",
        20 * MIB
    );
    let _ = connection.write_all(head.as_bytes()).await;
    let chunk = [b'x'; 64 * 1024];
    for _ in 0..288 {
        let mut byte = [0];
        let answered =
            tokio::time::timeout(Duration::from_millis(1), connection.peek(&mut byte)).await.is_ok();
        if answered || connection.write_all(&chunk).await.is_err() {
            break;
        }
    }
    stalled.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[test]
fn ten_thousand_idle_connections_stay_for_a_minute() {
    process::raise_open_files();
    let proxy = Proxy::start(&one_stream(&kafka_address(), &topic("idle")));
    let mut connections: Vec<_> =
        (0..10_000).map(|_| std::net::TcpStream::connect(proxy.http()).unwrap()).collect();
    let start = Instant::now();
    proxy.wait_for("all connections", |status| status.connections >= 10_000);
    let rss = proxy.rss_kib();
    assert!(rss < 150 * 1024, "{rss} KiB");
    std::thread::sleep(Duration::from_secs(60).saturating_sub(start.elapsed()));
    for connection in &mut connections {
        connection.set_nonblocking(true).unwrap();
        let error = connection.peek(&mut [0]).expect_err("neither closed nor spoken to");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    assert_eq!(proxy.status().connections, 10_000);
    assert_eq!(proxy.report("g", "s", "beside").0, "0");
    drop(connections);
    proxy.wait_for("every connection to be gone", |status| status.connections == 0);
}

#[test]
fn a_connection_too_many_is_told_busy_and_closed() {
    let mut document = one_stream(&kafka_address(), &topic("connections"));
    document.overload.max_connections = 5;
    let proxy = Proxy::start(&document);
    let mut held: Vec<_> = (0..5).map(|_| Connection::open(proxy.http())).collect();
    proxy.wait_for("five connections", |status| status.connections == 5);
    let mut sixth = Connection::open(proxy.http());
    sixth.send(&report("g", "s", "x"));
    let answer = sixth.answer();
    assert_eq!((answer.code().as_str(), answer.header("connection")), ("114", Some("close")));
    assert!(sixth.closed_within(Duration::from_secs(10)).is_some());
    held[0].send(&report("g", "s", "x"));
    assert_eq!(held[0].answer().code(), "0", "who was there before is served");
    held.truncate(2);
    wait::until("room again", Duration::from_secs(10), || proxy.report("g", "s", "y").0 == "0");
}

#[test]
fn a_client_that_takes_every_connection_leaves_a_tenth_to_others() {
    let mut document = one_stream(&kafka_address(), &topic("tenth"));
    document.overload.max_connections = 10;
    let proxy = Proxy::start(&document);
    let _held: Vec<_> = (0..9).map(|_| Connection::open(proxy.http())).collect();
    proxy.wait_for("nine connections", |status| status.connections == 9);
    assert_eq!(proxy.report("g", "s", "x").0, "114", "the tenth of this address");
    proxy.wait_for("that one to be closed", |status| status.connections == 9);
    // All of 127.0.0.0/8 is this machine.
    let mut other = Connection::open_from([127, 0, 0, 9], proxy.http());
    other.send(&report("g", "s", "y"));
    assert_eq!(other.answer().code(), "0");
}

#[test]
fn a_client_that_asks_first_is_refused_before_it_sends() {
    let (proxy, _topic) = crate::support::proxy("asks");
    for (target, code) in [("/dataproxy/message", "36"), ("/other", "35"), ("/dataproxy/message?x=%", "36")] {
        let mut connection = Connection::open(proxy.http());
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        );
        connection.send(head.as_bytes());
        assert_eq!(connection.answer_within(http::PATIENCE).expect("an answer").code(), code);
    }
    let mut connection = Connection::open(proxy.http());
    let form = "groupId=g&streamId=s&body=asked";
    let request = http::post("/dataproxy/message", "Expect: 100-continue\r\n", form);
    let (head, body) = request.split_at(request.len() - form.len());
    connection.send(head);
    connection.expect_continue();
    connection.send(body);
    assert_eq!(connection.answer().code(), "0");
}
