//! The contract over real sockets: the calls of the released Java SDK, and who is answered what.

use std::path::PathBuf;

use serde_json::{Value, json};
use sluice_identity::digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::tests::{World, big, heartbeat, pod};
use super::*;
use crate::poll::http::{Limits, Routes, serve};
use crate::poll::hub::Hub;

const LIST: &str = "/inlong/manager/openapi/dataproxy/getIpList/g_test";
const BY_CLUSTER: &str = "/inlong/manager/openapi/dataproxy/getIpListByClusterName/data.big";
const BEAT: &str = "/inlong/manager/openapi/heartbeat/report";
const CONFIG: &str = "/inlong/manager/openapi/dataproxy/getAllConfig";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The configuration of `data/big`.
#[derive(Debug)]
struct One(Value);

impl Configurations for One {
    fn of(&self, fleet: &FleetKey) -> Option<Configuration> {
        let json = self.0.to_string().into();
        (*fleet == big()).then(|| Configuration { md5: "abc".to_owned(), json })
    }
}

/// A listener that trusts all who reach it alike.
struct Served {
    world: World,
    address: std::net::SocketAddr,
    metrics: Metrics,
}

impl Served {
    async fn start(world: World, trust: Trust) -> Self {
        Self::with(world, trust, One(json!({"major": 1, "streams": []}))).await
    }

    async fn with(world: World, trust: Trust, configuration: One) -> Self {
        let metrics = Metrics::new().unwrap();
        let manager = Manager::new(world.registry.clone(), metrics.clone());
        let manager = manager.with_configurations(Arc::new(configuration));
        let routes = Routes::new(Hub::default(), [].into(), None, metrics.clone()).with_manager(manager);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let limits = Limits { connections: 8, per_address: 8 };
        tokio::spawn(serve(socket, Arc::new(routes), trust, limits, world.stop.clone()));
        Self { world, address, metrics }
    }

    async fn of(trust: Trust) -> Self {
        Self::start(World::of(&[1, 2]).await, trust).await
    }

    /// Sends these very bytes; gives status, head and body of the answer.
    async fn send(&self, request: &[u8]) -> (u16, String, Value) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(request).await.unwrap();
        let mut read = Vec::new();
        loop {
            let mut buffer = [0; 4_096];
            let length = connection.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..length]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                assert!(length > 0, "closed after {text:?}");
                continue;
            };
            let head = head.to_ascii_lowercase();
            let wanted: usize =
                head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
            if body.len() >= wanted {
                return (head[9..12].parse().unwrap(), head, serde_json::from_str(body).unwrap());
            }
        }
    }

    async fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let (status, _, body) = self.send(head.as_bytes()).await;
        (status, body)
    }

    /// Asks for a list with this `Authorization`; gives status, head and body of the answer.
    async fn ask(&self, path: &str, shown: Option<&str>) -> (u16, String, Value) {
        let shown = shown.map(|shown| format!("Authorization: {shown}\r\n")).unwrap_or_default();
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{shown}Content-Length: 0\r\n\r\n");
        self.send(head.as_bytes()).await
    }

    async fn beat(&self, band: u8) -> (u16, Value) {
        self.post(BEAT, JSON, &serde_json::to_string(&heartbeat(band)).unwrap()).await
    }
}

fn captured(number: u8) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/discovery");
    std::fs::read(folder.join(format!("java-sdk-{number:02}.http"))).unwrap()
}

#[tokio::test]
async fn calls_of_the_java_sdk_are_answered_as_it_needs() {
    let served = Served::of(Trust::Anyone).await;
    for number in [1, 2] {
        let (status, head, body) = served.send(&captured(number)).await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/json;charset=utf-8"), "{head}");
        let (data, mut nodes) = (&body["data"], body["data"]["nodeList"].as_array().unwrap().clone());
        assert_eq!((&body["success"], &body["errMsg"]), (&json!(true), &Value::Null));
        let of =
            ["isIntranet", "isSwitch", "load", "maxPacketLength"].map(|field| data[field].as_u64().unwrap());
        assert_eq!(of, [1, 0, 0, 524_288]);
        assert!(data["clusterId"].as_u64().unwrap() > 0);
        nodes.sort_by_key(|node| node["ip"].to_string());
        for (node, ip) in nodes.iter_mut().zip(["10.0.0.1", "10.0.0.2"]) {
            assert!(node["id"].take().as_u64().unwrap() > 0);
            let wanted = json!({"id": null, "ip": ip, "port": 46802, "protocolType": "HTTP", "nodeLoad": 0});
            assert_eq!(*node, wanted, "and nothing else");
        }
    }
    let (status, _, body) = served.send(&captured(3)).await;
    let why = "no stream with groupId \"g_unknown\" is accepted";
    assert_eq!((status, body), (200, json!({"success": false, "errMsg": why, "data": null})));
}

#[tokio::test]
async fn lists_are_anybodys_in_form_or_query() {
    let served = Served::of(Trust::Anyone).await;
    let query = format!("{LIST}?ip=192.0.2.9&protocolType=http");
    for (path, body) in
        [(LIST, "protocolType=HTTP"), (LIST, ""), (BY_CLUSTER, "reportSourceType=x"), (query.as_str(), "")]
    {
        assert_eq!(served.post(path, FORM, body).await.1["success"], true, "{path}");
    }
    // As Go's SDK asks for TCP.
    let (status, body) = served.post(&format!("{LIST}?protocolType=tcp"), FORM, "").await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
    assert_eq!(body["errMsg"], "protocolType \"tcp\" is not spoken; HTTP is");
}

