//! How many proxies fleets that autoscale are to have: what is seen of them goes to their scalers, and what these say
//! to their workloads. What scalers remember may be lost: the workload's own number stands in the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_crds::Autoscaling;
use sluice_crds::pods::Mode;

use super::{Plan, Round};
use crate::apply::Write;
use crate::observe::FleetView;
use crate::reconcile::{Memory, Scale};
use crate::resolve::{FleetKey, ResolvedFleet};
use crate::scale::{Decision, Kind, News, Scaler, Seen};
use crate::status::Event;

/// A fleet that autoscales is looked at this often even if nothing changes.
const LOOK: Duration = Duration::from_secs(5);
/// So many Events of a fleet wait to be told; older ones go.
const UNTOLD: usize = 8;

/// How many proxies fleets are to have that autoscale.
pub(super) type Sizes = BTreeMap<FleetKey, i32>;

pub(super) fn plan(round: &Round<'_>, memory: &mut Memory, plan: &mut Plan) -> Sizes {
    let mut sizes = Sizes::new();
    for resolved in &round.resolution.fleets {
        let key = resolved.key();
        let view = round.views.get(&key).filter(|view| !view.paused);
        let (Some(spec), Some(view)) = (autoscaling(resolved), view) else {
            // Nothing is decided of it, so nothing that was seen is of use.
            memory.scales.remove(&key);
            continue;
        };
        let size = size(round, memory, resolved, (spec, view), plan);
        sizes.insert(key, size);
        let look = round.now + LOOK;
        plan.again = Some(plan.again.map_or(look, |again| again.min(look)));
    }
    sizes
}

/// A DaemonSet has a proxy on each node, and sidecars are as many as pods that ask for one, whatever else is written.
fn autoscaling(fleet: &ResolvedFleet) -> Option<Autoscaling> {
    fleet.spec.autoscaling.filter(|_| matches!(fleet.spec.mode, Mode::Deployment | Mode::StatefulSet))
}

/// How many proxies a fleet is to have.
fn size(
    round: &Round<'_>,
    memory: &mut Memory,
    fleet: &ResolvedFleet,
    (spec, view): (Autoscaling, &FleetView),
    plan: &mut Plan,
) -> i32 {
    let Some(workload) = view.workload else {
        memory.scales.remove(&fleet.key());
        return spec.bounded(fleet.spec.replicas);
    };
    let ready = view.nodes.iter().filter(|node| node.ready);
    let loads: Vec<Option<u8>> = ready.map(|node| memory.load(&node.uid, round.now)).collect();
    let seen = Seen { replicas: workload.desired, loads: &loads };
    let new = || Scale { scaler: Scaler::new(seen.replicas, spec, round.now), untold: Vec::new() };
    let scale = memory.scales.entry(fleet.key()).or_insert_with(new);
    let Decision { replicas, news } = scale.scaler.decide(seen, spec, round.now);
    for news in news {
        tracing::info!(fleet = ?fleet.key(), kind = news.kind.name(), note = news.note, "scaling");
        plan.scaled.push(news.kind);
        scale.untold.push(event(news));
    }
    let old = scale.untold.len().saturating_sub(UNTOLD);
    scale.untold.drain(..old);
    replicas
}

fn event(News { kind, note }: News) -> Event {
    Event { warns: kind == Kind::LoadUnknown, reason: kind.name().to_owned(), note }
}

/// What is to be told of a fleet's scaling.
pub(super) fn untold<'a>(memory: &'a Memory, fleet: &FleetKey) -> &'a [Event] {
    memory.scales.get(fleet).map(|scale| scale.untold.as_slice()).unwrap_or_default()
}

/// Notes what a write has told.
pub(in crate::reconcile) fn note_told(memory: &mut Memory, write: &Write) {
    if let Write::PodEvent { uid, .. } = write {
        memory.told.insert(uid.clone());
    }
    if let Write::FleetStatus { name, events, .. } = write
        && let Some(scale) = memory.scales.get_mut(name)
    {
        scale.untold.retain(|event| !events.contains(event));
    }
}
