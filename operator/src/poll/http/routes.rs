//! Which answer a request gets. What a request holds in memory is let go before it waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request};
use hyper::body::{Body, Bytes};
use tokio::time::sleep;

use super::answer::{self, Answer, Refusal};
use super::callers::Stranger;
use super::edition;
use super::login::Logins;
use super::prepared::{Body as Made, Prepared, Question};
use super::question::{self, Fetch, Listen};
use super::spaces::{Asked, Spaces};
use crate::body;
use crate::caller::{Caller, Trust};
use crate::poll::board::{Absent, Claim, Served, Space};
use crate::poll::edition::Edition;
use crate::poll::hub::Hub;
use crate::poll::wait::Poll;
use crate::registry::http::{BASE, Manager};
use crate::telemetry::Metrics;

/// The longest body.
const MAX_BODY: usize = 64 << 10;
/// How long a wrong login is kept waiting, so that guessing takes long.
const WRONG: Duration = Duration::from_secs(1);

/// What answers are made of; all listeners answer from the same.
#[derive(Debug)]
pub struct Routes {
    hub: Hub,
    spaces: Spaces,
    logins: Option<Logins>,
    prepared: Prepared,
    metrics: Metrics,
    /// Answers what clients of InLong ask.
    manager: Option<Manager>,
}

impl Routes {
    /// Answers from `hub` about fleets and about `spaces`, which are named as clients name them; with `logins`, about
    /// these to those alone who logged in.
    #[must_use]
    pub fn new(hub: Hub, spaces: BTreeMap<String, Space>, logins: Option<Logins>, metrics: Metrics) -> Self {
        let spaces = Spaces(spaces);
        Self { hub, spaces, logins, prepared: Prepared::default(), metrics, manager: None }
    }

    /// Answers also what clients of InLong ask.
    #[must_use]
    pub fn with_manager(self, manager: Manager) -> Self {
        Self { manager: Some(manager), ..self }
    }

