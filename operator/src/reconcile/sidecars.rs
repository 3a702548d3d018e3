//! Pods that ask for a sidecar, by the fleets that give them one.

use std::collections::BTreeMap;

use sluice_crds::fleet::Sidecars;
use sluice_crds::pods::Mode;

use crate::build::objects::{self, Context};
use crate::observe::{NodeView, SidecarView, SidecarsView};
use crate::resolve::FleetKey;
use crate::watch::cluster::Store;

/// Whether the fleet is there and gives sidecars.
pub(super) fn gives(store: &Store, fleet: &FleetKey) -> bool {
    store.fleets.get(fleet).is_some_and(|fleet| fleet.spec.mode == Mode::Sidecar)
}

/// Pods that have a sidecar, each with its fleet.
pub(super) fn nodes(store: &Store) -> impl Iterator<Item = (&FleetKey, &NodeView)> {
    let has_one = |(fleet, view): &&(FleetKey, SidecarView)| view.image.is_some() && gives(store, fleet);
    store.sidecars.values().filter(has_one).map(|(fleet, view)| (fleet, &view.node))
}

/// How the pods do that ask for a sidecar, by fleet. Those that are being deleted don't count.
pub(super) fn by_fleet<'a>(store: &'a Store, context: &Context) -> BTreeMap<&'a FleetKey, SidecarsView> {
    let fleets = store.fleets.iter().filter(|(_, fleet)| fleet.spec.mode == Mode::Sidecar);
    let mut all: BTreeMap<&FleetKey, (&str, SidecarsView)> = fleets
        .map(|(key, fleet)| (key, (objects::sidecar_image(&fleet.spec, context), SidecarsView::default())))
        .collect();
    for (key, view) in store.sidecars.values().filter(|(_, view)| !view.node.terminating) {
        if let Some((image, seen)) = all.get_mut(key) {
            count(seen, view, image);
        }
    }
    all.into_iter().map(|(key, (_, seen))| (key, seen)).collect()
}

fn count(seen: &mut SidecarsView, view: &SidecarView, image: &str) {
    let Sidecars { running, waiting, missing, outdated } = &mut seen.counts;
    match &view.image {
        None => {
            *missing += 1;
            seen.without.push(view.node.pod.clone());
        }
        Some(own) => {
            *(if view.node.ready { running } else { waiting }) += 1;
            *outdated += i32::from(own != image);
        }
    }
}
