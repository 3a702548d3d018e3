//! How a new operator's proxy image comes to fleets: two at a time, and no further once one is in trouble.

use std::collections::BTreeSet;

use super::Round;
use crate::build::objects;
use crate::marks::DEFAULT_IMAGE;
use crate::observe::FleetView;
use crate::resolve::ResolvedFleet;
use crate::watch::cluster::ChildKey;

/// Fleets that take a new image at the same time.
const AT_ONCE: usize = 2;
/// Which workloads may not be given the new image yet.
pub(super) struct Gate {
    held: BTreeSet<ChildKey>,
}

impl Gate {
    /// Looks at the workloads that there are.
    pub(super) fn of(round: &Round<'_>) -> Self {
        let new = round.context.image.as_str();
        let mut behind = Vec::new();
        let mut moving = 0;
        let mut broken = false;
        for fleet in &round.resolution.fleets {
            let Some(view) = round.views.get(&fleet.key()) else { continue };
            let Some((key, image)) = image_of(round, fleet) else { continue };
            if image.is_some_and(|image| image != new) {
                behind.push(key);
            } else if is_troubled(view) {
                broken = true;
            } else if is_rolling(view) {
                moving += 1;
            }
        }
        let room = if broken { 0 } else { AT_ONCE.saturating_sub(moving) };
        Self { held: behind.into_iter().skip(room).collect() }
    }

    /// Whether a workload is to stay as it is for now.
    pub(super) fn holds_back(&self, key: &ChildKey) -> bool {
        self.held.contains(key)
    }
}

/// Which object runs the pods of a fleet.
pub(super) fn workload(fleet: &ResolvedFleet) -> ChildKey {
    let kind = objects::workload_kind(fleet.spec.mode);
    ChildKey { kind, namespace: fleet.namespace.clone(), name: objects::names::fleet(&fleet.name) }
}

fn image_of(round: &Round<'_>, fleet: &ResolvedFleet) -> Option<(ChildKey, Option<String>)> {
    let key = workload(fleet);
    let child = round.store.children.get(&key)?;
    let image = child.annotation(DEFAULT_IMAGE).map(str::to_owned);
    Some((key, image))
}

fn is_troubled(view: &FleetView) -> bool {
    view.nodes.iter().any(|node| !node.ready && node.trouble.is_some())
}

fn is_rolling(view: &FleetView) -> bool {
    view.workload.is_some_and(|workload| {
        !workload.observed || workload.updated < workload.desired || workload.ready < workload.desired
    })
}
