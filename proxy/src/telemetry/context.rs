//! W3C trace context (level 1) as it comes in with a request. Pure.
//! What is not valid by its letter is no context: it is neither continued nor passed on.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The length of a `traceparent` of version 00, and of the part of later ones that is known.
const KNOWN: usize = 55;
/// The longest `traceparent` of a later version that is taken, in bytes.
const LONGEST: usize = 512;
/// The longest `tracestate` that a span of the node takes over, in bytes; records carry any.
const LONGEST_STATE: usize = 512;

/// The trace that a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// The caller's span, as it came.
    pub traceparent: &'a str,
    /// What tracing systems say beside it, as it came.
    pub tracestate: Option<Cow<'a, str>>,
}

impl<'a> Incoming<'a> {
    /// The trace that the headers name; `None` where they name none, or not validly.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let (Some(one), None) = (all.next(), all.next()) else { return None };
        let traceparent = one.to_str().ok().filter(|text| is_valid(text.as_bytes()))?;
        Some(Self { traceparent, tracestate: tracestate(headers) })
    }

    /// The caller's span.
    pub(super) fn span_context(&self) -> SpanContext {
        let part = |range| self.traceparent.get(range).unwrap_or_default();
        let trace = TraceId::from_hex(part(3..35)).unwrap_or(TraceId::INVALID);
        let span = SpanId::from_hex(part(36..52)).unwrap_or(SpanId::INVALID);
        let flags = u8::from_str_radix(part(53..55), 16).unwrap_or(0);
        let state = self.tracestate.as_deref().filter(|state| state.len() <= LONGEST_STATE);
        let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        SpanContext::new(trace, span, TraceFlags::new(flags), true, state)
    }
}

/// The span's `traceparent`, for whoever goes on below it.
pub(super) fn traceparent(span: &SpanContext) -> String {
    let flags = (span.trace_flags() & TraceFlags::SAMPLED).to_u8();
    format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id())
}

/// All `tracestate` headers as one; `None` where there is none, or one is no text.
fn tracestate(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut all = headers.get_all(TRACESTATE).iter().map(|value| value.to_str());
    let mut joined = Cow::Borrowed(all.next()?.ok()?);
    for next in all {
        let joined = joined.to_mut();
        joined.push(',');
        joined.push_str(next.ok()?);
    }
    Some(joined).filter(|state| !state.is_empty())
}

/// Whether this is `version-traceid-spanid-flags`, of version 00 or as far as a later one must look like it.
fn is_valid(text: &[u8]) -> bool {
    let Some((known, rest)) = text.split_at_checked(KNOWN) else { return false };
    let shape = known.iter().enumerate().all(|(place, byte)| match place {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let end = match known {
        [b'f', b'f', ..] => false,
        [b'0', b'0', ..] => rest.is_empty(),
        _ => rest.is_empty() || (rest.starts_with(b"-") && text.len() <= LONGEST),
    };
    shape && end && !is_zero(&known[3..35]) && !is_zero(&known[36..52])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_valid_context_is_read_and_written_the_same() {
        let headers = headers(&[("traceparent", PARENT), ("tracestate", "a=1,b=2")]);
        let span = Incoming::of(&headers).unwrap().span_context();
        assert!(span.is_valid() && span.is_sampled() && span.is_remote());
        assert_eq!(span.trace_state().header(), "a=1,b=2");
        assert_eq!(traceparent(&span), PARENT);
    }

    #[test]
    fn what_is_not_valid_is_no_context() {
        let longer = format!("{PARENT}-more");
        let upper = PARENT.to_uppercase();
        for text in [
            "",
            "00",
            &PARENT[..54],
            &longer,
            &upper,
            &PARENT.replace("00-4b", "ff-4b"),
            &PARENT.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &format!("cc-{}-{}", &PARENT[3..], "x".repeat(LONGEST)),
        ] {
            assert_eq!(Incoming::of(&headers(&[("traceparent", text)])), None, "{text}");
        }
        let twice = headers(&[("traceparent", PARENT), ("traceparent", PARENT)]);
        assert_eq!(Incoming::of(&twice), None);
        assert_eq!(Incoming::of(&headers(&[("tracestate", "a=1")])), None);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = format!("cc-{}-what-comes", &PARENT[3..]);
        let headers = headers(&[("traceparent", &later)]);
        let incoming = Incoming::of(&headers).unwrap();
        assert_eq!(incoming.traceparent, later);
        assert_eq!(traceparent(&incoming.span_context()), PARENT);
    }

    #[test]
    fn several_states_are_one_and_one_that_is_no_text_is_none() {
        let state = |values: &[&str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("tracestate", *value)).collect();
            let headers = headers(&[&[("traceparent", PARENT)], &pairs[..]].concat());
            Incoming::of(&headers).unwrap().tracestate.map(Cow::into_owned)
        };
        assert_eq!(state(&["a=1", "b=2"]).as_deref(), Some("a=1,b=2"));
        assert_eq!(state(&["a=1", "é"]), None);
        assert_eq!(state(&[]), None);
    }
}
