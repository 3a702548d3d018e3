//! The spans of a request: its own, and below it one for the hand-over to the sink, whose id records carry.
//! They hold ids, counts and outcomes by OpenTelemetry's names; never a query, a header or a body.

use std::fmt;

use http::request::Parts;
use http::{Method, StatusCode, Version};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use sluice_wire::code::Code;

use super::Tracing;
use super::context::{Incoming, traceparent};
use crate::sink::{Cause, Outcome, Verdict};

/// The longest path that a span shows, in bytes.
const LONGEST_PATH: usize = 256;

/// The span of a request; nothing where it is not sampled. One that is dropped was left by its client.
#[derive(Debug, Default)]
pub struct RequestSpan(Option<Box<Open>>);

/// The span of a hand-over to a sink; nothing where its request has none.
#[derive(Debug, Default)]
pub struct DeliverySpan(Option<Box<Sending>>);

struct Open {
    span: Span,
    tracer: SdkTracer,
    method: &'static str,
}

struct Sending {
    span: Span,
    /// What it came to if nobody says more.
    outcome: &'static str,
}

impl Tracing {
    /// Begins the span of a request, below the caller's where it names one.
    #[must_use]
    pub fn request(&self, head: &Parts, client: &str) -> RequestSpan {
        RequestSpan(self.tracer().and_then(|tracer| Open::new(tracer, head, client)).map(Box::new))
    }
}

impl Open {
    fn new(tracer: &SdkTracer, head: &Parts, client: &str) -> Option<Self> {
        let parent = Incoming::of(&head.headers).map(|incoming| incoming.span_context());
        let parent = parent.map(|parent| Context::new().with_remote_span_context(parent)).unwrap_or_default();
        let method = method(&head.method);
        let name = if method == OTHER { "HTTP" } else { method };
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server);
        let mut span = tracer.build_with_context(builder, &parent);
        if !span.is_recording() {
            return None;
        }
        let path = head.uri.path();
        span.set_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("url.path", path.get(..LONGEST_PATH).unwrap_or(path).to_owned()),
            KeyValue::new("client.address", client.to_owned()),
            KeyValue::new("network.protocol.version", version(head.version)),
        ]);
        Some(Self { span, tracer: tracer.clone(), method: name })
    }

    fn end(&mut self, error: Option<String>) {
        if let Some(error) = error {
            self.span.set_attribute(KeyValue::new("error.type", error));
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}

impl RequestSpan {
    /// Notes which route it took, as the route is written.
    pub fn took(&mut self, route: &'static str) {
        let Some(open) = &mut self.0 else { return };
        open.span.update_name(format!("{} {route}", open.method));
        open.span.set_attribute(KeyValue::new("http.route", route));
    }

    /// Notes the id of the request.
    pub fn known_as(&mut self, request_id: &str) {
        let Some(open) = &mut self.0 else { return };
        open.span.set_attribute(KeyValue::new("sluice.request_id", request_id.to_owned()));
    }

    /// Notes how many records it holds.
    pub fn holds(&mut self, records: usize) {
        let Some(open) = &mut self.0 else { return };
        open.span.set_attribute(KeyValue::new("sluice.records", number(records)));
    }

    /// Ends it with its answer. `ids` are the groupId and streamId of a stream that is there.
    pub fn answered(mut self, status: StatusCode, code: Code, ids: Option<(&str, &str)>) {
        let Some(mut open) = self.0.take() else { return };
        if let Some((group_id, stream_id)) = ids {
            open.span.set_attribute(KeyValue::new("sluice.group_id", group_id.to_owned()));
            open.span.set_attribute(KeyValue::new("sluice.stream_id", stream_id.to_owned()));
        }
        open.span.set_attributes([
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            KeyValue::new("sluice.code", i64::from(code.number())),
            KeyValue::new("sluice.outcome", outcome_of(code)),
        ]);
        open.end(error_of(status, code));
    }

    /// Begins the span of the hand-over; `topic` where that is to Kafka.
    #[must_use]
    pub fn delivery(&self, topic: Option<&str>) -> DeliverySpan {
        DeliverySpan(self.0.as_ref().map(|open| {
            let parent = Context::new().with_remote_span_context(open.span.span_context().clone());
            let builder = match topic {
                Some(topic) => SpanBuilder::from_name(format!("send {topic}")).with_kind(SpanKind::Producer),
                None => SpanBuilder::from_name("write file").with_kind(SpanKind::Internal),
            };
            let mut span = open.tracer.build_with_context(builder, &parent);
            if let Some(topic) = topic {
                span.set_attributes([
                    KeyValue::new("messaging.system", "kafka"),
                    KeyValue::new("messaging.destination.name", topic.to_owned()),
                    KeyValue::new("messaging.operation.name", "send"),
                    KeyValue::new("messaging.operation.type", "send"),
                ]);
            }
            Box::new(Sending { span, outcome: "refused" })
        }))
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        let Some(mut open) = self.0.take() else { return };
        open.end(Some("client_left".to_owned()));
    }
}

impl DeliverySpan {
    /// The `traceparent` of what goes on below it.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.0.as_ref().map(|sending| traceparent(sending.span.span_context()))
    }

    /// Notes that the sink has so many messages of it.
    pub fn handed_over(&mut self, messages: usize) {
        let Some(sending) = &mut self.0 else { return };
        sending.outcome = "client_left";
        sending.span.set_attribute(KeyValue::new("messaging.batch.message_count", number(messages)));
    }

    /// Ends it with what became of its records; `None`: nothing is known in time.
    pub fn settled(&mut self, verdict: Option<&Verdict>) {
        let Some(sending) = &mut self.0 else { return };
        sending.outcome = match verdict {
            Some(verdict) if verdict.is_partly_stored() => "partly_stored",
            Some(verdict) => match verdict.outcome() {
                Outcome::Stored => "stored",
                Outcome::NotStored(Cause::Busy) => "busy",
                Outcome::NotStored(Cause::Refused) => "refused_by_kafka",
                Outcome::NotStored(Cause::NoTopic) => "no_topic",
                Outcome::Unknown => "unknown",
            },
            None => "unknown",
        };
        self.0 = None;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.span.set_attribute(KeyValue::new("sluice.outcome", self.outcome));
        if self.outcome != "stored" {
            self.span.set_attribute(KeyValue::new("error.type", self.outcome));
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Open").field(self.span.span_context()).finish()
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sending").field(self.span.span_context()).finish()
    }
}

/// What the conventions call a method they don't know.
const OTHER: &str = "_OTHER";

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

fn version(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "1.0" } else { "1.1" }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What became of the request's records as a whole.
const fn outcome_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "stored",
        Code::Unknown => "unknown",
        _ => "not_stored",
    }
}

/// What went wrong on this side: a status of 500 or more, or, where the status is always 200, its code.
fn error_of(status: StatusCode, code: Code) -> Option<String> {
    let own = matches!(code, Code::NotReady | Code::Busy | Code::Refused | Code::Unknown);
    if status.is_server_error() {
        Some(status.as_str().to_owned())
    } else {
        (status == StatusCode::OK && own).then(|| code.number().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_the_nodes_own() {
        let of = |status, code| error_of(StatusCode::from_u16(status).unwrap(), code);
        assert_eq!(of(200, Code::Ok), None);
        assert_eq!(of(200, Code::Busy).as_deref(), Some("114"));
        assert_eq!(of(200, Code::TooLong), None);
        assert_eq!(of(429, Code::Busy), None, "over its quota: the producer's matter");
        assert_eq!(of(503, Code::Busy).as_deref(), Some("503"));
    }
}
