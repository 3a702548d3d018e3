//! Operators over real sockets: names, certificates, tokens, bounds.

pub(crate) mod server;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::server::{Authority, Server};
use super::{Connection, OperatorError, Operators, Settings, read};

/// The name that certificates are for here; this machine knows it without asking anyone.
const NAME: &str = "localhost";
const SOON: Duration = Duration::from_secs(10);

struct Node {
    operators: Operators,
    stop: CancellationToken,
    tasks: TaskTracker,
    directory: tempfile::TempDir,
}

impl Node {
    /// A node that was told this URL, and has a token and these authorities.
    fn new(url: &str, ca: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("token"), "hush\n").unwrap();
        std::fs::write(path("ca.crt"), ca).unwrap();
        let settings = Settings { url: url.parse().unwrap(), token: path("token"), ca: path("ca.crt") };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Self { operators: Operators::start(settings, stop.clone(), &tasks), stop, tasks, directory }
    }

    fn plain(server: &Server) -> Self {
        Self::new(&format!("http://{}", server.address()), "")
    }

    fn secure(server: &Server, ca: &str) -> Self {
        Self::new(&format!("https://{NAME}:{}", server.address().port()), ca)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.directory.path(), name)
    }
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// Says what was asked.
async fn echo(request: Request<Bytes>) -> Response<Full<Bytes>> {
    let header = |name| request.headers().get(name).map_or("none", |value| value.to_str().unwrap());
    let said = format!("{} host {} auth {}", request.uri(), header(HOST), header(AUTHORIZATION));
    Response::new(Full::from(said))
}

async fn asked(connection: &mut Connection) -> String {
    let answer = connection.send(get("/x?y=z"), SOON).await.unwrap();
    String::from_utf8(read(answer, 1024, SOON).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn an_operator_on_this_machine_is_asked_in_the_clear_and_told_no_token() {
    let server = Server::plain(echo).await;
    let node = Node::plain(&server);
    let mut addresses = node.operators.addresses();
    let found = addresses.wait_for(|found| !found.is_empty()).await.unwrap().clone();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [server.address()]);
    let mut connection = node.operators.connect(server.address()).await.unwrap();
    let host = server.address();
    for _ in 0..2 {
        assert_eq!(asked(&mut connection).await, format!("/x?y=z host {host} auth none"));
    }
    assert_eq!(server.connections(), 1, "one connection for both");
}

#[tokio::test]
async fn an_operator_with_a_good_certificate_is_told_the_token() {
    let authority = Authority::new();
    let server = Server::secure(&authority, NAME, echo).await;
    let node = Node::secure(&server, &authority.pem());
    let mut connection = node.operators.connect(server.address()).await.unwrap();
    let host = format!("{NAME}:{}", server.address().port());
    assert_eq!(asked(&mut connection).await, format!("/x?y=z host {host} auth Bearer hush"));
    std::fs::write(node.file("token"), "next").unwrap();
    let mut another = node.operators.connect(server.address()).await.unwrap();
    assert!(asked(&mut another).await.ends_with("auth Bearer next"), "read at each connection");
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_for_another_name_is_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (authority, name) in [(&theirs, NAME), (&ours, "elsewhere")] {
        let server = Server::secure(authority, name, echo).await;
        let node = Node::secure(&server, &ours.pem());
        let error = node.operators.connect(server.address()).await.unwrap_err();
        assert!(matches!(error, OperatorError::Tls(_)), "{name}: {error}");
        assert_eq!(server.requests(), 0);
    }
}

#[tokio::test]
async fn authorities_are_read_again_when_they_change() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = Server::secure(&new, NAME, echo).await;
    let node = Node::secure(&server, &old.pem());
    node.operators.connect(server.address()).await.unwrap_err();
    std::fs::write(node.file("ca.crt"), old.pem() + &new.pem()).unwrap();
    node.operators.connect(server.address()).await.unwrap();
}

