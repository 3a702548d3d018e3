//! The report path, check by check. The order of the checks is the contract's: each is cheaper than
//! those after it, and a report that fails several is answered with the first.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use hyper::body::Body;
use sluice_identity::Denied;
use sluice_wire::code::Code;
use sluice_wire::document::{Output, Split};

use super::Intake;
use super::answer::Answer;
use super::connection::Peer;
use super::content::{self, Content};
use super::deliver::{self, Pending, Refusal, Said};
use super::form::{Field, Form, decode_path};
use super::read::{self, ReadError};
use super::request_id;
use super::sender::Sender;
use super::split;
use super::text::{integer, is_blank, is_callback};
use crate::admit::Charge;
use crate::catalog::{Catalog, Stream};
use crate::output::{KeyRule, Record};
use crate::sink::{Cause, Outcome, Verdict};
use crate::telemetry::RequestSpan;

/// Where the paths of InLong's contract begin.
const CONTRACT: &str = "/dataproxy/";
/// Where reports are taken.
pub(super) const MESSAGE: &str = "/dataproxy/message";
/// Where producers ask whether the node lives.
pub(super) const HEARTBEAT: &str = "/dataproxy/heartbeat";

type Shared = State<Arc<Intake>>;

/// Answers a report.
pub(super) async fn message<B>(intake: &Intake, peer: &Peer, request: http::Request<B>) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, mut body) = request.into_parts();
    let mut report = Report::new(intake, &head.headers);
    let sender = Sender::of(peer, &head.headers, &intake.catalog);
    report.span = intake.traces.request(&head, &sender.client);
    report.span.took(MESSAGE);
    let answered = report.run(&sender, &head, &mut body).await;
    let answer = answered.unwrap_or_else(|refusal| refusal);
    report.pass_over(body, &answer).await;
    report.note(&head.headers, &answer);
    report.finish(answer)
}

/// Answers a producer's question whether the node lives.
pub(super) async fn heartbeat(
    State(intake): Shared,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request,
) -> Response {
    let mut report = Report::new(&intake, request.headers());
    let answered = report.has_room(&peer, request.uri()).and_then(|()| {
        check_method(request.method())?;
        report.take_query(request.uri())?;
        Ok(Answer::new(Code::Ok))
    });
    let answer = answered.unwrap_or_else(|refusal| refusal);
    report.pass_over(request.into_body(), &answer).await;
    report.finish(answer)
}

/// Answers what is asked of any other path. A percent-encoded spelling of a known path is that path.
pub(super) async fn elsewhere(state: Shared, peer: Extension<Arc<Peer>>, request: Request) -> Response {
    let path = decode_path(request.uri().path());
    match &path {
        Ok(path) if path == MESSAGE.as_bytes() => return message(&state.0, &peer.0, request).await,
        Ok(path) if path == HEARTBEAT.as_bytes() => return heartbeat(state, peer, request).await,
        _ => {}
    }
    let (State(intake), Extension(peer)) = (state, peer);
    let report = Report::new(&intake, request.headers());
    let refusal = report.has_room(&peer, request.uri()).and_then(|()| check_method(request.method()));
    let code = if path.is_err() { Code::Uri } else { Code::Path };
    // Whoever mistypes the native route would take 200 for success.
    let not_found = code == Code::Path && !request.uri().path().starts_with(CONTRACT);
    report.finish(refusal.err().unwrap_or_else(|| Answer { not_found, ..Answer::new(code) }))
}

/// What is known of a report while it is checked.
struct Report<'a> {
    intake: &'a Intake,
    callback: Option<String>,
    stream: Option<Arc<Stream>>,
    /// Whether there is a body that nobody has read: the connection can't go on after the answer.
    unread: bool,
    /// Whether the client sends its body only when it is asked to, which reading does.
    asks_first: bool,
    /// Only a report has one.
    span: RequestSpan,
}

impl<'a> Report<'a> {
    fn new(intake: &'a Intake, headers: &HeaderMap) -> Self {
        Self {
            intake,
            callback: None,
            stream: None,
            unread: content::has_body(headers),
            asks_first: content::asks_first(headers),
            span: RequestSpan::default(),
        }
    }

    /// Goes through the checks, hands the records over and waits for what they come to.
    async fn run(
        &mut self,
        sender: &Sender<'_>,
        head: &Parts,
        body: impl Body<Data = Bytes> + Unpin,
    ) -> Result<Answer, Answer> {
        self.has_room(sender.peer, &head.uri)?;
        check_method(&head.method)?;
        let content = content::of(&head.headers);
        if content == Content::Other {
            return Err(Answer::new(Code::ContentType));
        }
        let catalog = self.intake.catalog.load_full().ok_or(Answer::new(Code::NotReady))?;
        let query = self.take_query(&head.uri)?;
        let mut charge = self.intake.budget.open();
        let form = match (&head.method, content) {
            (&Method::POST, Content::Form) => self.take_form(body, &catalog, &mut charge).await?,
            _ => Form::default(),
        };
        self.check_callback(&form)?;
        let fields = Fields { query: &query, form: &form };
        // The form may have taken its time: the stream is that of the configuration in effect now.
        let catalog = self.intake.catalog.load_full().unwrap_or(catalog);
        let stream = self.find(&fields, &catalog)?;
        deliver::open(&stream, sender, catalog.accounts.as_deref()).map_err(|refusal| refused(&refusal))?;
        let mut pending = self.hand_over(&stream, &fields, charge, sender, &head.headers)?;
        drop((query, form, catalog));
        self.span.holds(pending.records);
        Ok(answer_of(pending.verdict().await))
    }

