//! The fleet that serves streams which name none: made at first need, as the chart's settings say.

use std::sync::Arc;

use serde_json::Value;
use sluice_crds::ProxyFleet;

use super::{Plan, Round, Subject};
use crate::apply::{About, Write, compare};
use crate::build::objects::{self, Context, DefaultFleet, Owner};
use crate::marks::HASH;
use crate::reconcile::Memory;
use crate::resolve::FleetKey;
use crate::watch::cluster::{Settings, Store, version};

/// Key of the settings' ConfigMap.
const KEY: &str = "fleet.yaml";

/// What the settings say.
pub(super) struct Wanted {
    fleet: Result<Value, String>,
    /// What the API server said against it last; of no account once it is there.
    refused: Option<String>,
}

impl Wanted {
    pub(super) fn of(store: &Store, memory: &Memory, context: &Context) -> Self {
        let fleet = match &store.settings {
            None => Err(format!(
                "no fleet is named and the default fleet's settings, ConfigMap {}, are missing; install the chart again or name a fleet",
                context.settings.1
            )),
            Some(settings) => made(settings, context),
        };
        let subject = Subject::Fleet(context.default_fleet.clone());
        let about = About::DefaultFleet(context.default_fleet.clone());
        let refused = memory.faults.get(&subject).and_then(|faults| faults.get(&about)).map(|fault| {
            format!(
                "the default fleet can't be made: {}; mend the chart's value defaultFleet or name a fleet",
                fault.message
            )
        });
        Self { fleet, refused }
    }

    /// What keeps the default fleet from being made; `None`: nothing.
    pub(super) fn missing(&self) -> Option<&str> {
        self.fleet.as_ref().err().or(self.refused.as_ref()).map(String::as_str)
    }
}

fn made(settings: &Settings, context: &Context) -> Result<Value, String> {
    let text = settings.data.get(KEY).map(String::as_str).unwrap_or_default();
    let parsed = DefaultFleet::parse(text).map_err(|error| {
        format!("the chart's value defaultFleet can't be used: {error}; mend it or name a fleet")
    })?;
    let owner = Owner::config_map(&settings.name.1, &settings.uid);
    parsed.map(|fleet| objects::default_fleet(&fleet, &context.default_fleet, &owner)).ok_or_else(|| {
        "no fleet is named and there is no default one: the chart's value defaultFleet.kafka.bootstrapServers is empty; set it or name a fleet".to_owned()
    })
}

pub(super) fn plan(round: &Round<'_>, memory: &Memory, wanted: &Wanted, plan: &mut Plan) {
    let (Ok(fleet), Some(settings)) = (&wanted.fleet, &round.store.settings) else { return };
    let key = &round.context.default_fleet;
    let fleet = compare::hashed(fleet.clone());
    let there = round.store.fleets.get(key);
    let write = match there {
        None => round.resolution.default_fleet_wanted,
        Some(there) => {
            let owners = there.metadata.owner_references.as_deref().unwrap_or_default();
            // One that a person made is that person's.
            let ours = owners.iter().any(|owner| owner.uid == settings.uid);
            ours && super::stays(round.store, &there.metadata)
                && !is_as(there, &fleet)
                && memory.kept_default != Some(kept(there, &fleet))
        }
    };
    if write {
        plan.writes.push(Write::DefaultFleet { key: key.clone(), wanted: fleet, new: there.is_none() });
    }
}

fn is_as(there: &ProxyFleet, wanted: &Value) -> bool {
    let hash = there.metadata.annotations.as_ref().and_then(|all| all.get(HASH));
    let live = serde_json::to_value(there).unwrap_or_default();
    hash.is_some_and(|hash| hash == compare::digest_of(wanted)) && compare::contains_slim(&live, wanted)
}

/// What was wanted, and the generation that came of it.
fn kept(there: &ProxyFleet, wanted: &Value) -> (String, i64) {
    (compare::digest_of(wanted).to_owned(), there.metadata.generation.unwrap_or(0))
}

/// The same of the default fleet.
pub(super) fn note_kept(store: &Store, memory: &mut Memory, key: &FleetKey, wanted: &Value, answered: u64) {
    let is_answer = |there: &&Arc<ProxyFleet>| {
        version(there.metadata.resource_version.as_deref()) == answered && !is_as(there, wanted)
    };
    let there = store.fleets.get(key).filter(is_answer);
    if there.is_some() {
        tracing::warn!("the API server keeps the default fleet otherwise than it was wanted");
    }
    memory.kept_default = there.map(|there| kept(there, wanted));
}
