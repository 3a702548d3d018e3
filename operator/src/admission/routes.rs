//! Which answer a request gets. What is no review is an error of whoever sent it, and told as one; a review is always
//! answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use kube::core::admission::AdmissionResponse;
use serde::de::DeserializeOwned;
use sluice_crds::{DataStream, Kind, ProxyFleet};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

use super::Index;
use super::inject::{Injector, Pod};
use super::review::{self, Malformed};
use super::secrets::Secrets;
use super::validate::{self, Verdict};
use crate::body::{self, Unread};
use crate::telemetry::Metrics;

/// The longest body, in bytes: the API server takes objects of up to 3 MiB, and sends the new one beside the old one.
pub(super) const LONGEST: usize = 7 << 20;
/// A body is long from so many bytes on.
const LONG: usize = 128 << 10;
/// Long bodies that are on their way at once.
const LONG_ONES: usize = 8;
/// How long one waits for the others.
const TURN: Duration = Duration::from_secs(2);

/// What a request is answered with.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is no review that can be answered.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("there is no such path")]
    NoPath,
    #[error("this path takes POST alone")]
    Method,
    #[error(transparent)]
    Body(#[from] Unread),
    #[error("too many long bodies are on their way; try again soon")]
    Busy,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the answer can't be written: {0}")]
    Answer(serde_json::Error),
}

/// Answers reviews.
#[derive(Debug)]
pub struct Routes {
    index: watch::Receiver<Index>,
    injector: Arc<dyn Injector>,
    secrets: Option<Secrets>,
    metrics: Metrics,
    long: Semaphore,
}

impl Routes {
    /// Answers by what `index` knows; `injector` puts proxies into pods.
    #[must_use]
    pub fn new(index: watch::Receiver<Index>, injector: Arc<dyn Injector>, metrics: Metrics) -> Self {
        Self { index, injector, secrets: None, metrics, long: Semaphore::new(LONG_ONES) }
    }

    /// Looks for Secrets that streams name, too.
    #[must_use]
    pub(super) fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    pub(super) async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let route = match request.uri().path() {
            "/validate" => "validate",
            "/mutate" => "mutate",
            _ => "other",
        };
        match self.reviewed(route, request).await {
            Ok(body) => response(StatusCode::OK, "application/json", body),
            Err(wrong) => {
                self.metrics.reviewed(route, "wrong", None);
                wrong.answer()
            }
        }
    }

    async fn reviewed<B>(&self, route: &'static str, request: Request<B>) -> Result<Bytes, Wrong>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match (route, request.method()) {
            ("other", _) => return Err(Wrong::NoPath),
            (_, &Method::POST) => {}
            _ => return Err(Wrong::Method),
        }
        let body = self.body(request.into_body()).await?;
        let began = Instant::now();
        let asked = review::read(&body)?;
        drop(body);
        let response = match route {
            "mutate" => self.mutate(&asked).await,
            _ => self.validate(&asked).await,
        };
        let answer = if response.allowed { "allowed" } else { "refused" };
        let warned = response.warnings.is_some();
        let text = serde_json::to_vec(&response.into_review()).map_err(Wrong::Answer)?;
        self.metrics.reviewed(route, if warned { "warned" } else { answer }, Some(began.elapsed()));
        Ok(text.into())
    }

    /// Who sends a long body slowly keeps other long ones waiting, and nobody else.
    async fn body<B>(&self, body: B) -> Result<Bytes, Wrong>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > LONGEST) {
            return Err(Unread::TooLong(LONGEST).into());
        }
        let _turn: Option<SemaphorePermit<'_>> = match length {
            Some(length) if length <= LONG => None,
            _ => match timeout(TURN, self.long.acquire()).await {
                Ok(Ok(turn)) => Some(turn),
                _ => return Err(Wrong::Busy),
            },
        };
        Ok(body::read(body, LONGEST).await?)
    }

    async fn validate(&self, asked: &review::Request) -> AdmissionResponse {
        let looks = review::is_written(asked);
        let mut verdict = match Kind::from_name(&asked.kind.kind).filter(|_| looks) {
            Some(Kind::DataStream) => self.judge::<DataStream>(asked, validate::stream),
            Some(Kind::ProxyFleet) => self.judge::<ProxyFleet>(asked, validate::fleet),
            None => Verdict::default(),
        };
        if looks && verdict.refusal.is_none() {
            verdict.warnings.extend(self.missing(asked).await);
        }
        review::judged(asked, verdict)
    }

    /// What whoever writes a stream should know of the Secret that it names.
    async fn missing(&self, asked: &review::Request) -> Option<String> {
        let secrets = self.secrets.as_ref().filter(|_| asked.kind.kind == Kind::DataStream.name())?;
        let (stream, before) = review::objects::<DataStream>(asked).ok()?;
        secrets.warning(asked.namespace.as_deref()?, &stream?, before.as_ref()).await
    }

    fn judge<K: kube::Resource + DeserializeOwned>(
        &self,
        asked: &review::Request,
        judge: impl Fn(&Index, &K, Option<&K>) -> Verdict,
    ) -> Verdict {
        match review::objects::<K>(asked) {
            Ok((Some(object), before)) => judge(&self.index.borrow(), &object, before.as_ref()),
            Ok((None, _)) => Verdict::default(),
            // Its definition may be newer than this operator.
            Err(error) => Verdict {
                refusal: None,
                warnings: vec![format!("not checked: the operator can't read it: {error}")],
            },
        }
    }

    async fn mutate(&self, asked: &review::Request) -> AdmissionResponse {
        let pod = asked.object.as_ref().filter(|_| asked.kind.kind == "Pod" && review::is_written(asked));
        let Some(pod) = pod.and_then(|pod| serde_json::to_value(pod).ok()) else {
            return AdmissionResponse::from(asked);
        };
        let namespace = asked.namespace.as_deref().unwrap_or_default();
        let asks = Pod { namespace, pod: &pod, dry_run: asked.dry_run };
        review::injected(asked, self.injector.inject(asks).await)
    }
}

impl Wrong {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NoPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(unread) => unread.status(),
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Answer(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn answer(&self) -> Answer {
        let mut answer = response(self.status(), "text/plain", format!("{self}\n").into());
        if matches!(self, Self::Method) {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        answer
    }
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

#[cfg(test)]
pub(in crate::admission) mod tests;