    /// The first check, before anything is read: whether the node takes requests on this connection.
    fn has_room(&self, peer: &Peer, uri: &Uri) -> Result<(), Answer> {
        let Some(code) = self.intake.no_room(peer) else { return Ok(()) };
        let callback = query_of(uri).ok().and_then(|query| callback_of(&query).ok().flatten());
        Err(Answer { callback, ..Answer::new(code) }.closing())
    }

    fn take_query(&mut self, uri: &Uri) -> Result<Form, Answer> {
        let query = query_of(uri)?;
        self.callback = callback_of(&query)?;
        Ok(query)
    }

    async fn take_form(
        &mut self,
        body: impl Body<Data = Bytes> + Unpin,
        catalog: &Catalog,
        charge: &mut Charge,
    ) -> Result<Form, Answer> {
        let bytes = read::form(body, catalog, charge).await.map_err(|error| {
            let words = error.to_string();
            match error {
                ReadError::TooLong { .. } => Answer::new(Code::TooLong).saying(words),
                ReadError::NoStream => Answer::new(Code::NoTopic),
                ReadError::NoRoom => Answer::new(Code::Busy),
                ReadError::TooSlow => Answer { too_slow: true, ..Answer::new(Code::Form).saying(words) },
                ReadError::Broken => Answer::new(Code::Form).saying(words),
            }
        })?;
        self.unread = false;
        Form::decode(bytes).map_err(|error| Answer::new(Code::Form).saying(error.to_string()))
    }

    /// A form's `callback` overrides the query's.
    fn check_callback(&mut self, form: &Form) -> Result<(), Answer> {
        if form.get(Field::Callback).is_some() {
            self.callback = None;
            self.callback = callback_of(form)?;
        }
        Ok(())
    }

    fn find(&mut self, fields: &Fields<'_>, catalog: &Catalog) -> Result<Arc<Stream>, Answer> {
        let group_id = fields.id(Field::GroupId).ok_or(Answer::new(Code::GroupId))?;
        let stream_id = fields.id(Field::StreamId).ok_or(Answer::new(Code::StreamId))?;
        let stream = catalog.find(group_id, stream_id).ok_or(Answer::new(Code::NoTopic))?;
        self.stream = Some(Arc::clone(stream));
        Ok(Arc::clone(stream))
    }

    /// Checks the body and hands its records to the stream's sink.
    fn hand_over(
        &self,
        stream: &Stream,
        fields: &Fields<'_>,
        charge: Charge,
        sender: &Sender<'_>,
        headers: &HeaderMap,
    ) -> Result<Pending, Answer> {
        let body = fields.get(Field::Body).ok_or(Answer::new(Code::BodyMissing))?;
        if is_blank(body) {
            return Err(Answer::new(Code::BodyBlank));
        }
        if body.len() as u64 > stream.spec.max_body_bytes {
            let words = format!("body is longer than the stream's {} bytes", stream.spec.max_body_bytes);
            return Err(Answer::new(Code::TooLong).saying(words));
        }
        let count = fields.get(Field::Cnt).and_then(integer).unwrap_or(1);
        let whole =
            matches!(stream.spec.output, Output::InLongMsg { .. }) || stream.spec.split == Split::Never;
        let pieces = split::records(body, if whole { 1 } else { count }, fields.get(Field::Delimiter))
            .map_err(|error| Answer::new(Code::TooLong).saying(error.to_string()))?;
        if pieces.is_empty() {
            return Err(Answer::new(Code::BodyBlank));
        }
        let differs = !whole && i64::try_from(pieces.len()) != Ok(count.max(1));
        let said = Said {
            sender,
            headers,
            event_time: fields.get(Field::Dt).and_then(integer),
            declared: Some(count.max(1)),
            audit_version: fields.get(Field::AuditVersion).and_then(integer),
            content_type: None,
            parameter: match &stream.key {
                Some(KeyRule::Parameter(name)) => fields.named(name),
                _ => None,
            },
            span: &self.span,
        };
        let records = pieces.into_iter().map(Record::new).collect();
        let pending = deliver::submit(stream, &said, records, charge).map_err(|refusal| refused(&refusal))?;
        stream.counters.count_mismatch.add(u64::from(differs));
        Ok(pending)
    }

