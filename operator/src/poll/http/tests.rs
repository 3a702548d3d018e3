//! The listener over real sockets: the contract's answers, and what is refused.

mod fleets;
mod replay;

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::poll::board::{Change, Content, Space};
use crate::poll::hub::Hub;
use crate::telemetry::Metrics;

const LIMITS: Limits = Limits { connections: 8, per_address: 8 };

/// A listener with space `demo` under the names "" and "id", and `unlisted` under "later".
struct Served {
    hub: Hub,
    metrics: Metrics,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(limits: Limits, logins: Option<Logins>) -> Self {
        Self::trusting(Trust::Anyone, limits, logins).await
    }

    async fn trusting(trust: Trust, limits: Limits, logins: Option<Logins>) -> Self {
        let hub = Hub::default();
        hub.take(vec![Change::Whole { space: Space::namespace("demo"), groups: [].into(), at: 10 }]);
        let spaces = [("", "demo"), ("id", "demo"), ("later", "unlisted")]
            .map(|(id, namespace)| (id.to_owned(), Space::namespace(namespace)));
        let metrics = Metrics::new().unwrap();
        let routes = Routes::new(hub.clone(), spaces.into(), logins, metrics.clone());
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (socket.local_addr().unwrap(), CancellationToken::new());
        let serving = serve(socket, Arc::new(routes), trust, limits, stop.clone());
        let task = tokio::spawn(serving);
        Self { hub, metrics, address, stop, task }
    }

    async fn usual() -> Self {
        Self::start(LIMITS, None).await
    }

    fn set(&self, group: &str, text: &str, at: u64) {
        let content = Some(Content::new(text.to_owned().into_bytes()));
        self.hub.take(vec![Change::One {
            space: Space::namespace("demo"),
            group: group.to_owned(),
            content,
            at,
        }]);
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, request: &str) -> Reply {
        let mut connection = self.connect().await;
        connection.write_all(request.as_bytes()).await.unwrap();
        reply(&mut connection).await
    }

    async fn get(&self, target: &str, headers: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await
    }
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn reply(connection: &mut TcpStream) -> Reply {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let length = connection.read(&mut buffer).await.unwrap();
        assert!(length > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..length]);
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read[..end].to_vec()).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
            let status = head[9..12].parse().unwrap();
            return Reply { status, head, body: read[end + 4..].to_vec() };
        }
    }
}

fn listen(form: &str, headers: &str) -> String {
    let length = form.len();
    format!(
        "POST /configs/listener HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         {headers}Content-Length: {length}\r\n\r\n{form}"
    )
}

#[tokio::test]
async fn fetch_answers_every_group_with_its_content_byte_for_byte() {
    let served = Served::usual().await;
    served.set("A", " [ {\"a\": 1.0} ]\n", 11);
    let reply = served.get("/configs/fetch?groupKeys=A&groupKeys=B", "").await;
    let text = String::from_utf8(reply.body).unwrap();
    let md5 = Content::new(" [ {\"a\": 1.0} ]\n").md5;
    assert_eq!(
        text,
        format!(
            "{{\"code\":200,\"message\":\"success\",\"data\":{{\"A\":{{\"md5\":\"{md5}\",\"lastModifyTime\":11,\"data\": [ {{\"a\": 1.0}} ]\n}},\
             \"B\":{{\"md5\":\"d751713988987e9331980363e24189ce\",\"lastModifyTime\":10,\"data\":[]}}}}}}"
        )
    );
    assert_eq!(reply.status, 200);
    for header in [
        "content-type: application/json",
        "cache-control: no-cache,no-store",
        "pragma: no-cache",
        "expires: 0",
    ] {
        assert!(reply.head.contains(header), "{header}: {}", reply.head);
    }
}

