//! One POST over a kept connection, bounded in time and size.
//! It tells what was surely not sent from what may have been; it sends nothing twice.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;
use tokio::time::timeout;

/// Longest answer read, in bytes: an outcome for each of 10,000 records, and more.
const ANSWER_MAX: usize = 16 << 20;

/// Longest token read, in bytes.
const TOKEN_MAX: u64 = 16 << 10;

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// An idle connection is left before a node leaves it, after 120 s.
const IDLE: Duration = Duration::from_secs(60);

/// What stands in a path or query as it is: RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where batches go, and what goes with each.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) url: &'a Uri,
    pub(super) group_id: &'a str,
    pub(super) stream_id: &'a str,
    pub(super) parameters: &'a [(String, String)],
    pub(super) headers: &'a [(HeaderName, HeaderValue)],
    /// The file with the token.
    pub(super) token: Option<&'a Path>,
    pub(super) timeout: Duration,
}

/// Why there is no place to send to.
#[derive(Debug, Error)]
#[error("the URL, ids and parameters make no address: {0}")]
pub(super) struct TargetError(#[from] hyper::http::Error);

/// Sends bodies to one stream.
#[derive(Debug)]
pub(super) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    token: Option<PathBuf>,
    connect_within: Duration,
    timeout: Duration,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum PostError {
    /// Nothing was sent.
    #[error("can't read a token from {}: {source}", .path.display())]
    Token { path: PathBuf, source: io::Error },
    /// Nothing was sent.
    #[error("can't connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl Client {
    pub(super) fn new(target: &Target<'_>) -> Result<Self, TargetError> {
        let connect_within = CONNECT_WITHIN.min(target.timeout);
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_within));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("sluice/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in target.headers {
            headers.append(name, value.clone());
        }
        let token = target.token.map(Path::to_owned);
        Ok(Self { pool, uri: uri(target)?, headers, token, connect_within, timeout: target.timeout })
    }

    /// Sends a body and reads the answer. An error other than [`PostError::Connect`] and [`PostError::Token`] leaves open whether the
    /// node has the body.
    pub(super) async fn post(&self, content_type: &'static str, body: Vec<u8>) -> Result<Answer, PostError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(path) = &self.token {
            let token = token(path).map_err(|source| PostError::Token { path: path.clone(), source })?;
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        // Connecting has its own time before that, so that what never connected is never called late.
        timeout(self.connect_within + self.timeout, self.exchange(request))
            .await
            .map_err(|_| PostError::Slow(self.timeout))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, PostError> {
        let response = self.pool.request(request).await.map_err(|error| self.no_answer(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| PostError::Broken(error.to_string()))?.to_bytes();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer { status: head.status, retry_after: retry_after.map(Duration::from_secs), body })
    }

    fn no_answer(&self, error: &PoolError) -> PostError {
        if error.is_connect() {
            let address = self.uri.authority().map(ToString::to_string).unwrap_or_default();
            return PostError::Connect { address, source: io::Error::other(innermost(error)) };
        }
        PostError::Broken(innermost(error))
    }
}

/// A header with the token of a file, which is read each time: who renews it does so behind our back.
fn token(path: &Path) -> io::Result<HeaderValue> {
    let mut text = String::new();
    File::open(path)?.take(TOKEN_MAX).read_to_string(&mut text)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The words of the error under all that wrap it.
fn innermost(error: &PoolError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

fn uri(target: &Target<'_>) -> Result<Uri, TargetError> {
    let escape = |text| utf8_percent_encode(text, ESCAPED);
    let mut path = format!(
        "{}/v1/groups/{}/streams/{}/records",
        target.url.path().trim_end_matches('/'),
        escape(target.group_id),
        escape(target.stream_id)
    );
    for (index, (name, value)) in target.parameters.iter().enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        path.push_str(&format!("{mark}{}={}", escape(name), escape(value)));
    }
    let mut parts = target.url.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(hyper::http::Error::from)?);
    Ok(Uri::from_parts(parts).map_err(hyper::http::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri_of(url: &str, group_id: &str, parameters: &[(&str, &str)]) -> String {
        let parameters: Vec<_> = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let target = Target {
            url: &url.parse().unwrap(),
            group_id,
            stream_id: "s",
            parameters: &parameters,
            headers: &[],
            token: None,
            timeout: Duration::from_secs(1),
        };
        uri(&target).unwrap().to_string()
    }

    #[test]
    fn the_route_is_below_the_url() {
        assert_eq!(uri_of("http://h:1", "g", &[]), "http://h:1/v1/groups/g/streams/s/records");
        assert_eq!(uri_of("http://h/a/", "g", &[]), "http://h/a/v1/groups/g/streams/s/records");
    }

    #[test]
    fn ids_and_parameters_are_escaped() {
        let uri = uri_of("http://h", "a/b \u{e9}", &[("dt", "5"), ("k", "x&y=z")]);
        assert_eq!(uri, "http://h/v1/groups/a%2Fb%20%C3%A9/streams/s/records?dt=5&k=x%26y%3Dz");
    }
}
