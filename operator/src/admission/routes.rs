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
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit, watch};
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
const LONG: usize = 64 << 10;
/// Long bodies that are there at once.
const LONG_ONES: usize = 4;
/// KiB of long objects that are looked at, at once: the most of one review. Read, they take up to a hundred times the room.
const LONG_OBJECTS: u32 = 1 << 10;
/// The same of short ones, which wait for no long one.
const SHORT_OBJECTS: u32 = 1 << 9;
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
    #[error("too much is looked at already; try again soon")]
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
    long_objects: Semaphore,
    short_objects: Semaphore,
}

impl Routes {
    /// Answers by what `index` knows; `injector` puts proxies into pods.
    #[must_use]
    pub fn new(index: watch::Receiver<Index>, injector: Arc<dyn Injector>, metrics: Metrics) -> Self {
        let [long_objects, short_objects] =
            [LONG_OBJECTS, SHORT_OBJECTS].map(|kib| Semaphore::new(kib as usize));
        let long = Semaphore::new(LONG_ONES);
        Self { index, injector, secrets: None, metrics, long, long_objects, short_objects }
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
        let (body, _turn) = self.body(request.into_body()).await?;
        let began = Instant::now();
        let asked = review::read(&body)?;
        let _room = self.room(asked.length()).await?;
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

    /// Who sends a long body slowly keeps other long ones waiting, and nobody else. A long one's turn lasts as long as it does.
    async fn body<B>(&self, body: B) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Wrong>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > LONGEST) {
            return Err(Unread::TooLong(LONGEST).into());
        }
        let turn = match length {
            Some(length) if length <= LONG => None,
            _ => Some(turn(self.long.acquire()).await?),
        };
        Ok((body::read(body, LONGEST).await?, turn))
    }

    /// Room to look at objects of so many bytes.
    async fn room(&self, length: usize) -> Result<SemaphorePermit<'_>, Wrong> {
        let (room, most) = match length {
            0..=LONG => (&self.short_objects, SHORT_OBJECTS),
            _ => (&self.long_objects, LONG_OBJECTS),
        };
        let wanted = u32::try_from(length >> 10).unwrap_or(most).clamp(1, most);
        turn(room.acquire_many(wanted)).await
    }

    async fn validate(&self, asked: &review::Request<'_>) -> AdmissionResponse {
        let looks = asked.is_written();
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
    async fn missing(&self, asked: &review::Request<'_>) -> Option<String> {
        let secrets = self.secrets.as_ref().filter(|_| asked.kind.kind == Kind::DataStream.name())?;
        let (stream, before) = asked.objects::<DataStream>().ok()?;
        secrets.warning(asked.namespace.as_deref()?, &stream?, before.as_ref()).await
    }

    fn judge<K: kube::Resource + DeserializeOwned>(
        &self,
        asked: &review::Request<'_>,
        judge: impl Fn(&Index, &K, Option<&K>) -> Verdict,
    ) -> Verdict {
        match asked.objects::<K>() {
            Ok((Some(object), before)) => judge(&self.index.borrow(), &object, before.as_ref()),
            Ok((None, _)) => Verdict::default(),
            // Its definition may be newer than this operator.
            Err(error) => Verdict {
                refusal: None,
                warnings: vec![format!("not checked: the operator can't read it: {error}")],
            },
        }
    }

    async fn mutate(&self, asked: &review::Request<'_>) -> AdmissionResponse {
        if asked.kind.kind != "Pod" || !asked.is_written() {
            return asked.allowed();
        }
        let pod = match asked.value() {
            None => return asked.allowed(),
            Some(Ok(pod)) => pod,
            Some(Err(error)) => {
                return review::injected(asked, Err(format!("the pod can't be read: {error}")));
            }
        };
        let namespace = asked.namespace.as_deref().unwrap_or_default();
        let asks = Pod { namespace, pod: &pod, dry_run: asked.dry_run };
        review::injected(asked, self.injector.inject(asks).await)
    }
}

/// What is waited for, or that it took too long.
async fn turn<'a>(
    turn: impl Future<Output = Result<SemaphorePermit<'a>, AcquireError>>,
) -> Result<SemaphorePermit<'a>, Wrong> {
    match timeout(TURN, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Wrong::Busy),
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
