//! The HTTP client that posts batches to a collector: plain HTTP/1.1, a connection for each batch, all of it
//! bounded by time. It is hyper, which is here anyway; no TLS, so that spans bring no second TLS library.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// The longest answer that is read, in bytes; it is empty where all went well.
const LONGEST_ANSWER: usize = 64 << 10;

/// Why the last batch did not arrive, which the exporter's own error does not say.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    pub(super) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// A way to a collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    timeout: Duration,
    trouble: Arc<Trouble>,
}

impl Collector {
    pub(super) fn new(runtime: Handle, timeout: Duration, trouble: Arc<Trouble>) -> Self {
        Self { runtime, timeout, trouble }
    }
}

#[async_trait]
impl HttpClient for Collector {
    /// The exporter waits here on a thread of its own, outside of any runtime.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The timer, too, must be made within the runtime.
        let timeout = self.timeout;
        let exchanged =
            self.runtime.spawn(async move { tokio::time::timeout(timeout, exchange(request)).await });
        let answer: Result<_, HttpError> = match exchanged.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(late)) => Err(late.into()),
            Err(ended) => Err(ended.into()),
        };
        self.trouble.set(answer.as_ref().err().map(ToString::to_string));
        answer
    }
}

async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let (host, port) = address(&head.uri).ok_or("the endpoint names no host")?;
    let socket = TcpStream::connect((host.as_str(), port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    if let Some(authority) = head.uri.authority() {
        head.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    }
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    head.uri = head.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    let (head, body) = sender.send_request(Request::from_parts(head, Full::new(body))).await?.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// Host, without the brackets of an IPv6 address, and port.
fn address(uri: &Uri) -> Option<(String, u16)> {
    let host = uri.host()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host.to_owned(), uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let of = |uri: &'static str| address(&Uri::from_static(uri));
        assert_eq!(of("http://c:4318/v1/traces"), Some(("c".to_owned(), 4318)));
        assert_eq!(of("http://c/v1/traces"), Some(("c".to_owned(), 80)));
        assert_eq!(of("http://[::1]:4318/"), Some(("::1".to_owned(), 4318)));
        assert_eq!(of("/v1/traces"), None);
    }
}
