//! Which answer a request gets. What is no review is an error of whoever sent it, and told as one; a review is answered while
//! there is room for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use kube::core::admission::AdmissionResponse;
use sluice_crds::{DataStream, Kind, ProxyFleet};
use tokio::sync::{SemaphorePermit, watch};
use tokio::time::Instant;

use super::Index;
use super::inject::{Injector, Pod};
use super::review::{self, Malformed, Unreadable};
use super::room::{NoRoom, Rooms};
use super::secrets::{self, Secrets};
use super::validate::{self, Verdict};
use crate::body::{self, Unread};
use crate::telemetry::Metrics;

/// The longest body, in bytes: the API server takes objects of up to 3 MiB, and sends the new one beside the old one.
pub(super) const LONGEST: usize = 7 << 20;
/// How long the answer to a review of a stream or a fleet may take from when its head is there: the API server waits for 3 s.
const VALIDATES_WITHIN: Duration = Duration::from_millis(2_500);
/// The same of a pod, for which the API server waits for 5 s.
const MUTATES_WITHIN: Duration = Duration::from_millis(4_500);

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
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
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
    rooms: Rooms,
}

impl Routes {
    /// Answers by what `index` knows; `injector` puts proxies into pods.
    #[must_use]
    pub fn new(index: watch::Receiver<Index>, injector: Arc<dyn Injector>, metrics: Metrics) -> Self {
        Self { index, injector, secrets: None, metrics, rooms: Rooms::default() }
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
                self.metrics.reviewed(route, wrong.kind(), None);
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
        let by = Instant::now() + if route == "mutate" { MUTATES_WITHIN } else { VALIDATES_WITHIN };
        let (body, _turn) = self.body(request.into_body(), by).await?;
        let began = Instant::now();
        let asked = review::read(&body)?;
        let response = match route {
            "mutate" => self.mutate(&asked, by).await?,
            _ => self.validate(&asked, by).await?,
        };
        let answer = if response.allowed { "allowed" } else { "refused" };
        let warned = response.warnings.is_some();
        let text = serde_json::to_vec(&response.into_review()).map_err(Wrong::Answer)?;
        self.metrics.reviewed(route, if warned { "warned" } else { answer }, Some(began.elapsed()));
        Ok(text.into())
    }

    /// The body, and the turn of a long one, which lasts as long as the body is there.
    async fn body<B>(&self, body: B, by: Instant) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Wrong>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > LONGEST) {
            return Err(Unread::TooLong(LONGEST).into());
        }
        let turn = self.rooms.body(length, by).await?;
        Ok((body::read(body, LONGEST).await?, turn))
    }

    async fn validate(&self, asked: &review::Request<'_>, by: Instant) -> Result<AdmissionResponse, Wrong> {
        let kind = Kind::from_name(&asked.kind.kind).filter(|_| asked.is_written());
        let verdict = match kind {
            Some(Kind::DataStream) => self.stream(asked, by).await?,
            Some(Kind::ProxyFleet) => self.fleet(asked, by).await?,
            None => Verdict::default(),
        };
        Ok(review::judged(asked, verdict))
    }

    async fn stream(&self, asked: &review::Request<'_>, by: Instant) -> Result<Verdict, Wrong> {
        let (mut verdict, secret) = {
            let _room = self.rooms.values(asked.values(), by).await?;
            match asked.objects::<DataStream>() {
                Ok((Some(stream), before)) => {
                    let secret = secrets::newly_named(&stream, before.as_ref());
                    (validate::stream(&self.index.borrow(), &stream, before.as_ref()), secret)
                }
                Ok((None, _)) => return Ok(Verdict::default()),
                Err(error) => return Ok(unread(&error)),
            }
        };
        // What whoever writes a stream should know of the Secret that it names.
        if let (None, Some(secrets), Some(name)) = (&verdict.refusal, &self.secrets, secret) {
            let namespace = asked.namespace.as_deref().unwrap_or_default();
            verdict.warnings.extend(secrets.warning(namespace, &name).await);
        }
        Ok(verdict)
    }

    async fn fleet(&self, asked: &review::Request<'_>, by: Instant) -> Result<Verdict, Wrong> {
        let _room = self.rooms.values(asked.values(), by).await?;
        match asked.objects::<ProxyFleet>() {
            Ok((Some(fleet), before)) => {
                let _turn = self.rooms.edit(by).await?;
                Ok(validate::fleet(&self.index, &fleet, before.as_ref()).await)
            }
            Ok((None, _)) => Ok(Verdict::default()),
            Err(error) => Ok(unread(&error)),
        }
    }

    /// What a pod names is looked for before all of it takes room.
    async fn mutate(&self, asked: &review::Request<'_>, by: Instant) -> Result<AdmissionResponse, Wrong> {
        let is_pod = asked.kind.kind == "Pod" && asked.is_written();
        let Some(object) = asked.object.filter(|_| is_pod) else { return Ok(asked.allowed()) };
        let refused = |message| Ok(review::injected(asked, Err(message)));
        let unread = |error: Unreadable| refused(format!("the pod can't be read: {error}"));
        let head = match review::head(object) {
            Ok(head) => head,
            Err(error) => return unread(error),
        };
        let namespace = asked.namespace.as_deref().unwrap_or_default();
        let named = match self.injector.look(namespace, &head, by).await {
            Ok(Some(named)) => named,
            Ok(None) => return Ok(asked.allowed()),
            Err(message) => return refused(message),
        };
        let _room = self.rooms.values(asked.values(), by).await?;
        let pod = match review::parse(object) {
            Ok(pod) => pod,
            Err(error) => return unread(error),
        };
        let pod = Pod { namespace, pod: &pod, dry_run: asked.dry_run };
        Ok(review::injected(asked, self.injector.inject(pod, &named)))
    }
}

/// Its definition may be newer than this operator.
fn unread(error: &Unreadable) -> Verdict {
    Verdict { refusal: None, warnings: vec![format!("not checked: the operator can't read it: {error}")] }
}

impl Wrong {
    /// Its name, as a metric's label.
    const fn kind(&self) -> &'static str {
        match self {
            Self::NoRoom(_) => "busy",
            _ => "wrong",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NoPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(unread) => unread.status(),
            Self::NoRoom(_) => StatusCode::SERVICE_UNAVAILABLE,
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
