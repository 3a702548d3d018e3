//! Streams for which a fleet's configuration has no room, which shows only when it is written.
//! It takes them out again and tells them; which ones they are, the publisher says.

use std::collections::BTreeSet;

use sluice_crds::fleet::Refused;

use super::fleet::{self, Turned};
use super::{Decision, FleetKey, Refusal, Resolution, ResolvedFleet, ResolvedStream};
use crate::{ObjectRef, Reason};

impl Resolution {
    /// Takes `streams` out of `fleet`, which has no room for them. One that was moving there stays where it is,
    /// and one that was moving away is sent to where it goes.
    pub fn turn_away(&mut self, fleet: &FleetKey, streams: &BTreeSet<ObjectRef>) {
        let is_one = |stream: &ResolvedStream| streams.contains(&stream.reference());
        let Some(full) = self.fleets.iter_mut().find(|resolved| resolved.is(fleet)) else { return };
        full.streams.retain(|stream| !is_one(stream));
        let message = format!(
            "the configuration of ProxyFleet {}/{} has no room for another stream; attach to another fleet",
            fleet.0, fleet.1
        );
        let refusal = Refusal { field: "spec.fleet", reason: Reason::FleetFull, message };
        let mut turned: Turned = std::mem::take(&mut full.refused).into_iter().filter_map(known).collect();
        let decisions = self.streams.iter_mut().filter(|decision| streams.contains(&decision.stream));
        for decision in decisions {
            if decision.leave(fleet, &self.fleets) {
                *turned.entry((decision.stream.namespace.clone(), refusal.reason.name())).or_default() += 1;
                decision.refusal = Some(refusal.clone());
            }
        }
        if let Some(full) = self.fleets.iter_mut().find(|resolved| resolved.is(fleet)) {
            full.refused = fleet::refused(turned);
        }
    }
}

impl Decision {
    /// Whether it is refused by this.
    fn leave(&mut self, full: &FleetKey, fleets: &[ResolvedFleet]) -> bool {
        if self.moving_to.as_ref() == Some(full) {
            self.moving_to = None;
            return true;
        }
        if self.fleet.as_ref() != Some(full) {
            return false;
        }
        self.fleet = self.moving_to.take();
        let next = fleets.iter().find(|resolved| self.fleet.as_ref().is_some_and(|key| resolved.is(key)));
        let streams = next.map(|next| next.streams.as_slice()).unwrap_or_default();
        let stream = streams.iter().find(|stream| stream.reference() == self.stream);
        self.topic = stream.map(|stream| stream.topic.clone());
        self.sink = stream.map(|stream| stream.sink.clone());
        self.fleet.is_none()
    }
}

fn known(refused: Refused) -> Option<((String, &'static str), i32)> {
    let reason = Reason::REFUSALS.into_iter().find(|reason| reason.name() == refused.reason)?;
    Some(((refused.namespace, reason.name()), refused.count))
}