    /// Reads on to the end of a short body that nobody wanted, so that the connection can go on. A client that
    /// waits to be asked for it is answered instead.
    async fn pass_over(&mut self, body: impl Body<Data = Bytes> + Unpin, answer: &Answer) {
        if self.unread && !answer.close && !self.asks_first {
            self.unread = !read::to_its_end(body).await;
        }
    }

    /// Logs a report that is not stored, for whoever looks at single ones.
    fn note(&self, headers: &HeaderMap, answer: &Answer) {
        if answer.code != Code::Ok {
            let ids = self.ids();
            let (group_id, stream_id) = (ids.map(|ids| ids.0), ids.map(|ids| ids.1));
            let (request_id, code) = (request_id::given(headers), answer.code.number());
            tracing::debug!(request_id, group_id, stream_id, code, "report refused");
        }
    }

    fn ids(&self) -> Option<(&str, &str)> {
        self.stream.as_ref().map(|stream| (&*stream.spec.group_id, &*stream.spec.stream_id))
    }

    /// Counts the answer and makes it a response.
    fn finish(mut self, mut answer: Answer) -> Response {
        match &self.stream {
            Some(stream) => {
                stream.counters.answered(answer.code);
                answer.success = stream.spec.success_code;
            }
            None => self.intake.counters.answered(answer.code),
        }
        answer.close |= self.unread || self.intake.lifecycle.is_draining();
        if answer.callback.is_none() {
            answer.callback = self.callback.take();
        }
        let code = answer.code;
        let response = answer.into_response();
        std::mem::take(&mut self.span).answered(response.status(), code, self.ids());
        response
    }
}

/// The parameters of a report: a form's override the query's.
struct Fields<'a> {
    query: &'a Form,
    form: &'a Form,
}

impl<'a> Fields<'a> {
    fn get(&self, field: Field) -> Option<&'a [u8]> {
        self.form.get(field).or_else(|| self.query.get(field))
    }

    fn named(&self, name: &str) -> Option<&'a [u8]> {
        self.form.named(name).or_else(|| self.query.named(name))
    }

    /// An id that is there and not blank.
    fn id(&self, field: Field) -> Option<&'a str> {
        let id = self.get(field).filter(|id| !is_blank(id))?;
        std::str::from_utf8(id).ok()
    }
}

fn check_method(method: &Method) -> Result<(), Answer> {
    if matches!(*method, Method::GET | Method::POST) { Ok(()) } else { Err(Answer::new(Code::Method)) }
}

fn query_of(uri: &Uri) -> Result<Form, Answer> {
    let query = uri.query().unwrap_or_default();
    Form::decode(query.as_bytes().to_vec())
        .map_err(|error| Answer::new(Code::Uri).saying(format!("query: {error}")))
}

/// The function to wrap the answer with; a blank one is none.
fn callback_of(form: &Form) -> Result<Option<String>, Answer> {
    match form.get(Field::Callback) {
        Some(name) if is_callback(name) => Ok(Some(String::from_utf8_lossy(name).into_owned())),
        Some(name) if !is_blank(name) => {
            Err(Answer::new(Code::Form).saying("callback is not the name of a function"))
        }
        _ => Ok(None),
    }
}

/// The answer to a report that did not reach the sink.
fn refused(refusal: &Refusal) -> Answer {
    let code = match refusal {
        Refusal::Source(_) => Code::Source,
        Refusal::Denied(Denied::NoKeys) => Code::NotReady,
        Refusal::Denied(_) => Code::Source,
        Refusal::NoTopic(_) => Code::NoTopic,
        Refusal::TooLong(_) | Refusal::Headers => Code::TooLong,
        Refusal::NoRoom(_) => return Answer::new(Code::Busy),
        Refusal::Paused | Refusal::OverQuota(_) | Refusal::Share(_) | Refusal::Breaker(_) => Code::Busy,
    };
    Answer::new(code).saying(format!("nothing was stored: {refusal}"))
}

fn answer_of(verdict: Option<Verdict>) -> Answer {
    let Some(verdict) = verdict else { return Answer::new(Code::Unknown) };
    if verdict.is_partly_stored() {
        let (stored, all) = (verdict.stored, verdict.stored + verdict.not_stored);
        let words = format!("only {stored} of {all} records were stored; sending it again duplicates those");
        return Answer::new(Code::Unknown).saying(words);
    }
    match verdict.outcome() {
        Outcome::Stored => Answer::new(Code::Ok),
        Outcome::NotStored(Cause::Busy) => Answer::new(Code::Busy),
        Outcome::NotStored(Cause::Refused) => Answer::new(Code::Refused),
        Outcome::NotStored(Cause::NoTopic) => {
            Answer::new(Code::NoTopic).saying("nothing was stored: the stream's topic is gone")
        }
        Outcome::Unknown => Answer::new(Code::Unknown),
    }
}
