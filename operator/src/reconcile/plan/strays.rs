//! Pods that asked for a sidecar of a fleet that gives none, and went without: each is told so once, as an Event of its
//! own. Of a fleet that gives sidecars its conditions tell it.

use super::{Plan, Round};
use crate::apply::Write;
use crate::marks::INJECT;
use crate::reconcile::{Memory, sidecars};
use crate::resolve::FleetKey;
use crate::status::Event;

/// The Event's reason.
const REASON: &str = "NoSidecar";

pub(super) fn plan(round: &Round<'_>, memory: &Memory, plan: &mut Plan) {
    for (name, (fleet, view)) in &round.store.sidecars {
        let node = &view.node;
        let is_stray = view.image.is_none() && !node.terminating && !sidecars::gives(round.store, fleet);
        if is_stray && !memory.told.contains(&node.uid) {
            let event = Event { warns: true, reason: REASON.to_owned(), note: words(round, fleet) };
            plan.writes.push(Write::PodEvent { name: name.clone(), uid: node.uid.clone(), event });
        }
    }
}

fn words(round: &Round<'_>, key: &FleetKey) -> String {
    let (namespace, name) = key;
    let why = match round.fleet(key) {
        Some(fleet) => format!("is of mode {:?}", fleet.spec.mode),
        None => "is not there".to_owned(),
    };
    format!(
        "it has no sidecar: ProxyFleet {namespace}/{name}, which the label {INJECT} names, {why}; let it name one of mode \
         Sidecar, and make the pod again"
    )
}
