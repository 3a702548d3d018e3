//! From decoded records to what became of them, for every route alike: is the stream open, which headers
//! and keys do records get, does the stream's quota and share allow them, and then the sink.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use sluice_identity::{Accounts, Denied};
use tokio::sync::oneshot;

use super::sender::Sender;
use crate::admit::{Charge, Full, Hold, OverQuota, PARTS, ShareFull, SourceRefused};
use crate::catalog::Stream;
use crate::output::{self, KeyRule, Origin, Record, TooLong};
use crate::sink::{BreakerOpen, Delivery, Header, Meta, Outlet, Verdict, bytes_from, bytes_of, held_bytes};
use crate::telemetry::{DeliverySpan, Incoming, RequestSpan};

/// How long after the sink's own timeout a report is answered at the latest.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);
/// The most that the headers of a request that are passed on may take, in bytes.
const MAX_PASSED: usize = 8 << 10;

/// Why nothing of a report is stored, before any of it reached the sink.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The stream takes nothing from whoever sent it.
    #[error(transparent)]
    Source(#[from] SourceRefused),
    /// Whoever sent it does not show what the stream wants to be shown.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The stream takes nothing for now.
    #[error("the stream is paused")]
    Paused,
    /// The topic is not known to be there.
    #[error("{0}")]
    NoTopic(String),
    /// A record is longer than any sink would take.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The request's headers are.
    #[error("the headers to be passed on take more than {MAX_PASSED} bytes")]
    Headers,
    /// More than the stream may take in a second.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// More than one stream may hold.
    #[error(transparent)]
    Share(#[from] ShareFull),
    /// More than the node may hold.
    #[error("the node has no room")]
    NoRoom(#[from] Full),
    /// The topic is in trouble of its own.
    #[error(transparent)]
    Breaker(#[from] BreakerOpen),
}

/// What a request says of its records, beside the records.
pub(super) struct Said<'a> {
    /// Who sent it.
    pub(super) sender: &'a Sender<'a>,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// When its records happened (`dt`), in milliseconds since the epoch.
    pub(super) event_time: Option<i64>,
    /// How many records it says there are (`cnt`).
    pub(super) declared: Option<i64>,
    /// InLong's `auditVersion`.
    pub(super) audit_version: Option<i64>,
    /// The media type of a record.
    pub(super) content_type: Option<&'static str>,
    /// The parameter that the stream takes keys from.
    pub(super) parameter: Option<&'a [u8]>,
    /// Its span.
    pub(super) span: &'a RequestSpan,
}

/// A report on its way into its sink.
#[derive(Debug)]
pub(super) struct Pending {
    verdict: oneshot::Receiver<Verdict>,
    limit: Duration,
    /// How many records it holds.
    pub(super) records: usize,
    /// The records of each message, where that is not one at the same place.
    pub(super) members: Option<Vec<Vec<u32>>>,
    span: DeliverySpan,
}

impl Pending {
    /// Waits for what the report comes to, not longer than its sink may take and a little more. `None`: no
    /// verdict in time.
    pub(super) async fn verdict(&mut self) -> Option<Verdict> {
        let verdict = tokio::time::timeout(self.limit, &mut self.verdict).await.ok().and_then(Result::ok);
        self.span.settled(verdict.as_ref());
        verdict
    }
}

/// Whether the stream takes reports of this sender now.
///
/// # Errors
/// [`Refusal::Source`], [`Refusal::Denied`], [`Refusal::Paused`], [`Refusal::NoTopic`].
pub(super) fn open(stream: &Stream, sender: &Sender<'_>, accounts: Option<&Accounts>) -> Result<(), Refusal> {
    sender.may_report(stream)?;
    sender.prove(stream, accounts)?;
    if stream.spec.paused {
        return Err(Refusal::Paused);
    }
    longest(stream).map(|_| ())
}

fn longest(stream: &Stream) -> Result<usize, Refusal> {
    stream.outlet.longest_record().ok_or_else(|| {
        let why = stream.outlet.health().trouble.map(|trouble| trouble.message);
        Refusal::NoTopic(why.unwrap_or_else(|| "the topic is not ready".to_owned()))
    })
}

/// Hands records over to their stream's sink.
///
/// # Errors
/// [`Refusal`]; the sink has nothing of the report then.
pub(super) fn submit<'a>(
    stream: &Stream,
    said: &Said<'a>,
    mut records: Vec<Record<'a>>,
    mut charge: Charge,
) -> Result<Pending, Refusal> {
    let longest = longest(stream)?;
    let received = now();
    let topic = matches!(stream.outlet, Outlet::Kafka(_)).then_some(&*stream.spec.topic);
    let mut span = said.span.delivery(topic);
    let passed = passed(stream, said.headers, span.traceparent())?;
    let keys_missing = give_keys(stream, said, &mut records);
    let meta = Meta {
        received,
        client: &said.sender.client,
        node: &said.sender.peer.node,
        audit_version: said.audit_version,
        envelope: output::envelope(stream.spec.output),
        passed: &passed,
    };
    let origin = Origin {
        group_id: &stream.spec.group_id,
        stream_id: &stream.spec.stream_id,
        meta: &meta,
        event_time: said.event_time.unwrap_or(received),
        declared: said.declared,
        content_type: said.content_type,
    };
    let bytes: usize = records.iter().map(|record| record.value.len()).sum();
    let count = records.len();
    let mut encoded = output::encode(stream.spec.output, &origin, records, longest)?;
    let members = encoded.take_members();
    let taken = stream.quota.take(count as u64, bytes as u64, Instant::now())?;
    let held = held_bytes(&meta, &encoded.messages);
    let portion = Some(stream.share.take(held, charge.limit() / PARTS)?);
    charge.resize(held)?;
    let pass = stream.outlet.admit()?;
    let batch = stream.outlet.prepare(&meta, encoded.messages);
    charge.resize(held.max(batch.line_bytes()))?;
    taken.spend();
    stream.counters.key_missing.add(keys_missing);
    let hold = Hold { charge, portion };
    let (delivery, verdict) =
        Delivery::new(batch.messages(), batch.records(), Arc::clone(&stream.counters), hold);
    span.handed_over(batch.messages());
    stream.outlet.submit(pass, batch, &delivery);
    let limit = Duration::from_millis(stream.delivery_timeout_ms) + ANSWER_MARGIN;
    Ok(Pending { verdict, limit, records: count, members, span })
}

/// The headers that records carry on: the trace's, below the node's own span where it has one, and those on
/// the stream's list.
fn passed<'a>(
    stream: &'a Stream,
    headers: &'a HeaderMap,
    own: Option<String>,
) -> Result<Vec<Header<'a>>, Refusal> {
    let (parent, state) = Incoming::of(headers).map(|i| (i.traceparent, i.tracestate)).unzip();
    let parent = own.map(Cow::Owned).or(parent.map(Cow::Borrowed));
    let trace = [("traceparent", parent), ("tracestate", state.flatten())];
    let trace = trace.into_iter().filter_map(|(name, value)| Some((name, bytes_from(value?))));
    let listed = stream.passed.iter().filter_map(|(name, alias)| Some((&**alias, headers.get(name)?)));
    let listed = listed.map(|(name, value)| (name, Cow::Borrowed(value.as_bytes())));
    let passed: Vec<Header<'a>> =
        trace.chain(listed).map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    if bytes_of(&passed) > MAX_PASSED { Err(Refusal::Headers) } else { Ok(passed) }
}

/// Gives each record its key: the one its event names, else the one that the stream's rule finds. Returns how
/// many want one and have none.
fn give_keys<'a>(stream: &Stream, said: &Said<'a>, records: &mut [Record<'a>]) -> u64 {
    let of_report: Option<&'a [u8]> = match &stream.key {
        Some(KeyRule::Parameter(_)) => said.parameter,
        Some(KeyRule::Header(name)) => {
            name.as_ref().and_then(|name| said.headers.get(name)).map(|value| value.as_bytes())
        }
        Some(KeyRule::Json(_)) | None => None,
    };
    let mut missing = 0;
    for record in records {
        let named = record.event.as_mut().and_then(|event| event.partition_key.take());
        record.key = named.map(|key| Cow::Owned(key.into_bytes())).or_else(|| match &stream.key {
            Some(KeyRule::Json(path)) => output::key_in_json(&record.value, path).map(Cow::Owned),
            _ => of_report.map(Cow::Borrowed),
        });
        missing += u64::from(record.key.is_none());
    }
    if stream.key.is_some() { missing } else { 0 }
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
