//! What is told of streams and fleets: written where it is not what was told last.

use sluice_crds::Kind;
use sluice_crds::pods::Mode;

use super::{Census, Plan, Round, Subject, scaling};
use crate::apply::Write;
use crate::build::objects;
use crate::marks::INJECT;
use crate::reconcile::Memory;
use crate::status::{self, Seen};

pub(super) fn plan(round: &Round<'_>, memory: &Memory, plan: &mut Plan) {
    for decision in &round.resolution.streams {
        let Some(stream) = round.stream(decision) else { continue };
        let view = |key: &Option<_>| key.as_ref().and_then(|key| round.views.get(key));
        let url = decision.fleet.as_ref().and_then(|key| round.fleet(key)).map(objects::url);
        let (serving, target) = (view(&decision.fleet), view(&decision.moving_to));
        let name = decision.stream.key();
        let fault = memory.faults_of(&Subject::Stream(name.clone())).next();
        let endpoints = fault.map(|fault| fault.message.as_str());
        let proof = round.proofs.of.get(&decision.stream);
        let seen = Seen { fleet: serving, target, url, endpoints, proof };
        let told = status::stream(stream, decision, seen, &round.time);
        count(&mut plan.census, "DataStream", &told.conditions);
        let before = stream.status.clone().unwrap_or_default();
        if before != told {
            let uid = stream.metadata.uid.clone().unwrap_or_default();
            let events = status::events(Kind::DataStream, &before.conditions, &told.conditions);
            plan.writes.push(Write::StreamStatus { name, uid, status: Box::new(told), events });
        }
    }
    for resolved in &round.resolution.fleets {
        let key = resolved.key();
        let (Some(fleet), Some(view)) = (round.fleet(&key), round.views.get(&key)) else { continue };
        let selector = match fleet.spec.mode {
            Mode::Sidecar => format!("{INJECT}={}", key.1),
            _ => objects::labels::selector_text(&key.1),
        };
        let told = status::fleet(fleet, resolved, view, selector, &round.time);
        count(&mut plan.census, "ProxyFleet", &told.conditions);
        let before = fleet.status.clone().unwrap_or_default();
        let untold = scaling::untold(memory, &key);
        if before != told || !untold.is_empty() {
            let uid = fleet.metadata.uid.clone().unwrap_or_default();
            let mut events = status::events(Kind::ProxyFleet, &before.conditions, &told.conditions);
            events.extend_from_slice(untold);
            plan.writes.push(Write::FleetStatus { name: key, uid, status: Box::new(told), events });
        }
    }
}

fn count(
    census: &mut Census,
    kind: &'static str,
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
) {
    for condition in conditions {
        *census.entry((kind, condition.type_.clone(), condition.status.clone())).or_default() += 1;
    }
}
