//! A `DataStream` on its way in: refused for what is wrong with it now and was not before.

use serde_json::Value;
use sluice_crds::DataStream;

use super::{NOT_CHECKED, Verdict, unwise};
use crate::Reason;
use crate::admission::Index;
use crate::resolve::Refusal;

/// What is said of a stream that was `before` what it is not any more; absent: it is new.
pub(crate) fn review(index: &Index, stream: &DataStream, before: Option<&DataStream>) -> Verdict {
    let same = before.is_some_and(|before| before.spec == stream.spec);
    if same || stream.metadata.deletion_timestamp.is_some() {
        return Verdict::default();
    }
    if !index.is_complete() {
        return Verdict::warning(NOT_CHECKED);
    }
    let mut verdict = Verdict::default();
    let refusal = index.decide(stream, before.is_none()).and_then(|decision| decision.refusal);
    if let Some(refusal) = refusal {
        if is_refused(refusal.reason) && is_new(index, &refusal, stream, before) {
            return Verdict { refusal: Some(refusal), warnings: Vec::new() };
        }
        if is_told(index, refusal.reason) {
            verdict.warnings.push(refusal.to_string());
        }
    }
    let fleet = index.fleet_for(stream);
    verdict.warnings.extend(fleet.and_then(|fleet| unwise::stream(stream, fleet)));
    verdict
}

/// Whether a stream is refused at the door for this, and not only by its condition. What another object can still mend,
/// or what a step on the way to something good looks like, is not: a directory is applied in any order, and a group moves
/// to another fleet stream by stream.
const fn is_refused(reason: Reason) -> bool {
    matches!(reason, Reason::Conflict | Reason::NotPermitted | Reason::SinkNotFound)
}

/// That the default fleet is just being made is no news.
fn is_told(index: &Index, reason: Reason) -> bool {
    reason != Reason::NoDefaultFleet || index.no_default_fleet().is_some()
}

/// Whether it was not wrong in this way before. Who mends one thing of several, or changes something else, is let through.
fn is_new(index: &Index, refusal: &Refusal, stream: &DataStream, before: Option<&DataStream>) -> bool {
    let Some(before) = before else { return true };
    match index.decide(before, false).and_then(|decision| decision.refusal) {
        None => true,
        Some(former) if former == *refusal => false,
        Some(_) => [refusal.field, "spec.fleet"].into_iter().any(|field| is_changed(field, stream, before)),
    }
}

/// Whether a field, such as `spec.sink.topic`, is another than it was.
fn is_changed(field: &str, stream: &DataStream, before: &DataStream) -> bool {
    let pointer = format!("/{}", field.replace('.', "/"));
    let [now, before] = [stream, before].map(|stream| serde_json::to_value(stream).unwrap_or_default());
    let at = |object: &Value| object.pointer(&pointer).cloned();
    at(&now) != at(&before)
}