#[tokio::test]
async fn lists_of_guarded_streams_are_theirs_who_could_report_there() {
    let auth = json!({"tokens": [{"id": "a", "sha256": digest("shop/orders", "secret")}]});
    let stream = json!({"namespace": "shop", "name": "orders", "groupId": "g_test", "auth": auth});
    let configuration = One(json!({"major": 1, "streams": [stream]}));
    let served = Served::with(World::guarded(&[1, 2]).await, Trust::Anyone, configuration).await;
    for path in [LIST, BY_CLUSTER] {
        for shown in [None, Some("Bearer other")] {
            let (status, head, body) = served.ask(path, shown).await;
            assert_eq!(
                (status, &body["success"], &body["data"]),
                (401, &json!(false), &Value::Null),
                "{path}"
            );
            assert!(head.contains("www-authenticate: bearer"), "{head}");
        }
        let (status, _, body) = served.ask(path, Some("Bearer secret")).await;
        assert_eq!((status, body["data"]["nodeList"].as_array().map(Vec::len)), (200, Some(2)), "{path}");
    }
}

#[tokio::test]
async fn before_it_is_known_which_nodes_there_are_a_client_is_asked_to_come_again() {
    let served = Served::start(World::empty(), Trust::Anyone).await;
    let (status, head, body) = served.send(&captured(1)).await;
    assert_eq!((status, &body["success"]), (503, &json!(false)));
    assert!(head.contains("retry-after: 1"), "{head}");
}

#[tokio::test]
async fn heartbeats_and_configuration_are_for_nodes_alone() {
    let served = Served::of(Trust::Anyone).await;
    for (status, body) in [served.beat(90).await, served.post(CONFIG, JSON, "{}").await] {
        assert_eq!((status, &body["success"]), (403, &json!(false)));
    }
    assert_eq!(served.world.load("uid-big-1"), Some(0));
}

#[tokio::test]
async fn a_nodes_heartbeat_moves_its_own_load_alone() {
    let served = Served::of(Trust::Pod(Arc::new(pod("big", 1)))).await;
    assert_eq!(served.beat(70).await, (200, json!({"success": true, "errMsg": null, "data": true})));
    served.world.until(|roll| roll.listing(&big()).unwrap().nodes[0].load == 70).await;
    assert_eq!(served.world.load("uid-big-2"), Some(0), "which the body names");
    let list = served.post(LIST, FORM, "").await.1;
    assert!(!list.to_string().contains("192.0.2.66"), "an address in a heartbeat counts for nothing: {list}");
}

#[tokio::test]
async fn a_forged_heartbeat_is_told_so_and_lists_nothing() {
    let stranger = sluice_identity::PodIdentity { service_account: "default".to_owned(), ..pod("big", 1) };
    let served = Served::of(Trust::Pod(Arc::new(stranger))).await;
    let (status, body) = served.beat(90).await;
    assert_eq!((status, &body["success"]), (200, &json!(false)));
    let list = served.post(LIST, FORM, "").await.1;
    assert_eq!(list["data"]["load"], 0, "{list}");
}

#[tokio::test]
async fn in_local_mode_a_process_says_who_it_is() {
    let served = Served::of(Trust::Local).await;
    assert_eq!(served.beat(50).await.1["success"], true);
    served.world.until(|roll| roll.listing(&big()).unwrap().nodes[1].load == 50).await;
    let config = served.post(CONFIG, JSON, r#"{"clusterName": "data.big"}"#).await.1;
    assert_eq!(config["md5"], "abc");
}

#[tokio::test]
async fn a_configuration_comes_once() {
    let served = Served::of(Trust::Pod(Arc::new(pod("big", 1)))).await;
    // Whose it is the token says, not the body.
    let (status, body) = served.post(CONFIG, JSON, r#"{"clusterName": "data.other", "md5": "x"}"#).await;
    let data = json!({"major": 1, "streams": []});
    let wanted = json!({"success": true, "result": true, "errCode": 0, "md5": "abc", "data": data});
    assert_eq!((status, body), (200, wanted));
    let (status, body) = served.post(CONFIG, JSON, r#"{"clusterName": "data.big", "md5": "abc"}"#).await;
    assert_eq!((status, body), (200, json!({"success": true, "result": true, "errCode": 1})));
    let other = Served::of(Trust::Pod(Arc::new(pod("other", 1)))).await;
    let why = "ProxyFleet data/other has no configuration yet";
    assert_eq!(other.post(CONFIG, JSON, "{}").await.1["errMsg"], why);
}

#[tokio::test]
async fn what_can_not_be_understood_is_refused() {
    let served = Served::of(Trust::Local).await;
    let long = format!("ip={}", "1".repeat(MAX_FORM));
    for (path, body, wanted) in [
        (LIST, long.as_str(), 413),
        (BEAT, "{", 400),
        (BEAT, long.as_str(), 413),
        (CONFIG, "{", 400),
        (CONFIG, long.as_str(), 413),
        ("/inlong/manager/openapi/dataproxy/other", "", 404),
    ] {
        let (status, body) = served.post(path, FORM, body).await;
        assert_eq!((status, &body["success"]), (wanted, &json!(false)), "{path}");
    }
    let (status, head, _) = served.send(format!("GET {LIST} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: post"), "{head}");
}

#[tokio::test]
async fn answers_are_counted_by_route_and_outcome() {
    let served = Served::of(Trust::Anyone).await;
    served.send(&captured(1)).await;
    served.send(&captured(3)).await;
    served.beat(1).await;
    served.post("/inlong/manager/x", FORM, "").await;
    let text = String::from_utf8(served.metrics.text().unwrap()).unwrap();
    for (route, answer) in
        [("ip_list", "ok"), ("ip_list", "nothing"), ("heartbeat", "no_token"), ("other", "no_path")]
    {
        let line =
            format!("sluice_operator_discovery_answers_total{{answer=\"{answer}\",route=\"{route}\"}} 1\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}
