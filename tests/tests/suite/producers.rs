//! The producers that the suites on a cluster let loose do what the captured SDK does: with a manager and nodes whose
//! answers are written by hand.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_tests::history::Outcome;
use sluice_tests::producers::{Kind, Plan, Producer, Sent};
use sluice_tests::wait;

const SOON: Duration = Duration::from_secs(20);

/// What a server was sent, each request whole.
type Requests = Arc<Mutex<Vec<String>>>;

/// A server that answers every request alike, each over a connection of its own; it serves as long as the test runs.
struct Server {
    address: String,
    requests: Requests,
}

impl Server {
    /// `None` is a connection that ends without an answer.
    fn start(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Requests::default();
        let told = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut request = String::new();
                let mut buffer = [0; 4_096];
                while !is_whole(&request) {
                    let read = connection.read(&mut buffer).unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    request += std::str::from_utf8(&buffer[..read]).unwrap();
                }
                told.lock().unwrap().push(request);
                if let Some(answer) = &answer {
                    // A producer that is gone needs none.
                    let _ = connection.write_all(answer.as_bytes());
                }
            }
        });
        Self { address, requests }
    }

    fn node(status: &str, body: &str) -> Self {
        Self::start(Some(answer(status, body)))
    }

    fn manager(nodes: &[&str]) -> Self {
        let node = |(id, node): (usize, &&str)| {
            let (ip, port) = node.split_once(':').unwrap();
            format!(r#"{{"id":{id},"ip":"{ip}","port":{port},"protocolType":"HTTP","nodeLoad":12}}"#)
        };
        let nodes: Vec<_> = nodes.iter().enumerate().map(node).collect();
        let data = format!(r#"{{"clusterId":1,"isSwitch":0,"load":20,"nodeList":[{}]}}"#, nodes.join(","));
        Self::start(Some(answer("200 OK", &format!(r#"{{"success":true,"errMsg":null,"data":{data}}}"#))))
    }

    fn asked(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn start(kind: Kind, manager: &Server, interval: Duration) -> Producer {
    let plan = Plan {
        kind,
        manager: format!("http://{}", manager.address),
        ip: "192.0.2.2".to_owned(),
        group_id: "g_test".to_owned(),
        stream_id: "s".to_owned(),
        prefix: "p".to_owned(),
        pause: Duration::from_millis(20),
        interval,
    };
    Producer::start(Command::new("java"), &Producer::install(), &plan)
}

fn nodes(sent: &[Sent]) -> BTreeSet<&str> {
    sent.iter().map(|sent| &*sent.node).collect()
}

const STORED: &str = r#"{"code":"0","msg":"Ok"}"#;

#[test]
fn the_one_after_the_sdk_sends_the_captured_bytes() {
    let node = Server::node("200 OK", STORED);
    let manager = Server::manager(&[&node.address]);
    let producer = start(Kind::Sdk, &manager, Duration::from_millis(500));
    producer.until_more(1, SOON);
    let at_start = manager.asked();
    assert_eq!(at_start.len(), 2, "{at_start:?}");
    let captured = format!(
        "POST /inlong/manager/openapi/dataproxy/getIpList/g_test HTTP/1.1\r\nContent-Length: 30\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nHost: {}\r\nConnection: Keep-Alive\r\n\r\n\
         ip=192.0.2.2&protocolType=HTTP",
        manager.address
    );
    assert_eq!(at_start, [&*captured, &*captured]);
    wait::until("it to ask again and again", SOON, || manager.asked().len() >= 4);
    let sent = producer.finish();
    assert_eq!((&*sent[0].id, &*sent[0].node, sent[0].outcome), ("p0", &*node.address, Outcome::Stored));
    let (head, body) = node.asked()[0]
        .split_once("\r\n\r\n")
        .map(|(head, body)| (head.to_owned(), body.to_owned()))
        .unwrap();
    let length = body.len();
    let captured = format!(
        "POST /dataproxy/message HTTP/1.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nHost: {}\r\nUser-Agent: Apache-HttpClient/4.5.13 (Java/17.0.15)\r\n\
         Accept-Encoding: gzip,deflate",
        node.address
    );
    assert_eq!(head, captured);
    assert!(body.starts_with("groupId=g_test&streamId=s&dt=1"), "{body}");
    assert!(body.ends_with("&body=p0+filling&cnt=1"), "{body}");
}

#[test]
fn the_one_after_the_sdk_leaves_a_node_that_answers_500_or_more() {
    let [good, bad] = [("200 OK", STORED), ("503 Service Unavailable", r#"{"code":"2","msg":""}"#)]
        .map(|(status, body)| Server::node(status, body));
    let manager = Server::manager(&[&good.address, &bad.address]);
    let began = Instant::now();
    let producer = start(Kind::Sdk, &manager, Duration::from_secs(60));
    producer.until_more(40, SOON);
    let sent = producer.finish();
    assert!(began.elapsed() < Duration::from_secs(20), "too slow a machine to tell");
    let refused: Vec<_> = sent.iter().filter(|sent| sent.outcome == Outcome::NotStored).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!((&*refused[0].node, &*refused[0].detail), (&*bad.address, "503:2"));
}

#[test]
fn the_one_after_the_sdk_uses_the_only_node_all_the_same() {
    let node = Server::node("503 Service Unavailable", r#"{"code":"2","msg":""}"#);
    let producer = start(Kind::Sdk, &Server::manager(&[&node.address]), Duration::from_secs(60));
    producer.until_more(5, SOON);
    let sent = producer.finish();
    assert!(sent.iter().all(|sent| sent.node == node.address), "{sent:?}");
}

#[test]
fn the_one_after_the_sdk_keeps_seven_nodes_in_turn_and_the_random_one_takes_any() {
    let servers: Vec<_> = (0..9).map(|_| Server::node("200 OK", STORED)).collect();
    let addresses: Vec<_> = servers.iter().map(|server| &*server.address).collect();
    let manager = Server::manager(&addresses);
    for (kind, count) in [(Kind::Sdk, 7), (Kind::Random, 9)] {
        let producer = start(kind, &manager, Duration::from_secs(60));
        producer.until_more(150, SOON);
        assert_eq!(producer.lists(), [addresses.iter().map(ToString::to_string).collect::<Vec<_>>()]);
        let sent = producer.finish();
        assert_eq!(nodes(&sent).len(), count, "{kind:?}");
        if kind == Kind::Sdk {
            assert!(sent.windows(7).all(|seven| nodes(seven).len() == 7), "{sent:?}");
        }
    }
}

#[test]
fn what_a_producer_is_told_is_read_as_the_history_needs_it() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let doubtful = Server::node("200 OK", r#"{"code":"119","msg":""}"#);
    let silent = Server::start(None);
    let manager = Server::manager(&[&closed, &doubtful.address, &silent.address]);
    let producer = start(Kind::Random, &manager, Duration::from_secs(60));
    wait::until("every node to be used", SOON, || nodes(&producer.sent()).len() == 3);
    for sent in producer.finish() {
        let wanted = if sent.node == closed { Outcome::NotStored } else { Outcome::Unknown };
        assert_eq!(sent.outcome, wanted, "{sent:?}");
    }
}
