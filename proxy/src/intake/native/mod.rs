//! The native route: `POST /v1/groups/{groupId}/streams/{streamId}/records`, with real status codes and an
//! outcome for each record. It must not know how a sink stores; what a report came to is `deliver`'s to say.
//!
//! | file | holds |
//! |---|---|
//! | `route`, `content` | which stream, and in which form the records come |
//! | `unpack`, `json`, `decode` | from the body to records (pure) |
//! | `problem` | what went wrong as a problem document (RFC 9457): the one place of statuses |
//! | `answer` | what the records came to as a response |

mod answer;
mod content;
mod decode;
mod json;
mod problem;
mod route;
mod unpack;

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use hyper::body::Body;
use sluice_identity::Accounts;
use sluice_wire::code::Code;
use uuid::Uuid;

use super::Intake;
use super::connection::Peer;
use super::content::{asks_first, has_body};
use super::deliver::{self, Said};
use super::form::{Field, Form};
use super::read::{self, ReadError};
use super::request_id;
use super::sender::Sender;
use super::text::integer;
use crate::admit::Charge;
use crate::catalog::Stream;
use crate::output::KeyRule;
use crate::telemetry::RequestSpan;

use content::Content;
use problem::Problem;

/// Where the paths of this route begin.
pub(super) const PREFIX: &str = "/v1/";
/// Where the route's description (OpenAPI 3.1) is.
pub(super) const DESCRIPTION: &str = "/openapi.json";
/// The description itself.
const OPENAPI: &str = include_str!("openapi.json");

/// Answers a request to this route.
pub(super) async fn records<B>(intake: &Intake, peer: &Peer, request: Request<B>) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, mut body) = request.into_parts();
    let sender = Sender::of(peer, &head.headers, &intake.catalog);
    let mut call = Call {
        intake,
        stream: None,
        request_id: request_id(&head.headers),
        unread: has_body(&head.headers),
        span: intake.traces.request(&head, &sender.client),
    };
    call.span.known_as(&call.request_id);
    let outcome = match call.run(&sender, &head, &mut body).await {
        Ok(accepted) => Ok(accepted),
        Err(problem) => {
            // A short body that nobody wanted is read to its end, so that the connection can go on. A client that
            // waits to be asked for it is told so instead: reading would ask.
            if call.unread && !problem.closes() && !asks_first(&head.headers) {
                call.unread = !read::to_its_end(body).await;
            }
            Err(problem)
        }
    };
    call.finish(outcome)
}

/// Describes this route.
pub(super) async fn describe(
    State(intake): State<Arc<Intake>>,
    Extension(peer): Extension<Arc<Peer>>,
    request: Request<axum::body::Body>,
) -> Response {
    let request_id = request_id(request.headers());
    let refused = has_room(&intake, &peer).err();
    let close = refused.is_some() || has_body(request.headers()) || intake.lifecycle.is_draining();
    let mut response = match refused {
        Some(problem) => problem.into_response(&request_id),
        None => ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response(),
    };
    answer::complete(&mut response, &request_id, close);
    response
}

/// The first check, before anything is read: whether the node takes requests on this connection.
fn has_room(intake: &Intake, peer: &Peer) -> Result<(), Problem> {
    match intake.no_room(peer) {
        None => Ok(()),
        Some(Code::Closed) => Err(Problem::Leaving),
        Some(_) => Err(Problem::NodeBusy),
    }
}

/// What is known of a request while it is worked on.
struct Call<'a> {
    intake: &'a Intake,
    stream: Option<Arc<Stream>>,
    request_id: String,
    /// Whether there is a body that nobody has read: the connection can't go on after the answer.
    unread: bool,
    span: RequestSpan,
}

