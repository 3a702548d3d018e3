//! The listener over real sockets and TLS, as the API server speaks to it.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::admission::index::tests::World;
use crate::admission::routes::tests::{NoSidecars, review};
use crate::pki::fixture::{client, served};

const HOST: &str = "sluice-operator.sluice-system.svc";

async fn connect(address: SocketAddr, bundle: &str) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    client(bundle).connect(ServerName::try_from(HOST).unwrap(), socket).await.unwrap()
}

/// Asks, and gives the status and the answer's `response`.
async fn ask(connection: &mut TlsStream<TcpStream>, body: &str) -> (u16, Value) {
    let head =
        format!("POST /validate?timeout=5s HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let length = connection.read(&mut buffer).await.unwrap();
        assert!(length > 0, "closed");
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8(read.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(json) = serde_json::from_str::<Value>(body)
        {
            return (head[9..12].parse().unwrap(), json["response"].clone());
        }
    }
}

#[tokio::test]
async fn reviews_are_answered_one_after_another_with_the_certificate_that_there_is_and_end_with_it() {
    let mut world = World::new(&["shop"]);
    world.fleet("shop", "edge", json!({}));
    let (index, indices) = watch::channel(world.index.clone());
    let metrics = Metrics::new().unwrap();
    let routes = Routes::new(indices, Arc::new(NoSidecars), metrics.clone());
    let (config, bundle) = served(HOST);
    let (configs, received) = watch::channel(Some(config));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (socket.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(serve(socket, routes, received, metrics.clone(), stop.clone()));

    let stream = json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream", "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"fleet": {"name": "other"}, "sink": {"name": "kafak"}}
    });
    let text = review(&stream, None).to_string();
    let mut connection = connect(address, &bundle).await;
    let (status, response) = ask(&mut connection, &text).await;
    assert_eq!((status, &response["allowed"]), (200, &json!(true)));
    // What becomes known meanwhile counts from the next review on, also on a connection that there is.
    world.fleet("shop", "other", json!({}));
    index.send_replace(world.index);
    let (status, response) = ask(&mut connection, &text).await;
    assert_eq!((status, &response["allowed"]), (200, &json!(false)));

    let (renewed, other) = served(HOST);
    configs.send_replace(Some(renewed));
    assert_eq!(ask(&mut connection, &text).await.0, 200, "a connection goes on");
    let mut second = connect(address, &other).await;
    assert_eq!(ask(&mut second, &text).await.0, 200);

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
    let counted = String::from_utf8(metrics.text().unwrap()).unwrap();
    assert!(
        counted.contains("sluice_operator_reviews_total{answer=\"refused\",route=\"validate\"} 3\n"),
        "{counted}"
    );
}
