//! A stream that has moved stays on its former fleet for a while: producers that asked before are still sent there.
//! Where anything that the move was decided by is otherwise meanwhile, the former fleet lets go at once: the stream, the
//! fleet, or the namespace's labels, by which it may not be let in any more.
//! It decides no move, and what it remembers only spares producers a refusal: an operator that starts lets go at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_crds::ProxyFleetSpec;

use super::{Plan, Round};
use crate::ObjectRef;
use crate::reconcile::Memory;
use crate::resolve::{Decision, FleetKey, Resolution, ResolvedFleet, ResolvedStream};
use crate::watch::cluster::Store;

/// How long the former fleet goes on with a stream that has moved.
pub(super) const LINGER: Duration = Duration::from_secs(60);

/// A stream on the fleet that it leaves or has left.
#[derive(Debug)]
pub(crate) struct Lingering {
    stream: ResolvedStream,
    /// What that fleet is declared as.
    spec: Arc<ProxyFleetSpec>,
    /// Labels of the stream's namespace.
    labels: Option<Labels>,
    /// Until when, once it has moved.
    until: Option<Instant>,
}

/// Labels of a namespace.
type Labels = BTreeMap<String, String>;

/// What streams and namespaces are declared as now.
pub(super) trait Declared {
    /// The stream's generation.
    fn generation(&self, stream: &ObjectRef) -> Option<i64>;
    /// The namespace's labels.
    fn labels(&self, namespace: &str) -> Option<&Labels>;
}

impl Declared for Store {
    fn generation(&self, stream: &ObjectRef) -> Option<i64> {
        let stream = self.streams.get(&(stream.namespace.clone(), stream.name.clone()))?;
        Some(stream.metadata.generation.unwrap_or_default())
    }

    fn labels(&self, namespace: &str) -> Option<&Labels> {
        self.namespaces.get(namespace).map(|view| &view.labels)
    }
}

/// Streams on fleets that they leave or have left.
#[derive(Debug, Default)]
pub(crate) struct Leaving(BTreeMap<(FleetKey, ObjectRef), Lingering>);

/// Adds to each fleet the streams that have left it not long ago.
pub(super) fn plan(round: &mut Round<'_>, memory: &mut Memory, plan: &mut Plan) {
    if let Some(until) = memory.leaving.linger(&mut round.resolution, round.store, round.now) {
        plan.again = Some(plan.again.map_or(until, |again| again.min(until)));
    }
}

impl Leaving {
    /// Adds to each fleet the streams that have left it not long ago; gives when the first of them goes.
    fn linger(
        &mut self,
        resolution: &mut Resolution,
        declared: &impl Declared,
        now: Instant,
    ) -> Option<Instant> {
        let decisions: BTreeMap<&ObjectRef, &Decision> =
            resolution.streams.iter().map(|decision| (&decision.stream, decision)).collect();
        let specs: BTreeMap<FleetKey, &ProxyFleetSpec> =
            resolution.fleets.iter().map(|fleet| (fleet.key(), &fleet.spec)).collect();
        self.0.retain(|(fleet, stream), lingering| {
            let same = specs.get(fleet).is_some_and(|spec| **spec == *lingering.spec)
                && declared.generation(stream) == Some(lingering.stream.generation)
                && declared.labels(&stream.namespace) == lingering.labels.as_ref();
            same && decisions.get(stream).is_some_and(|decision| goes_on(decision, fleet, lingering, now))
        });
        self.note(resolution, declared);
        let mut fleets: BTreeMap<FleetKey, &mut ResolvedFleet> =
            resolution.fleets.iter_mut().map(|fleet| (fleet.key(), fleet)).collect();
        let mut next = None::<Instant>;
        for ((fleet, _), lingering) in &self.0 {
            let Some((until, left)) = lingering.until.zip(fleets.get_mut(fleet)) else { continue };
            let ids = |stream: &ResolvedStream| (stream.group_id.clone(), stream.stream_id.clone());
            if let Err(place) = left.streams.binary_search_by_key(&ids(&lingering.stream), ids) {
                left.streams.insert(place, lingering.stream.clone());
                next = Some(next.map_or(until, |next| next.min(until)));
            }
        }
        next
    }

    /// Notes streams that move, as the fleet that they leave serves them.
    fn note(&mut self, resolution: &Resolution, declared: &impl Declared) {
        let mut moving: BTreeMap<&FleetKey, BTreeSet<&ObjectRef>> = BTreeMap::new();
        for decision in resolution.streams.iter().filter(|decision| decision.moving_to.is_some()) {
            if let Some(fleet) = &decision.fleet {
                moving.entry(fleet).or_default().insert(&decision.stream);
            }
        }
        for fleet in &resolution.fleets {
            let key = fleet.key();
            let Some(moving) = moving.get(&key) else { continue };
            let spec = Arc::new(fleet.spec.clone());
            for stream in &fleet.streams {
                let reference = stream.reference();
                if moving.contains(&reference) {
                    let labels = declared.labels(&stream.namespace).cloned();
                    let lingering =
                        Lingering { stream: stream.clone(), spec: Arc::clone(&spec), labels, until: None };
                    self.0.insert((key.clone(), reference), lingering);
                }
            }
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

#[cfg(test)]
mod tests;