#[tokio::test]
async fn fetch_is_compressed_for_who_takes_gzip() {
    let served = Served::usual().await;
    let content = format!("[\"{}\"]", "a".repeat(100_000));
    served.set("A", &content, 11);
    let plain = served.get("/configs/fetch?groupKeys=A", "").await;
    let zipped = served.get("/configs/fetch?groupKeys=A", "Accept-Encoding: gzip\r\n").await;
    assert!(zipped.head.contains("content-encoding: gzip") && !plain.head.contains("content-encoding"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_end(&mut text).unwrap();
    assert!(zipped.body.len() < 5_000 && text == plain.body);
    let small = served.get("/configs/fetch?groupKeys=B", "Accept-Encoding: gzip\r\n").await;
    assert!(!small.head.contains("content-encoding"));
    for reply in [plain, zipped, small] {
        assert!(reply.head.contains("vary: accept-encoding"), "{}", reply.head);
    }
}

#[tokio::test]
async fn a_listener_is_told_at_once_what_differs_and_later_what_changes() {
    let served = Served::usual().await;
    served.set("A", "[1]", 11);
    let reply = served.ask(&listen("A=x%2C10&B=y%2C10&namespaceId=id", "")).await;
    assert_eq!(reply.json(), json!({"code": 200, "message": "success", "data": ["A", "B"]}));
    let claim = format!("A={}%2C11", Content::new("[1]").md5);
    let mut connection = served.connect().await;
    connection.write_all(listen(&claim, "").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.set("B", "[2]", 12);
    served.set("A", "[3]", 13);
    assert_eq!(reply_of(&mut connection).await, json!(["A"]), "of the groups that it asked for alone");
    // The connection goes on.
    connection.write_all(listen(&claim, "").as_bytes()).await.unwrap();
    assert_eq!(reply_of(&mut connection).await, json!(["A"]));
}

async fn reply_of(connection: &mut TcpStream) -> Value {
    reply(connection).await.json()["data"].clone()
}

#[tokio::test]
async fn a_wished_hold_ends_with_an_empty_answer() {
    let served = Served::usual().await;
    let claim = format!("A={}%2C10", Content::nothing().md5);
    let began = std::time::Instant::now();
    let reply = served.ask(&listen(&claim, "Long-Pulling-Timeout: 200\r\n")).await;
    assert_eq!((reply.status, reply.json()["data"].clone()), (200, json!([])));
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_client_that_goes_is_waited_for_no_more() {
    let served = Served::usual().await;
    let claim = format!("A={}%2C10", Content::nothing().md5);
    let mut connection = served.connect().await;
    connection.write_all(listen(&claim, "").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(served.hub.waited_for(), 1);
    drop(connection);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(served.hub.waited_for(), 0);
}

#[tokio::test]
async fn answers_and_polls_that_wait_are_counted() {
    let served = Served::usual().await;
    let claim = format!("A={}%2C10", Content::nothing().md5);
    let mut connection = served.connect().await;
    connection.write_all(listen(&claim, "").as_bytes()).await.unwrap();
    served.get("/configs/fetch", "").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let counted = || String::from_utf8(served.metrics.text().unwrap()).unwrap();
    assert!(counted().contains("\nsluice_operator_polls_waiting 1\n"), "{}", counted());
    served.set("A", "[1]", 11);
    reply(&mut connection).await;
    for line in [
        "sluice_operator_polls_waiting 0",
        "sluice_operator_poll_answers_total{route=\"listener\",status=\"200\"} 1",
        "sluice_operator_poll_answers_total{route=\"fetch\",status=\"400\"} 1",
    ] {
        assert!(counted().contains(&format!("\n{line}\n")), "{line}: {}", counted());
    }
}

#[tokio::test]
async fn told_to_stop_it_answers_who_waits_and_ends() {
    let served = Served::usual().await;
    let claim = format!("A={}%2C10", Content::nothing().md5);
    let (mut waiting, mut idle) = (served.connect().await, served.connect().await);
    waiting.write_all(listen(&claim, "").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.stop.cancel();
    assert_eq!(reply_of(&mut waiting).await, json!([]));
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    tokio::time::timeout(Duration::from_secs(2), served.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_can_t_be_answered_is_refused_with_a_status_and_what_is_wrong() {
    let served = Served::usual().await;
    let long = listen(&format!("A={}", "a".repeat(64 << 10)), "");
    let other = listen("{}", "").replace("x-www-form-urlencoded", "json");
    let zipped = listen("A=1%2C2", "Content-Encoding: gzip\r\n");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    for (request, status, words) in [
        (get("/configs/fetch"), 400, "no group is asked for"),
        (get("/configs/fetch?groupKeys=a/b"), 400, "\"a/b\" is no group's name"),
        (get("/configs/fetch?groupKeys=A&namespaceId=x"), 404, "nothing is served under namespaceId \"x\""),
        (get("/configs/fetch?groupKeys=A&namespaceId=later"), 503, "not listed yet"),
        (listen("A=1%2C2&namespaceId=later", ""), 503, "not listed yet"),
        (listen("", ""), 400, "no group is asked for"),
        (listen("A=1", ""), 400, "group A: its value is no <md5>,<lastModifyTime>"),
        (listen("A=1%2C2", "Long-Pulling-Timeout: x\r\n"), 400, "Long-Pulling-Timeout"),
        (long, 413, "longer than 65536 bytes"),
        (other, 415, "application/x-www-form-urlencoded"),
        (zipped, 415, "not compressed"),
        (get("/configs/listener?A=1,2"), 405, "takes POST alone"),
        (listen("A=1%2C2", "").replace("/configs/listener", "/configs/fetch"), 405, "takes GET alone"),
        (get("/configs"), 404, "no such path"),
        (get("/platform/login?userName=a&password=b"), 404, "no such path"),
    ] {
        let reply = served.ask(&request).await;
        let begin: String = request.chars().take(80).collect();
        let said = reply.json();
        assert_eq!((reply.status, &said["code"]), (status, &json!(status)), "{begin}: {said}");
        assert!(said["message"].as_str().unwrap().contains(words), "{begin}: {said}");
        assert_eq!(reply.head.contains("\r\nallow: "), status == 405, "{begin}");
        assert_eq!(reply.head.contains("\r\nretry-after: 1"), status == 503, "{begin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_ten_seconds() {
    let served = Served::usual().await;
    let request = listen("A=1%2C2", "").replace("Content-Length: 7", "Content-Length: 8");
    let began = tokio::time::Instant::now();
    assert_eq!(served.ask(&request).await.status, 408);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_waited_for_ten_seconds() {
    let served = Served::usual().await;
    let mut connection = served.connect().await;
    connection.write_all(b"GET /configs/fetch").await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let served = Served::start(Limits { connections: 8, per_address: 1 }, None).await;
    let mut first = served.connect().await;
    let mut second = served.connect().await;
    assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
    first.write_all(b"GET /configs/fetch?groupKeys=A HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(reply(&mut first).await.status, 200);
}

#[tokio::test]
async fn with_a_login_only_its_token_opens() {
    let (sender, logins) = watch::channel(None);
    let served = Served::start(LIMITS, Some(Logins::new(logins))).await;
    let login = "/platform/login?userName=admin&password=12%2B6";
    for target in [login, "/configs/fetch?groupKeys=A"] {
        assert_eq!(served.get(target, "").await.status, 503, "the Secret is not there yet");
    }
    sender.send_replace(Some(Arc::new(Login::new("admin", "12+6", "uid"))));
    for (target, headers) in [
        ("/platform/login?userName=admin&password=12", ""),
        ("/platform/login", ""),
        ("/configs/fetch?groupKeys=A", ""),
        ("/configs/fetch?groupKeys=A", "X-Access-Token: 9999999999.00\r\n"),
    ] {
        assert_eq!(served.get(target, headers).await.status, 401, "{target}");
    }
    assert_eq!(served.ask(&listen("A=1%2C2", "")).await.status, 401);
    let said = served.get(login, "").await.json();
    assert_eq!((&said["code"], &said["data"]["expiredTime"]), (&json!(200), &json!(86_400_000)));
    let token = format!("X-Access-Token: {}\r\n", said["data"]["token"].as_str().unwrap());
    assert_eq!(served.get("/configs/fetch?groupKeys=A", &token).await.status, 200);
    assert_eq!(served.ask(&listen("A=1%2C2", &token)).await.json()["data"], json!(["A"]));
}
