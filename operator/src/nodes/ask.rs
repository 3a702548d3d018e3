//! One question to one node.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sluice_wire::status::{NodeStatus, StreamCounts};
use tokio::net::TcpStream;

use super::{PORT, Target};

/// From connecting to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a node says of itself, without what changes all the time; its streams in the order of
/// groupId and streamId.
pub(super) async fn status(target: Target) -> Option<NodeStatus> {
    let ip = target.ip;
    let answered = tokio::time::timeout(PATIENCE, get(SocketAddr::new(ip, PORT), target.longest)).await;
    match answered {
        Ok(Ok(body)) => parse(&body).map_err(|error| tracing::debug!(%ip, %error, "odd status")).ok(),
        Ok(Err(error)) => {
            tracing::debug!(%ip, error, "no status");
            None
        }
        Err(_) => None,
    }
}

async fn get(address: SocketAddr, longest: usize) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/status").header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let question = async move {
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status()).into());
        }
        Ok(Limited::new(answer.into_body(), longest).collect().await?.to_bytes())
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
