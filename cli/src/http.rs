//! One GET, bounded in time and size, for what a node says of itself.
//! It keeps no connection.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest answer read, in bytes: some 100,000 streams.
const ANSWER_MAX: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum GetError {
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("can't connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("can't ask: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("can't read the answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// The body of `GET http://<address><path>` when it is answered with 200.
pub(crate) async fn get(address: &str, path: &str, within: Duration) -> Result<Bytes, GetError> {
    timeout(within, exchange(address, path)).await.map_err(|_| GetError::Slow(within))?
}

async fn exchange(address: &str, path: &str) -> Result<Bytes, GetError> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(header::HOST, address).body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(GetError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(GetError::Body)?;
        Ok(body.to_bytes())
    };
    tokio::pin!(answer);
    tokio::select! {
        // The connection goes on until the answer is whole; ending first, it says why through the answer.
        biased;
        result = &mut answer => result,
        ended = connection => { ended?; answer.await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_body_is_read_whole() {
        let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
        assert_eq!(get(&address, "/status", Duration::from_secs(5)).await.unwrap(), "hello");
    }

    #[tokio::test]
    async fn another_status_is_an_error() {
        let address = answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
        let error = get(&address, "/status", Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, GetError::Status(StatusCode::SERVICE_UNAVAILABLE)), "{error}");
    }

    #[tokio::test]
    async fn silence_ends() {
        let address = answering("").await;
        let error = get(&address, "/status", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, GetError::Slow(_)), "{error}");
    }
}
