//! A `ProxyFleet` on its way in: never refused, since it is its owner's, but told which streams it turns away.

use kube::ResourceExt as _;
use sluice_crds::ProxyFleet;

use super::{NOT_CHECKED, Verdict};
use crate::admission::Index;
use crate::names::name_of;

/// So many streams are named.
const NAMED: usize = 5;

/// What is said of a fleet that was `before` what it is not any more; absent: it is new, and nothing is on it.
pub(crate) fn review(index: &Index, fleet: &ProxyFleet, before: Option<&ProxyFleet>) -> Verdict {
    let Some(before) = before.filter(|before| before.spec != fleet.spec) else { return Verdict::default() };
    if fleet.metadata.deletion_timestamp.is_some() || !decides_otherwise(fleet, before) {
        return Verdict::default();
    }
    if !index.is_complete() {
        return Verdict::warning(NOT_CHECKED);
    }
    let streams = index.streams_of(&name_of(&fleet.metadata));
    let broken = streams.iter().filter_map(|stream| {
        let refusal = index.offered(fleet, stream).err()?;
        index.offered(before, stream).ok()?;
        let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
        Some(format!("DataStream {namespace}/{name} is served no more: {refusal}"))
    });
    let mut broken: Vec<String> = broken.collect();
    let more = broken.len().saturating_sub(NAMED);
    broken.truncate(NAMED);
    if more > 0 {
        broken.push(format!("and {more} more DataStreams are served no more"));
    }
    Verdict { refusal: None, warnings: broken }
}

/// Whether something is other than before that decides about streams: to hold ten thousand against a fleet costs
/// milliseconds, which another number of proxies need not take.
fn decides_otherwise(fleet: &ProxyFleet, before: &ProxyFleet) -> bool {
    let (now, was) = (&fleet.spec, &before.spec);
    now.allowed_streams != was.allowed_streams
        || now.sinks != was.sinks
        || now.mode != was.mode
        || now.listeners != was.listeners
        || now.overload != was.overload
}