    /// Answers a caller's request. A poll that waits is answered with nothing when `over` ends.
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
            // Apart, so that a poll that waits does not hold room for it.
            return Box::pin(manager.answer(request, caller)).await;
        }
        let (route, answered) = match request.uri().path() {
            "/configs/fetch" => ("fetch", self.fetch(request, caller).await),
            "/configs/listener" => ("listener", self.listen(request, caller, over).await),
            "/platform/login" => ("login", self.login(request, caller).await),
            _ => ("other", Err(Refusal::NoPath)),
        };
        self.counted(route, answered)
    }

    /// Answers a request whose caller is not known.
    pub(super) fn refuse(&self, stranger: Stranger) -> Answer {
        self.counted("other", Err(stranger.into()))
    }

    fn counted(&self, route: &'static str, answered: Result<Answer, Refusal>) -> Answer {
        let answer = answered.unwrap_or_else(|refusal| refusal.answer());
        self.metrics.poll_answered(route, answer.status().as_str());
        answer
    }

    async fn fetch<B>(&self, request: Request<B>, caller: &Caller) -> Result<Answer, Refusal> {
        only(&request, &Method::GET, "GET")?;
        self.admit(request.headers(), caller)?;
        let fetch = Fetch::read(request.uri().query().unwrap_or_default())?;
        let revision = question::revision(request.headers())?.unwrap_or(0);
        let zip = question::takes_gzip(request.headers());
        drop(request);
        let (body, zipped) = match self.space(caller, &fetch.namespace)? {
            Asked::Maps(space) => self.maps(space, fetch.groups.into(), zip).await?,
            Asked::Fleet(space) => self.fleet(space, fetch.bases()?.into(), revision, zip).await?,
        };
        Ok(answer::prepared(body, zipped))
    }

    /// The body with groups of ConfigMaps.
    async fn maps(&self, space: Space, groups: Arc<[String]>, zip: bool) -> Result<Made, Refusal> {
        let (version, served) = self.hub.served(&space, &groups).ok_or(NOT_LISTED)?;
        let about = served.iter().map(length).sum();
        let key = (space, Question::Groups(Arc::clone(&groups)), zip);
        let made = self.prepared.body(key, version, about, move || Some(answer::body(&groups, &served)));
        made.await.ok_or(NOT_MADE)
    }

    /// The body with groups of a fleet, for a client that was shown `revision`.
    async fn fleet(
        &self,
        space: Space,
        asked: Arc<[(String, Option<String>)]>,
        revision: u64,
        zip: bool,
    ) -> Result<Made, Refusal> {
        let (version, edition) = self.hub.edition(&space).map_err(|absent| match absent {
            Absent::NotYet => NOT_PUBLISHED,
            Absent::NoFleet => Refusal::NoSpace(space.as_str().to_owned()),
        })?;
        if edition.revision < revision {
            return Err(BEHIND);
        }
        let about = asked.iter().filter_map(|(group, _)| edition.group(group)).map(length).sum();
        let key = (space, Question::Bases(Arc::clone(&asked)), zip);
        let made = self.prepared.body(key, version, about, move || Some(edition::fetched(&edition, &asked)));
        made.await.ok_or(NOT_MADE)
    }

    async fn listen<B>(
        &self,
        request: Request<B>,
        caller: &Caller,
        over: impl Future<Output = ()>,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        only(&request, &Method::POST, "POST")?;
        self.admit(request.headers(), caller)?;
        let hold = question::hold(request.headers())?;
        let revision = question::revision(request.headers())?;
        let zip = question::takes_gzip(request.headers());
        let (head, body) = request.into_parts();
        let form = form(&head.headers, body).await?;
        let listen = Listen::read(head.uri.query().unwrap_or_default(), &form)?;
        drop((head, form));
        let asked = self.space(caller, &listen.namespace)?;
        let (Asked::Maps(space) | Asked::Fleet(space)) = &asked;
        if matches!(asked, Asked::Maps(_)) && !self.hub.holds(std::iter::once(space)) {
            return Err(NOT_LISTED);
        }
        let waits = self.metrics.poll_waits();
        let claims: Arc<[Claim]> = listen.claims.into();
        let poll = Poll::new(self.hub.clone(), space.clone(), Arc::clone(&claims));
        let due = poll.knowing(revision.unwrap_or(0)).answer(hold, over).await;
        drop(waits);
        if !due.is_empty()
            && revision.is_some()
            && let Asked::Fleet(space) = asked
            && let Some((body, zipped)) = self.update(space, &claims, zip).await
        {
            return Ok(answer::prepared(body, zipped));
        }
        Ok(answer::changed(&due))
    }

    /// The body that tells what changed in a fleet's groups, where that is known.
    async fn update(&self, space: Space, claims: &Arc<[Claim]>, zip: bool) -> Option<Made> {
        let (version, edition) = self.hub.edition(&space).ok()?;
        let has = claims.iter().map(|claim| (claim.group.clone(), claim.md5.clone())).collect();
        let key = (space, Question::Update(has), zip);
        // Most often little changed of much; to find that out takes no longer than a small answer.
        let about = Edition::groups(&edition).map(|(_, served)| length(served)).sum();
        let claims = Arc::clone(claims);
        self.prepared.body(key, version, about, move || edition::updated(&edition, &claims)).await
    }

    /// What a caller calls so, if that is for it to read.
    fn space(&self, caller: &Caller, named: &str) -> Result<Asked, Refusal> {
        let manager = self.manager.as_ref();
        self.spaces.find(caller, named, |pod| manager.and_then(|manager| manager.sidecar_of(pod)))
    }

    async fn login<B>(&self, request: Request<B>, caller: &Caller) -> Result<Answer, Refusal> {
        let logins = self.logins.as_ref().filter(|_| caller.trust == Trust::Anyone).ok_or(Refusal::NoPath)?;
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

    /// Where there is a login, lets through who has its token. Whose trust is another's to give needs none.
    fn admit(&self, headers: &HeaderMap, caller: &Caller) -> Result<(), Refusal> {
        let logins = self.logins.as_ref().filter(|_| caller.trust == Trust::Anyone);
        let Some(logins) = logins else { return Ok(()) };
        let login = logins.current().ok_or(NO_SECRET)?;
        let token = headers.get("X-Access-Token").and_then(|token| token.to_str().ok());
        token.filter(|token| login.knows(token)).map(|_| ()).ok_or(Refusal::NoToken)
    }
}

const NOT_LISTED: Refusal = Refusal::NotYet("ConfigMaps are not listed yet");
const NOT_PUBLISHED: Refusal = Refusal::NotYet("the fleet's configuration is not seen whole yet");
const BEHIND: Refusal = Refusal::NotYet("this replica is behind the revision that the caller has");
const NOT_MADE: Refusal = Refusal::NotYet("the answer could not be made");
const NO_SECRET: Refusal = Refusal::NotYet("the login's Secret is not there or not whole");

fn length(served: &Served) -> usize {
    served.content.bytes.len()
}

fn only<B>(request: &Request<B>, method: &Method, name: &'static str) -> Result<(), Refusal> {
    if request.method() == method { Ok(()) } else { Err(Refusal::Method(name)) }
}

/// The body as a form; an empty one may be of any type.
async fn form<B>(headers: &HeaderMap, body: B) -> Result<String, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let bytes = body::read(body, MAX_BODY).await?;
    if !bytes.is_empty() && !body::is_form(headers) {
        return Err(Refusal::NoForm);
    }
    String::from_utf8(bytes.into()).map_err(|_| Refusal::bad("the body is no UTF-8"))
}
