//! Which answer a request gets. What a request holds in memory is let go before it waits.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use tokio::time::{sleep, timeout};

use super::answer::{self, Answer, Refusal};
use super::login::Logins;
use super::prepared::Prepared;
use super::question::{self, Fetch, Listen};
use crate::caller::Caller;
use crate::poll::board::Space;
use crate::poll::hub::Hub;
use crate::poll::wait::Poll;
use crate::registry::http::{BASE, Manager};
use crate::telemetry::Metrics;

/// The longest body.
const MAX_BODY: usize = 64 << 10;
/// How long a body may be on its way.
const BODY: Duration = Duration::from_secs(10);
/// How long a wrong login is kept waiting, so that guessing takes long.
const WRONG: Duration = Duration::from_secs(1);

/// What answers are made of.
#[derive(Debug)]
pub struct Routes {
    hub: Hub,
    /// Spaces by the name that clients give them.
    spaces: BTreeMap<String, Space>,
    logins: Option<Logins>,
    prepared: Prepared,
    metrics: Metrics,
    /// Answers what clients of InLong ask.
    manager: Option<Manager>,
}

impl Routes {
    /// Answers from `hub` about `spaces`, which are named as clients name them; with `logins`, to those alone who
    /// logged in.
    #[must_use]
    pub fn new(hub: Hub, spaces: BTreeMap<String, Space>, logins: Option<Logins>, metrics: Metrics) -> Self {
        Self { hub, spaces, logins, prepared: Prepared::default(), metrics, manager: None }
    }

    /// Answers also what clients of InLong ask.
    #[must_use]
    pub fn with_manager(self, manager: Manager) -> Self {
        Self { manager: Some(manager), ..self }
    }

    /// Answers a request of `caller`. A poll that waits is answered with nothing when `over` ends.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        caller: &Caller,
        over: impl Future<Output = ()>,
    ) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(manager) = self.manager.as_ref().filter(|_| request.uri().path().starts_with(BASE)) {
            return manager.answer(request, caller).await;
        }
        let (route, answered) = match request.uri().path() {
            "/configs/fetch" => ("fetch", self.fetch(request).await),
            "/configs/listener" => ("listener", self.listen(request, over).await),
            "/platform/login" => ("login", self.login(request).await),
            _ => ("other", Err(Refusal::NoPath)),
        };
        let answer = answered.unwrap_or_else(|refusal| refusal.answer());
        self.metrics.poll_answered(route, answer.status().as_str());
        answer
    }

    async fn fetch<B>(&self, request: Request<B>) -> Result<Answer, Refusal> {
        only(&request, &Method::GET, "GET")?;
        self.admit(request.headers())?;
        let fetch = Fetch::read(request.uri().query().unwrap_or_default())?;
        let zip = question::takes_gzip(request.headers());
        drop(request);
        let space = self.space(&fetch.namespace)?;
        let body = self.prepared.body(&self.hub, space, fetch.groups, zip).await;
        let (body, zipped) = body.ok_or(NOT_LISTED)?;
        Ok(answer::fetched(body, zipped))
    }

    async fn listen<B>(&self, request: Request<B>, over: impl Future<Output = ()>) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        only(&request, &Method::POST, "POST")?;
        self.admit(request.headers())?;
        let hold = question::hold(request.headers())?;
        let (head, body) = request.into_parts();
        let form = form(&head.headers, body).await?;
        let listen = Listen::read(head.uri.query().unwrap_or_default(), &form)?;
        drop((head, form));
        let space = self.space(&listen.namespace)?;
        if !self.hub.holds(std::iter::once(space)) {
            return Err(NOT_LISTED);
        }
        let _waits = self.metrics.poll_waits();
        let poll = Poll::new(self.hub.clone(), space.clone(), listen.claims);
        Ok(answer::changed(&poll.answer(hold, over).await))
    }

    async fn login<B>(&self, request: Request<B>) -> Result<Answer, Refusal> {
        let logins = self.logins.as_ref().ok_or(Refusal::NoPath)?;
        only(&request, &Method::GET, "GET")?;
        let (user, password) = question::login(request.uri().query().unwrap_or_default());
        drop(request);
        let login = logins.current().ok_or(NO_SECRET)?;
        match login.enter(&user, &password) {
            Some(data) => Ok(answer::success("login dashboard user success", &data)),
            None => {
                sleep(WRONG).await;
                Err(Refusal::WrongLogin)
            }
        }
    }

    /// Where there is a login, lets through who has its token.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(logins) = &self.logins else { return Ok(()) };
        let login = logins.current().ok_or(NO_SECRET)?;
        let token = headers.get("X-Access-Token").and_then(|token| token.to_str().ok());
        token.filter(|token| login.knows(token)).map(|_| ()).ok_or(Refusal::NoToken)
    }

    fn space(&self, named: &str) -> Result<&Space, Refusal> {
        self.spaces.get(named).ok_or_else(|| Refusal::NoSpace(named.chars().take(64).collect()))
    }
}

const NOT_LISTED: Refusal = Refusal::NotYet("ConfigMaps are not listed yet");
const NO_SECRET: Refusal = Refusal::NotYet("the login's Secret is not there or not whole");

fn only<B>(request: &Request<B>, method: &Method, name: &'static str) -> Result<(), Refusal> {
    if request.method() == method { Ok(()) } else { Err(Refusal::Method(name)) }
}

/// The body as a form; an empty one may be of any type.
async fn form<B>(headers: &HeaderMap, body: B) -> Result<String, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = timeout(BODY, Limited::new(body, MAX_BODY).collect()).await.map_err(|_| Refusal::TooSlow)?;
    let bytes = match read {
        Ok(read) => read.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Refusal::TooLong(MAX_BODY)),
        Err(_) => return Err(Refusal::bad("the body did not come whole")),
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !bytes.is_empty() && (!is_form || headers.contains_key(CONTENT_ENCODING)) {
        return Err(Refusal::NoForm);
    }
    String::from_utf8(bytes.into()).map_err(|_| Refusal::bad("the body is no UTF-8"))
}
