//! A `ProxyFleet` on its way in: never refused, since it is its owner's, but told which streams it turns away.

use kube::ResourceExt as _;
use sluice_crds::{DataStream, ProxyFleet};
use tokio::sync::watch;
use tokio::task::yield_now;

use super::{NOT_CHECKED, Verdict};
use crate::admission::Index;
use crate::names::name_of;

/// So many streams are named.
const NAMED: usize = 5;
/// Streams that are looked at at once, which takes about a millisecond.
const AT_ONCE: usize = 256;

/// What is said of a fleet that was `before` what it is not any more; absent: it is new, and nothing is on it. Whoever else has something to do comes in between.
pub(crate) async fn review(
    index: &watch::Receiver<Index>,
    fleet: &ProxyFleet,
    before: Option<&ProxyFleet>,
) -> Verdict {
    let Some(before) = before.filter(|before| decides_otherwise(fleet, before)) else {
        return Verdict::default();
    };
    if !index.borrow().is_complete() {
        return Verdict::warning(NOT_CHECKED);
    }
    let streams = index.borrow().streams_of(&name_of(&fleet.metadata));
    let mut broken = Vec::new();
    for some in streams.chunks(AT_ONCE) {
        {
            let index = index.borrow();
            broken.extend(some.iter().filter_map(|stream| taken_off(&index, fleet, before, stream)));
        }
        yield_now().await;
    }
    let more = broken.len().saturating_sub(NAMED);
    broken.truncate(NAMED);
    if more > 0 {
        broken.push(format!("and {more} more DataStreams are served no more"));
    }
    Verdict { refusal: None, warnings: broken }
}

/// That the fleet serves a stream no more, which it served before.
fn taken_off(index: &Index, fleet: &ProxyFleet, before: &ProxyFleet, stream: &DataStream) -> Option<String> {
    let refusal = index.offered(fleet, stream).err()?;
    index.offered(before, stream).ok()?;
    let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
    Some(format!("DataStream {namespace}/{name} is served no more: {refusal}"))
}

/// Whether something is other than before that decides about streams: to hold ten thousand against a fleet costs
/// milliseconds, which another number of proxies need not take.
fn decides_otherwise(fleet: &ProxyFleet, before: &ProxyFleet) -> bool {
    let (now, was) = (&fleet.spec, &before.spec);
    let stays = fleet.metadata.deletion_timestamp.is_none();
    stays
        && (now.allowed_streams != was.allowed_streams
            || now.sinks != was.sinks
            || now.mode != was.mode
            || now.listeners != was.listeners
            || now.overload != was.overload)
}
