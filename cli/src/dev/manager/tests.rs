//! Producers and proxies of this machine, asking.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_crds::{DataStream, ProxyFleet};
use sluice_operator::resolve::{self, Place, Written};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

fn fleets() -> Vec<ResolvedFleet> {
    let fleet: ProxyFleet = serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": "default", "name": "default"},
        "spec": {"sinks": [{"name": "local", "file": {}}]}
    }))
    .unwrap();
    let stream: DataStream = serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": "default", "name": "orders"}, "spec": {"groupId": "demo"}
    }))
    .unwrap();
    let fleets = [Written { file: "", resource: &fleet }];
    let streams = [Written { file: "", resource: &stream }];
    resolve::resolve(&fleets, &streams, Place::Host(None)).fleets
}

fn seen(ready: bool) -> Seen {
    let [http, admin] = ["0.0.0.0:46802", "127.0.0.1:1"].map(|address| address.parse().unwrap());
    Seen { http, admin, ready }
}

async fn post(address: SocketAddr, path: &str, kind: &str, body: &str) -> Value {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /inlong/manager/openapi/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn nodes(address: SocketAddr) -> Value {
    post(address, "dataproxy/getIpList/demo", "application/x-www-form-urlencoded", "protocolType=HTTP").await
}

async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_producer_finds_the_proxy_that_is_ready_and_its_load_is_what_that_says() {
    let address = free().await;
    let mut manager = Manager::start(address).await.unwrap();
    manager.tell(&fleets(), |_| Some(seen(false)));
    assert_eq!(nodes(address).await["success"], false);
    manager.tell(&fleets(), |_| Some(seen(true)));
    let heartbeat = json!({
        "nodeSrvStatus": "OK", "ip": "127.0.0.1", "port": "46802", "componentType": "DATAPROXY",
        "sluice": {
            "uid": "default/default", "band": 40, "started": 1, "state": "ready", "revision": 1, "changes": 0
        }
    });
    let heard = post(address, "heartbeat/report", "application/json", &heartbeat.to_string()).await;
    assert_eq!(heard["success"], true, "{heard}");
    for _ in 0..100 {
        let answer = nodes(address).await;
        if answer["data"]["load"] == 40 {
            let node = &answer["data"]["nodeList"][0];
            assert_eq!((&node["ip"], &node["port"]), (&json!("127.0.0.1"), &json!(46_802)));
            manager.leave().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{}", nodes(address).await);
}

#[tokio::test]
async fn a_proxy_gets_the_configuration_of_its_fleet() {
    let address = free().await;
    let mut manager = Manager::start(address).await.unwrap();
    let fleets = fleets();
    manager.tell(&fleets, |_| None);
    let document = sluice_operator::build::document(&fleets[0], 7);
    manager.publish(&fleets[0].key(), document).unwrap();
    let ask = |body: &str| {
        let body = body.to_owned();
        async move { post(address, "dataproxy/getAllConfig", "application/json", &body).await }
    };
    let answer = ask(r#"{"clusterName": "default.default"}"#).await;
    assert_eq!((&answer["errCode"], &answer["data"]["revision"]), (&json!(0), &json!(7)));
    let md5 = answer["md5"].as_str().unwrap();
    let again = ask(&json!({"clusterName": "default.default", "md5": md5}).to_string()).await;
    assert_eq!((&again["errCode"], again.get("data")), (&json!(1), None));
    manager.tell(&[], |_| None);
    assert_eq!(ask(r#"{"clusterName": "default.default"}"#).await["success"], false);
    manager.leave().await;
}
