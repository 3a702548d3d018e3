//! The requests of the released clients Soul 2.2.1 and ShenYu 2.7.1, byte for byte as they were captured against the
//! contract's scripted server (`tests/fixtures/polling`). They are answered as that server did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::poll::board::Space;

/// The namespaceId that `ShenYu` sends.
const SHENYU: &str = "649330b6-c2d7-4edc-be8e-8a54df9eb385";
/// The groups of the captures, in the order of their digests.
const GROUPS: [&str; 8] = [
    "APP_AUTH",
    "PLUGIN",
    "RULE",
    "SELECTOR",
    "META_DATA",
    "PROXY_SELECTOR",
    "DISCOVER_UPSTREAM",
    "AI_PROXY_API_KEY",
];
const BEGIN: u64 = 1_700_000_000_000;

fn content(md5: usize) -> Content {
    Content { md5: format!("{md5:032x}").into(), ..Content::nothing() }
}

fn captured(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/polling");
    std::fs::read(folder.join(name)).unwrap()
}

/// What fetch answers of a group.
fn of(md5: usize, time: u64) -> Value {
    json!({"md5": format!("{md5:032x}"), "lastModifyTime": time, "data": []})
}

/// A client of a server in the state that the captures begin with.
struct Replay {
    hub: Hub,
    connection: TcpStream,
    client: &'static str,
    /// Put in place of the captured one.
    token: String,
    _stop: CancellationToken,
}

impl Replay {
    async fn start(client: &'static str, logins: Option<Logins>) -> Self {
        let (hub, space) = (Hub::default(), Space::namespace("demo"));
        let group = |(index, group): (usize, &&str)| ((*group).to_owned(), Some(content(index + 1)));
        let groups: BTreeMap<_, _> = GROUPS.iter().enumerate().map(group).collect();
        hub.take(vec![Change::Whole { space: space.clone(), groups, at: BEGIN }]);
        let spaces = ["", SHENYU].map(|id| (id.to_owned(), space.clone()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let stop = CancellationToken::new();
        let routes = Routes::new(hub.clone(), spaces.into(), logins, Metrics::new().unwrap());
        tokio::spawn(serve(socket, Arc::new(routes), Trust::Anyone, LIMITS, stop.clone()));
        Self { hub, connection, client, token: String::new(), _stop: stop }
    }

    /// Sends the captured request of a number, all of them over one connection.
    async fn send(&mut self, number: u8) {
        let request = captured(&format!("{}-{number:02}.http", self.client));
        let text = String::from_utf8(request).unwrap().replace("TOKEN-1", &self.token);
        self.connection.write_all(text.as_bytes()).await.unwrap();
    }

    async fn data(&mut self) -> Value {
        let mut reply = reply(&mut self.connection).await;
        assert_eq!(reply.status, 200, "{}", reply.head);
        if reply.head.contains("content-encoding: gzip") {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut text).unwrap();
            reply.body = text;
        }
        let mut json = reply.json();
        assert_eq!(json["code"], 200);
        json["data"].take()
    }

    /// Sends a poll, changes groups while it waits, and gives its answer.
    async fn poll(&mut self, number: u8, changes: &[(&str, usize)]) -> Value {
        self.send(number).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(self.hub.waited_for() > 0, "{} {number} does not wait", self.client);
        let change = |&(group, md5): &(&str, usize)| Change::One {
            space: Space::namespace("demo"),
            group: group.to_owned(),
            content: Some(content(md5)),
            at: BEGIN + 1_000,
        };
        self.hub.take(changes.iter().map(change).collect());
        self.data().await
    }

    async fn fetch(&mut self, number: u8) -> Value {
        self.send(number).await;
        self.data().await
    }

    /// What both clients do after they began; `first` is the number of their first poll.
    async fn run(&mut self, first: u8) {
        assert_eq!(self.poll(first, &[("PLUGIN", 0x102)]).await, json!(["PLUGIN"]));
        assert_eq!(self.fetch(first + 1).await, json!({"PLUGIN": of(0x102, BEGIN + 1_000)}));
        let both = self.poll(first + 2, &[("SELECTOR", 0x104), ("META_DATA", 0x105)]).await;
        assert_eq!(both, json!(["META_DATA", "SELECTOR"]));
        assert_eq!(self.fetch(first + 3).await, json!({"RULE": of(3, BEGIN)}));
        let both = json!({"SELECTOR": of(0x104, BEGIN + 1_000), "META_DATA": of(0x105, BEGIN + 1_000)});
        assert_eq!(self.fetch(first + 4).await, both);
        assert_eq!(self.poll(first + 5, &[("RULE", 0xabc)]).await, json!(["RULE"]));
    }
}

#[tokio::test]
async fn requests_of_soul_are_answered_as_its_own_server_does() {
    let mut soul = Replay::start("soul", None).await;
    let all: serde_json::Map<_, _> = GROUPS[..5]
        .iter()
        .enumerate()
        .map(|(index, group)| ((*group).to_owned(), of(index + 1, BEGIN)))
        .collect();
    assert_eq!(soul.fetch(1).await, Value::Object(all));
    soul.run(2).await;
}

#[tokio::test]
async fn requests_of_shenyu_are_answered_as_its_own_server_does() {
    let login = Arc::new(Login::new("admin", "123456", "uid"));
    let (_sender, logins) = watch::channel(Some(login));
    let mut shenyu = Replay::start("shenyu", Some(Logins::new(logins))).await;
    let login = shenyu.fetch(1).await;
    assert_eq!((&login["userName"], &login["expiredTime"]), (&json!("admin"), &json!(86_400_000)));
    login["token"].as_str().unwrap().clone_into(&mut shenyu.token);
    let all = shenyu.fetch(2).await;
    for (index, group) in GROUPS.iter().enumerate() {
        assert_eq!(all[group], of(index + 1, BEGIN), "{group}");
    }
    shenyu.run(3).await;
}
