//! The listener over real sockets and TLS, as proxies speak to it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream as Client;

use super::*;
use crate::pki::Bundle;
use crate::pki::fixture::{client, served};
use crate::poll::board::{Change, Content, Space};
use crate::poll::edition::Edition;
use crate::poll::fleets::part::tests::document;
use crate::poll::http::Bearers;
use crate::poll::hub::Hub;
use crate::tokens::Tokens;
use crate::tokens::fixture::{Signer, claims};

const HOST: &str = "sluice-operator-replicas.sluice-system.svc";
/// What a proxy of the fleet that its token names asks for.
const FETCH: &str = "/configs/fetch?namespaceId=shop%2Forders&groupKeys=STREAM";
const LIMITS: Limits = Limits { connections: 8, per_address: 2 };

struct Served {
    address: SocketAddr,
    configs: watch::Sender<Option<Arc<ServerConfig>>>,
    bundle: Bundle,
    signer: Signer,
    metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        let hub = Hub::default();
        let document = serde_json::to_vec(&document("u", 10, 0)).unwrap();
        let edition = Some(Arc::new(Edition::read(&document, None).unwrap()));
        hub.take(vec![Change::Fleet { space: Space::fleet("shop", "orders"), edition }]);
        let metrics = Metrics::new().unwrap();
        let routes = Arc::new(Routes::new(hub, [].into(), None, metrics.clone()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (socket.local_addr().unwrap(), CancellationToken::new());
        let (config, bundle) = served(HOST);
        let (configs, received) = watch::channel(Some(config));
        let signer = Signer::new();
        let (tokens, _) = Tokens::fixed(Some(signer.verifier()));
        let by = (received, Arc::new(Bearers::new(tokens, metrics.clone())));
        let task = tokio::spawn(serve(socket, routes, by, LIMITS, metrics.clone(), stop.clone()));
        Self { address, configs, bundle, signer, metrics, stop, task }
    }

    fn token(&self) -> String {
        let mut claims = claims();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        claims["nbf"] = now.into();
        claims["exp"] = (now + 3_600).into();
        self.signer.token(&claims)
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection of a client that trusts `bundle`.
    async fn connect(&self, bundle: &str) -> std::io::Result<Client<TcpStream>> {
        let name = ServerName::try_from(HOST).unwrap();
        client(bundle).connect(name, self.tcp().await).await
    }

    fn counts(&self, line: &str) -> bool {
        String::from_utf8(self.metrics.text().unwrap()).unwrap().contains(&format!("\n{line}\n"))
    }
}

/// Sends a request; gives its status, its head and its JSON.
async fn ask(connection: &mut Client<TcpStream>, path: &str, headers: &str) -> (u16, String, Value) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    answer(connection).await
}

async fn answer(connection: &mut Client<TcpStream>) -> (u16, String, Value) {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let length = connection.read(&mut buffer).await.unwrap();
        assert!(length > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8(read.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(json) = serde_json::from_str(body)
        {
            return (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), json);
        }
    }
}

#[tokio::test]
async fn a_pod_with_its_token_is_answered_request_after_request() {
    let served = Served::start().await;
    let mut connection = served.connect(&served.bundle).await.unwrap();
    let authorized = format!("Authorization: Bearer {}\r\n", served.token());
    for _ in 0..2 {
        let (status, _, said) = ask(&mut connection, FETCH, &authorized).await;
        let nothing = Content::nothing().md5;
        assert_eq!((status, &said["data"]["STREAM"]["md5"]), (200, &json!(*nothing)), "{said}");
    }
}

#[tokio::test]
async fn without_a_good_token_every_path_is_answered_with_401_and_nothing_else() {
    let served = Served::start().await;
    let mut connection = served.connect(&served.bundle).await.unwrap();
    let token = served.token();
    let cut = &token[..token.len() - 4];
    for headers in
        [String::new(), format!("Authorization: Bearer {cut}\r\n"), "X-Access-Token: a\r\n".to_owned()]
    {
        for path in [FETCH, "/configs/listener", "/platform/login", "/nothing"] {
            let (status, head, said) = ask(&mut connection, path, &headers).await;
            assert_eq!((status, &said["code"]), (401, &json!(401)), "{path}");
            assert!(said["message"].as_str().unwrap().contains("Authorization: Bearer"), "{said}");
            assert_eq!(said.as_object().unwrap().len(), 2, "{said}");
            assert!(head.contains("\r\nwww-authenticate: bearer"), "{head}");
            assert!(!said.to_string().contains(cut), "{said}");
        }
    }
    // The connection is none the worse for it.
    let authorized = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(&mut connection, FETCH, &authorized).await.0, 200);
}

#[tokio::test]
async fn who_does_not_trust_the_authority_does_not_connect_and_is_counted() {
    let served = Served::start().await;
    let (_, other) = self::served(HOST);
    assert!(served.connect(&other).await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(served.counts("sluice_operator_handshakes_failed_total 1"));
}

#[tokio::test]
async fn plain_http_is_not_answered() {
    let served = Served::start().await;
    let mut connection = served.tcp().await;
    connection.write_all(b"GET /configs/fetch?groupKeys=STREAM HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = connection.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

#[tokio::test]
async fn a_connection_goes_on_when_the_certificate_is_renewed_and_new_ones_have_the_new_one() {
    let served = Served::start().await;
    let mut before = served.connect(&served.bundle).await.unwrap();
    let (config, bundle) = self::served(HOST);
    served.configs.send_replace(Some(config));
    let mut after = served.connect(&bundle).await.unwrap();
    assert!(served.connect(&served.bundle).await.is_err(), "it has the new one");
    let authorized = format!("Authorization: Bearer {}\r\n", served.token());
    for connection in [&mut before, &mut after] {
        assert_eq!(ask(connection, FETCH, &authorized).await.0, 200);
    }
}

#[tokio::test]
async fn until_there_is_a_certificate_connections_are_closed() {
    let served = Served::start().await;
    let config = served.configs.send_replace(None);
    for _ in 0..5 {
        assert_eq!(served.tcp().await.read(&mut [0]).await.unwrap_or(0), 0);
    }
    served.configs.send_replace(config);
    assert!(served.connect(&served.bundle).await.is_ok(), "and take no seat");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_has_a_seat_for_ten_seconds() {
    let served = Served::start().await;
    let (mut first, mut second) = (served.tcp().await, served.tcp().await);
    first.write_all(&[22, 3, 1]).await.unwrap();
    // Both have to be seated before the third comes.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(served.tcp().await.read(&mut [0]).await.unwrap_or(0), 0, "one too many from one address");
    let began = tokio::time::Instant::now();
    for silent in [&mut first, &mut second] {
        let mut said = Vec::new();
        let _ = silent.read_to_end(&mut said).await;
    }
    assert!((9..=10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    served.connect(&served.bundle).await.unwrap();
}

#[tokio::test]
async fn told_to_stop_it_answers_who_waits_and_ends() {
    let served = Served::start().await;
    let (mut waiting, handshaking) = (served.connect(&served.bundle).await.unwrap(), served.tcp().await);
    let form = format!("STREAM={}%2C10&namespaceId=shop%2Forders", Content::nothing().md5);
    let request = format!(
        "POST /configs/listener HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        served.token(),
        form.len()
    );
    waiting.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.stop.cancel();
    let (status, _, said) = answer(&mut waiting).await;
    assert_eq!((status, &said["data"]), (200, &json!([])));
    tokio::time::timeout(Duration::from_secs(2), served.task).await.unwrap().unwrap();
    drop(handshaking);
}
