//! What a `DataStream` is told: its ids in effect, where it is served, and its conditions.
//! It looks at one stream, its decision and its fleets' nodes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sluice_crds::{DataStream, DataStreamStatus};

use super::condition::{self, Told};
use super::nodes::Nodes;
use super::reason::{Accepted, AuthReady, Durability, Programmed, Ready, Reason, SinkReady, Status};
use super::{Proof, applied, auth, sink};
use crate::observe::FleetView;
use crate::resolve::{Decision, FleetKey};

/// What conditions of a stream that a fleet serves are worked out from.
pub(super) struct Served<'a> {
    pub(super) decision: &'a Decision,
    pub(super) uid: &'a str,
    pub(super) generation: i64,
    pub(super) key: &'a FleetKey,
    pub(super) fleet: &'a FleetView,
    pub(super) nodes: Nodes<'a>,
    /// What was told before of the same generation on the same fleet.
    pub(super) before: &'a [Condition],
}

impl Served<'_> {
    /// What was told before, for as long as a node that has not been asked may still say the same.
    pub(super) fn again<R: Reason>(&self) -> Option<Told> {
        let before = condition::find(self.before, R::CONDITION).filter(|_| self.nodes.is_partial())?;
        (before.observed_generation == Some(self.generation)).then(|| Told::again::<R>(before))
    }

    pub(super) fn fleet_name(&self) -> String {
        name(self.key)
    }
}

/// What is seen of a stream besides itself.
#[derive(Clone, Debug, Default)]
pub struct Seen<'a> {
    /// The fleet that serves it.
    pub fleet: Option<&'a FleetView>,
    /// The fleet it moves to.
    pub target: Option<&'a FleetView>,
    /// Where producers report to.
    pub url: Option<String>,
    /// Why its endpoint ConfigMap can't be written.
    pub endpoints: Option<&'a str>,
    /// What it asks of its producers; absent: nothing.
    pub proof: Option<&'a Proof>,
}

/// The status of `stream` by what was decided of it and what is seen. A status that says what it said before is
/// equal to it.
#[must_use]
pub fn stream(stream: &DataStream, decision: &Decision, seen: Seen<'_>, now: &Time) -> DataStreamStatus {
    let Seen { fleet, target, url, endpoints, proof } = seen;
    let generation = stream.metadata.generation;
    let before = stream.status.as_ref();
    let mut told = vec![accepted(decision)];
    let mut tokens = None;
    match &decision.fleet {
        None => told.extend(nowhere()),
        Some(key) => {
            let same = before.filter(|before| before.fleet.as_deref() == Some(name(key).as_str()));
            let unseen = FleetView::default();
            let fleet = fleet.unwrap_or(&unseen);
            let served = Served {
                decision,
                uid: stream.metadata.uid.as_deref().unwrap_or_default(),
                generation: generation.unwrap_or(0),
                key,
                fleet,
                nodes: Nodes::of(fleet),
                before: same.map(|before| before.conditions.as_slice()).unwrap_or_default(),
            };
            told.push(applied::programmed(&served, target));
            told.push(sink::ready(&served));
            told.push(auth::ready(stream, &served, proof));
            tokens = auth::status(&served, proof, same.and_then(|before| before.auth.as_ref()), now);
            told.extend(sink::durability(&served));
        }
    }
    told.push(ready(stream, &told, endpoints));
    let conditions = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
    DataStreamStatus {
        observed_generation: generation,
        conditions: condition::conditions(told, conditions, generation, now),
        group_id: Some(decision.group_id.clone()),
        stream_id: Some(decision.stream_id.clone()),
        topic: decision.topic.clone(),
        fleet: decision.fleet.as_ref().map(name),
        url: url.filter(|_| decision.fleet.is_some()),
        auth: tokens,
    }
}

/// A fleet as people are told.
pub(super) fn name((namespace, name): &FleetKey) -> String {
    format!("{namespace}/{name}")
}

fn accepted(decision: &Decision) -> Told {
    match (&decision.refusal, &decision.fleet) {
        (Some(refusal), _) => Told::new(Accepted::Refused(refusal.reason), refusal.to_string()),
        (None, Some(key)) => Told::new(Accepted::Accepted, format!("ProxyFleet {} serves it", name(key))),
        (None, None) => Told::new(Accepted::Accepted, "a fleet will serve it"),
    }
}

/// The conditions of a stream that no fleet serves.
fn nowhere() -> [Told; 4] {
    let message = "no fleet serves it; Accepted says why";
    [
        Told::new(Programmed::NotAccepted, message),
        Told::new(SinkReady::NotAccepted, message),
        Told::new(AuthReady::NotAccepted, message),
        Told::new(Durability::NotAccepted, message),
    ]
}

/// All but Durability in one: the first that does not hold, with its reason and words. Who paused a stream wants no
/// reports taken; that they are not is what people look here for. Without its endpoint ConfigMap a stream takes
/// reports all the same, so that is only added.
fn ready(stream: &DataStream, told: &[Told], endpoints: Option<&str>) -> Told {
    let counts = |told: &&Told| told.condition != Durability::CONDITION && told.status != Status::True;
    if let Some(first) = told.iter().find(counts) {
        return Told { condition: Ready::CONDITION, ..first.clone() };
    }
    if stream.spec.paused {
        return Told::new(
            Ready::Paused,
            "spec.paused is true: reports are refused, and what was taken before is delivered; set it to false",
        );
    }
    let taken = "reports are taken";
    match endpoints {
        Some(words) => Told::new(Ready::Ready, format!("{taken}, but nothing tells where: {words}")),
        None => Told::new(Ready::Ready, taken),
    }
}
