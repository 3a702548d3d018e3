//! A stream that has moved stays on its former fleet for a while: producers that asked before are still sent there.
//! It decides no move, and what it remembers only spares producers a refusal: an operator that starts lets go at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Plan, Round};
use crate::ObjectRef;
use crate::reconcile::Memory;
use crate::resolve::{Decision, FleetKey, ResolvedStream};

/// How long the former fleet goes on with a stream that has moved.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// A stream on the fleet that it leaves or has left.
#[derive(Debug)]
pub(crate) struct Lingering {
    stream: ResolvedStream,
    /// Until when, once it has moved.
    until: Option<Instant>,
}

/// Streams on fleets that they leave or have left.
pub(crate) type Leaving = BTreeMap<(FleetKey, ObjectRef), Lingering>;

/// Adds to each fleet the streams that have left it not long ago.
pub(super) fn plan(round: &mut Round<'_>, memory: &mut Memory, plan: &mut Plan) {
    let decisions: BTreeMap<&ObjectRef, &Decision> =
        round.resolution.streams.iter().map(|decision| (&decision.stream, decision)).collect();
    let now = round.now;
    memory.leaving.retain(|(fleet, stream), lingering| {
        decisions.get(stream).is_some_and(|decision| goes_on(decision, fleet, lingering, now))
    });
    for decision in round.resolution.streams.iter().filter(|decision| decision.moving_to.is_some()) {
        let Some(fleet) = &decision.fleet else { continue };
        let served = round.resolution.fleets.iter().find(|resolved| resolved.key() == *fleet);
        let stream = served
            .and_then(|served| served.streams.iter().find(|stream| stream.reference() == decision.stream));
        if let Some(stream) = stream {
            let lingering = Lingering { stream: stream.clone(), until: None };
            memory.leaving.insert((fleet.clone(), decision.stream.clone()), lingering);
        }
    }
    for ((fleet, _), lingering) in &memory.leaving {
        let Some(until) = lingering.until else { continue };
        let Some(left) = round.resolution.fleets.iter_mut().find(|resolved| resolved.key() == *fleet) else {
            continue;
        };
        let ids = |stream: &ResolvedStream| (stream.group_id.clone(), stream.stream_id.clone());
        if let Err(place) = left.streams.binary_search_by_key(&ids(&lingering.stream), ids) {
            left.streams.insert(place, lingering.stream.clone());
            plan.again = Some(plan.again.map_or(until, |again| again.min(until)));
        }
    }
}

/// Whether a stream still leaves `fleet`, or has left it not long ago.
fn goes_on(decision: &Decision, fleet: &FleetKey, lingering: &mut Lingering, now: Instant) -> bool {
    match &decision.fleet {
        Some(serving) if serving == fleet => decision.moving_to.is_some(),
        Some(_) => now < *lingering.until.get_or_insert(now + LINGER),
        None => false,
    }
}