impl Call<'_> {
    /// Goes through the checks, hands the records over and waits; the number of records stored.
    async fn run<B>(&mut self, sender: &Sender<'_>, head: &Parts, body: &mut B) -> Result<usize, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        has_room(self.intake, sender.peer)?;
        let (group_id, stream_id) = route::stream(head.uri.path()).ok_or(Problem::NoRoute)?;
        self.span.took(route::RECORDS);
        if head.method != Method::POST {
            return Err(Problem::Method);
        }
        let content = Content::of(&head.headers)?;
        let query = Form::decode(head.uri.query().unwrap_or_default().as_bytes().to_vec())?;
        let event_time = event_time(&query)?;
        let (stream, accounts) = self.find(&group_id, &stream_id)?;
        deliver::open(&stream, sender, accounts.as_deref())?;
        let mut charge = self.intake.budget.open();
        let bytes = self.read(body, content, &stream, &mut charge).await?;
        // The body may have taken its time: the stream is that of the configuration in effect now.
        let (stream, accounts) = self.find(&group_id, &stream_id)?;
        deliver::open(&stream, sender, accounts.as_deref())?;
        if bytes.len() as u64 > stream.spec.max_body_bytes {
            return Err(Problem::Read(ReadError::TooLong { limit: limit_of(&stream) }));
        }
        let records = decode::records(content.kind, &bytes, &head.headers)?;
        let said = Said {
            sender,
            headers: &head.headers,
            event_time,
            declared: None,
            audit_version: None,
            content_type: content.kind.of_a_record(),
            parameter: match &stream.key {
                Some(KeyRule::Parameter(name)) => query.named(name),
                _ => None,
            },
            span: &self.span,
        };
        let pending = deliver::submit(&stream, &said, records, charge)?;
        drop((bytes, query));
        self.span.holds(pending.records);
        answer::outcome(pending).await
    }

    /// The stream, and who producers are by their service accounts.
    fn find(
        &mut self,
        group_id: &str,
        stream_id: &str,
    ) -> Result<(Arc<Stream>, Option<Arc<Accounts>>), Problem> {
        let catalog = self.intake.catalog.load();
        let catalog = catalog.as_ref().ok_or(Problem::NotConfigured)?;
        let stream = catalog.find(group_id, stream_id).ok_or(Problem::NoStream)?;
        self.stream = Some(Arc::clone(stream));
        Ok((Arc::clone(stream), catalog.accounts.clone()))
    }

    /// The body as it was before it was compressed, at most as long as the stream takes.
    async fn read<B>(
        &mut self,
        body: &mut B,
        content: Content,
        stream: &Stream,
        charge: &mut Charge,
    ) -> Result<Vec<u8>, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let limit = limit_of(stream);
        let read = read::whole(body, content.encoding.longest(limit), charge).await?;
        self.unread = false;
        Ok(unpack::unpack(content.encoding, read, limit, charge)?)
    }

    /// Counts the outcome and makes it a response.
    fn finish(mut self, outcome: Result<usize, Problem>) -> Response {
        let code = outcome.as_ref().map_or_else(Problem::code, |_| Code::Ok);
        match &self.stream {
            Some(stream) => stream.counters.answered(code),
            None => self.intake.counters.answered(code),
        }
        let mut response = match outcome {
            Ok(accepted) => answer::accepted(accepted),
            Err(problem) => {
                let ids = self.ids();
                let (group_id, stream_id) = (ids.map(|ids| ids.0), ids.map(|ids| ids.1));
                // Not the problem's words: they may quote what was sent.
                let (request_id, code, name) = (&self.request_id, code.number(), problem.name());
                tracing::debug!(request_id, group_id, stream_id, code, problem = name, "records refused");
                problem.into_response(&self.request_id)
            }
        };
        answer::complete(&mut response, &self.request_id, self.unread || self.intake.lifecycle.is_draining());
        std::mem::take(&mut self.span).answered(response.status(), code, self.ids());
        response
    }

    fn ids(&self) -> Option<(&str, &str)> {
        self.stream.as_ref().map(|stream| (&*stream.spec.group_id, &*stream.spec.stream_id))
    }
}

fn limit_of(stream: &Stream) -> usize {
    usize::try_from(stream.spec.max_body_bytes).unwrap_or(usize::MAX)
}

/// The producer's id of the request where it has a usable one, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    request_id::given(headers).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// When the records happened, as the query's `dt` says.
fn event_time(query: &Form) -> Result<Option<i64>, Problem> {
    let Some(dt) = query.get(Field::Dt) else { return Ok(None) };
    integer(dt)
        .map(Some)
        .ok_or(Problem::Malformed(Cow::Borrowed("query: dt must be milliseconds since the epoch")))
}
