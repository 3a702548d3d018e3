//! How a new operator's proxy image comes to fleets: two at a time, and no further once one is in trouble.
//! A fleet that waits keeps its workload as it is, but for the number of its proxies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Round;
use crate::apply::Write;
use crate::marks::DEFAULT_IMAGE;
use crate::observe::FleetView;
use crate::reconcile::views::workload;
use crate::resolve::{FleetKey, ResolvedFleet};
use crate::watch::cluster::{ChildKey, Store};

/// Fleets that take a new image at the same time.
const AT_ONCE: usize = 2;
/// Fleets that a message names.
const NAMED: usize = 2;

/// How a fleet stands to the operator's own image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has another image, and would be restarted with the new one.
    Behind,
    /// It has the image, and its pods are as they should be.
    Settled,
    /// It has the image, and its pods are being replaced.
    Rolling,
    /// It has the image, and a pod of it does not come up.
    Broken,
}

/// Which fleets wait for others to run the new image, and what they are told.
pub(super) fn held(round: &Round<'_>, writable: &BTreeSet<FleetKey>) -> BTreeMap<FleetKey, String> {
    let standings: Vec<(FleetKey, Standing)> = round
        .resolution
        .fleets
        .iter()
        .filter_map(|fleet| Some((fleet.key(), standing(round, fleet)?)))
        .filter(|(key, standing)| *standing != Standing::Behind || writable.contains(key))
        .collect();
    let waiting = waiting(&standings);
    let told = words(&standings, &round.context.image);
    waiting.into_iter().map(|key| (key.clone(), told.clone())).collect()
}

/// The fleets that get the new image later.
fn waiting(standings: &[(FleetKey, Standing)]) -> Vec<&FleetKey> {
    let count = |wanted: Standing| standings.iter().filter(|(_, standing)| *standing == wanted).count();
    let room = match count(Standing::Broken) {
        0 => AT_ONCE.saturating_sub(count(Standing::Rolling)),
        _ => 0,
    };
    let behind = standings.iter().filter(|(_, standing)| *standing == Standing::Behind);
    behind.skip(room).map(|(key, _)| key).collect()
}

/// For whom they wait; those in trouble first.
fn words(standings: &[(FleetKey, Standing)], image: &str) -> String {
    let of = |wanted: Standing| standings.iter().filter(move |(_, standing)| *standing == wanted);
    let named = |fleets: Vec<&(FleetKey, Standing)>| {
        let names: Vec<String> =
            fleets.iter().take(NAMED).map(|((namespace, name), _)| format!("{namespace}/{name}")).collect();
        names.join(" and ")
    };
    let broken: Vec<_> = of(Standing::Broken).collect();
    let ahead =
        if broken.is_empty() { of(Standing::Rolling).chain(of(Standing::Behind)).collect() } else { broken };
    let kind = if ahead.len() == 1 { "ProxyFleet" } else { "ProxyFleets" };
    format!("waits with the proxy image {image} until it runs on {kind} {}", named(ahead))
}

/// `None`: the image is not the operator's to choose, or nothing runs that it would restart.
fn standing(round: &Round<'_>, fleet: &ResolvedFleet) -> Option<Standing> {
    if fleet.spec.image.is_some() {
        return None;
    }
    let child = round.store.children.get(&workload(&fleet.key(), fleet.spec.mode))?;
    let image = child.annotation(DEFAULT_IMAGE)?;
    let view = round.views.get(&fleet.key())?;
    Some(if image != round.context.image {
        Standing::Behind
    } else if is_troubled(view) {
        Standing::Broken
    } else if view.workload.is_some_and(|workload| !workload.is_settled()) {
        Standing::Rolling
    } else {
        Standing::Settled
    })
}

fn is_troubled(view: &FleetView) -> bool {
    view.nodes.iter().any(|node| !node.ready && node.trouble.is_some())
}

/// The number of proxies, if a workload that is left as it is has another than `wanted`.
pub(super) fn scale(store: &Store, key: &ChildKey, wanted: &Value) -> Option<Write> {
    const PLACE: &str = "/spec/replicas";
    let live = store.children.get(key).filter(|live| !live.deleting)?;
    let replicas = wanted.pointer(PLACE)?.as_i64()?;
    let differs = live.value.pointer(PLACE).and_then(Value::as_i64) != Some(replicas);
    differs.then(|| Write::Scale { key: key.clone(), uid: live.uid.clone(), replicas })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleets(standings: &[(&str, Standing)]) -> Vec<(FleetKey, Standing)> {
        standings
            .iter()
            .map(|(name, standing)| (("data".to_owned(), (*name).to_owned()), *standing))
            .collect()
    }

    fn waits(standings: &[(&str, Standing)]) -> Vec<String> {
        waiting(&fleets(standings)).into_iter().map(|(_, name)| name.clone()).collect()
    }

    use Standing::{Behind, Broken, Rolling, Settled};

    #[test]
    fn two_fleets_take_a_new_image_at_once() {
        assert_eq!(waits(&[("a", Behind), ("b", Behind), ("c", Behind)]), ["c"]);
        assert_eq!(waits(&[("a", Rolling), ("b", Behind), ("c", Behind)]), ["c"]);
        assert_eq!(waits(&[("a", Rolling), ("b", Rolling), ("c", Behind)]), ["c"]);
        assert_eq!(waits(&[("a", Settled), ("b", Settled), ("c", Behind)]), [""; 0]);
    }

    #[test]
    fn none_takes_it_while_one_that_has_it_is_in_trouble() {
        let standings = [("a", Settled), ("b", Broken), ("c", Behind)];
        assert_eq!(waits(&standings), ["c"]);
        assert_eq!(
            words(&fleets(&standings), "proxy:2"),
            "waits with the proxy image proxy:2 until it runs on ProxyFleet data/b"
        );
    }

    #[test]
    fn who_waits_is_told_for_whom() {
        assert_eq!(
            words(&fleets(&[("a", Behind), ("b", Rolling), ("c", Behind), ("d", Behind)]), "proxy:2"),
            "waits with the proxy image proxy:2 until it runs on ProxyFleets data/b and data/a"
        );
    }
}