#[tokio::test]
async fn without_authorities_or_a_token_nothing_is_sent_and_the_file_is_named() {
    let authority = Authority::new();
    let server = Server::secure(&authority, NAME, echo).await;
    let node = Node::secure(&server, "no certificate");
    let refused = async || node.operators.connect(server.address()).await.unwrap_err().to_string();
    let error = refused().await;
    assert!(error.contains("ca.crt: no certificate"), "{error}");
    std::fs::remove_file(node.file("ca.crt")).unwrap();
    let error = refused().await;
    assert!(error.contains("ca.crt"), "{error}");
    std::fs::write(node.file("ca.crt"), authority.pem()).unwrap();
    std::fs::remove_file(node.file("token")).unwrap();
    let error = refused().await;
    assert!(error.contains("token"), "{error}");
}

#[tokio::test]
async fn an_operator_that_does_not_answer_in_time_is_given_up() {
    let server = Server::plain(async |_| std::future::pending().await).await;
    let node = Node::plain(&server);
    let mut connection = node.operators.connect(server.address()).await.unwrap();
    let (began, patience) = (Instant::now(), Duration::from_millis(100));
    let error = connection.send(get("/"), patience).await.unwrap_err();
    assert!(matches!(error, OperatorError::Slow(_)), "{error}");
    assert!(began.elapsed() >= patience);
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let node = Node::new("http://127.0.0.1:1", "");
    let error = node.operators.connect(SocketAddr::from(([127, 0, 0, 1], 1))).await.unwrap_err();
    assert!(matches!(error, OperatorError::Connect(_)), "{error}");
}

fn packed(length: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &vec![b'x'; length]).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_body_is_read_within_its_bound_packed_or_not() {
    let server = Server::plain(async |request: Request<Bytes>| {
        let (kind, length) = request.uri().path().trim_start_matches('/').split_once('/').unwrap();
        let length = length.parse().unwrap();
        let body = if kind == "gzip" { packed(length) } else { vec![b'x'; length] };
        let answer = Response::builder().header(CONTENT_ENCODING, if kind == "odd" { "br" } else { kind });
        answer.body(Full::from(body)).unwrap()
    })
    .await;
    let node = Node::plain(&server);
    let body = async |path: &str| {
        let mut connection = node.operators.connect(server.address()).await.unwrap();
        let answer = connection.send(get(path), SOON).await.unwrap();
        read(answer, 1000, SOON).await.map(|body| body.len()).map_err(|error| error.to_string())
    };
    for kind in ["identity", "gzip"] {
        assert_eq!(body(&format!("/{kind}/1000")).await, Ok(1000), "{kind}");
        assert!(body(&format!("/{kind}/1001")).await.is_err(), "{kind}");
    }
    assert!(body("/odd/1").await.unwrap_err().contains("neither plain nor gzip"));
}

#[tokio::test]
async fn another_status_is_told_and_its_body_left() {
    let server = Server::plain(async |_| {
        Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Full::default()).unwrap()
    })
    .await;
    let node = Node::plain(&server);
    let mut connection = node.operators.connect(server.address()).await.unwrap();
    let answer = connection.send(get("/"), SOON).await.unwrap();
    let error = read(answer, 1000, SOON).await.unwrap_err();
    assert!(matches!(error, OperatorError::Status(StatusCode::SERVICE_UNAVAILABLE)), "{error}");
}

#[tokio::test]
async fn everything_ends_when_the_node_leaves() {
    let server = Server::plain(async |_| std::future::pending().await).await;
    let node = Arc::new(Node::plain(&server));
    let mut connection = node.operators.connect(server.address()).await.unwrap();
    let asking = tokio::spawn(async move { connection.send(get("/"), SOON * 10).await.map(|_| ()) });
    while server.requests() == 0 {
        tokio::task::yield_now().await;
    }
    node.stop.cancel();
    node.tasks.close();
    node.tasks.wait().await;
    asking.await.unwrap().unwrap_err();
}
