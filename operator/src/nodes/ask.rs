//! One question to one node.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluice_wire::status::{NodeStatus, StreamCounts};
use tokio::net::TcpStream;

use super::{PORT, Target};

/// From connecting to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no answer.
pub(crate) type Unanswered = Box<dyn std::error::Error + Send + Sync>;

/// What a node says of itself, without what changes all the time; its streams in the order of
/// groupId and streamId.
pub(super) async fn status(target: Target) -> Option<NodeStatus> {
    let ip = target.ip;
    let read = async |body| Ok(Limited::new(body, target.longest).collect().await?.to_bytes());
    let answered = tokio::time::timeout(PATIENCE, get(SocketAddr::new(ip, PORT), "/status", read)).await;
    match answered {
        Ok(Ok(body)) => parse(&body).map_err(|error| tracing::debug!(%ip, %error, "odd status")).ok(),
        Ok(Err(error)) => {
            tracing::debug!(%ip, error, "no status");
            None
        }
        Err(_) => None,
    }
}

/// What `read` makes of the body that `GET path` is answered with. How long that may take is the caller's to say.
pub(crate) async fn get<T>(
    address: SocketAddr,
    path: &str,
    read: impl AsyncFnOnce(Incoming) -> Result<T, Unanswered>,
) -> Result<T, Unanswered> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let question = async move {
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()).into());
        }
        read(answer.into_body()).await
    };
    // The connection is driven here and ends with the question.
    tokio::select! {
        body = question => body,
        Err(error) = connection => Err(error.into()),
    }
}

fn parse(body: &[u8]) -> serde_json::Result<NodeStatus> {
    let mut status: NodeStatus = serde_json::from_slice(body)?;
    status.inflight_bytes = 0;
    status.connections = 0;
    (status.load, status.band) = (0, 0);
    for stream in &mut status.streams {
        stream.counts = StreamCounts::default();
    }
    status.streams.sort_by(|a, b| (&a.group_id, &a.stream_id).cmp(&(&b.group_id, &b.stream_id)));
    Ok(status)
}
