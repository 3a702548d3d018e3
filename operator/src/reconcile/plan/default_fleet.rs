//! The fleet that serves streams which name none: made at first need, as the chart's settings say.

use serde_json::Value;

use super::{Plan, Round};
use crate::apply::{Write, compare};
use crate::build::objects::{self, Context, DefaultFleet, Owner};
use crate::marks::HASH;
use crate::watch::cluster::{Settings, Store};

/// Key of the settings' ConfigMap.
const KEY: &str = "fleet.yaml";

/// What the settings say.
pub(super) struct Wanted {
    fleet: Result<Value, String>,
}

impl Wanted {
    pub(super) fn of(store: &Store, context: &Context) -> Self {
        let fleet = match &store.settings {
            None => Err(format!(
                "no fleet is named and the default fleet's settings, ConfigMap {}, are missing; install the chart again or name a fleet",
                context.settings.1
            )),
            Some(settings) => made(settings, context),
        };
        Self { fleet }
    }

    /// What has to be set before the default fleet can be made; `None`: nothing.
    pub(super) fn missing(&self) -> Option<&str> {
        self.fleet.as_ref().err().map(String::as_str)
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

pub(super) fn plan(round: &Round<'_>, wanted: &Wanted, plan: &mut Plan) {
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
            ours && super::stays(round.store, &there.metadata) && !is_as(there, &fleet)
        }
    };
    if write {
        plan.writes.push(Write::DefaultFleet { key: key.clone(), wanted: fleet });
    }
}

fn is_as(there: &sluice_crds::ProxyFleet, wanted: &Value) -> bool {
    let hash = there.metadata.annotations.as_ref().and_then(|all| all.get(HASH));
    let live = serde_json::to_value(there).unwrap_or_default();
    hash.is_some_and(|hash| hash == compare::digest_of(wanted)) && compare::contains_slim(&live, wanted)
}
