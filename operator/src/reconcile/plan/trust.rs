//! The trust bundle of every namespace that has a fleet, and whether all of them have it as it is to be.
//! A paused fleet's namespace has it too: without it proxies would not know the operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Plan, Round, missing};
use crate::apply::compare::{self, Stand};
use crate::build::objects::{self, Owner};
use crate::reconcile::Memory;
use crate::watch::cluster::ChildKey;

/// Plans the writes.
pub(super) fn plan(round: &Round<'_>, memory: &Memory, plan: &mut Plan) {
    let Some(authorities) = &round.context.trust else { return };
    let mut owners: BTreeMap<&str, Vec<Owner>> = BTreeMap::new();
    for fleet in &round.resolution.fleets {
        owners.entry(&fleet.namespace).or_default().push(Owner::fleet(&fleet.name, &fleet.uid));
    }
    let mut everywhere = true;
    for (namespace, owners) in owners {
        let object = objects::trust(namespace, &owners, authorities);
        let Some(key) = ChildKey::of(&object) else { continue };
        let wanted = compare::hashed(object.clone());
        let live = round.store.children.get(&key);
        everywhere &= live.is_some_and(|live| compare::stand(live, &wanted) == Stand::Same);
        plan.writes.extend(missing(round.store, memory, key, object));
    }
    plan.trusted = everywhere.then(|| Arc::clone(authorities));
}
