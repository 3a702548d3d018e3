//! How a new operator's proxy image comes to fleets: two at a time, and no further once one is in trouble.
//! A fleet that waits keeps its workload as it is, but for the number of its proxies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use sluice_wire::status::{NodeStatus, NotReady, SinkStatus};

use super::Round;
use crate::apply::Write;
use crate::marks::DEFAULT_IMAGE;
use crate::observe::{FaultKind, FleetView, NodeView};
use crate::reconcile::views::workload;
use crate::reconcile::{Kept, Memory};
use crate::resolve::{FleetKey, ResolvedFleet};
use crate::watch::cluster::{ChildKey, Store};

/// Fleets that take a new image at the same time.
const AT_ONCE: usize = 2;

/// How a fleet stands to the operator's own image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has another image, and would be restarted with the new one.
    Behind,
    /// It has the image, and its pods are as they should be.
    Settled,
    /// It has the image, and its pods are being replaced or have not told yet how they are.
    Rolling,
    /// It has the image or should have it, and is in trouble.
    Broken,
}

/// Which fleets wait for others to run the new image, and what they are told. Those that are paused neither wait nor
/// are waited for. `writable` are those whose workload can be written at all.
pub(super) fn held(round: &Round<'_>, writable: &BTreeSet<FleetKey>) -> BTreeMap<FleetKey, String> {
    let fleets = round.resolution.fleets.iter();
    let standings: Vec<(FleetKey, Standing)> = fleets
        .filter_map(|fleet| Some((fleet.key(), standing(round, fleet)?)))
        .filter(|(key, standing)| *standing != Standing::Behind || writable.contains(key))
        .collect();
    let told = words(&standings, &round.context.image);
    waiting(&standings).into_iter().map(|key| (key.clone(), told.clone())).collect()
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

/// Which one they wait for, while one is in trouble. While all is well nobody is named: the words would change with
/// each step.
fn words(standings: &[(FleetKey, Standing)], image: &str) -> String {
    match standings.iter().find(|(_, standing)| *standing == Standing::Broken) {
        Some(((namespace, name), _)) => {
            format!("waits with the proxy image {image} until ProxyFleet {namespace}/{name} is well with it")
        }
        None => format!("waits with the proxy image {image}, which comes to {AT_ONCE} fleets at a time"),
    }
}

/// `None`: the image is not the operator's to choose, or nothing runs that it would restart.
fn standing(round: &Round<'_>, fleet: &ResolvedFleet) -> Option<Standing> {
    let view = round.views.get(&fleet.key()).filter(|view| !view.paused)?;
    if fleet.spec.image.is_some() {
        return None;
    }
    let child = round.store.children.get(&workload(&fleet.key(), fleet.spec.mode)?)?;
    let image = child.annotation(DEFAULT_IMAGE)?;
    Some(if image != round.context.image {
        let refused = view.faults.iter().any(|fault| fault.kind == FaultKind::ApplyRefused);
        if refused { Standing::Broken } else { Standing::Behind }
    } else if is_troubled(view) {
        Standing::Broken
    } else if is_rolling(view) {
        Standing::Rolling
    } else {
        Standing::Settled
    })
}

fn is_troubled(view: &FleetView) -> bool {
    view.unmade.is_some()
        || view.nodes.iter().filter(|node| !node.terminating).any(|node| {
            let says = |status: &Arc<NodeStatus>| {
                let bad = |sink: &SinkStatus| !sink.ready && sink.reason != Some(NotReady::Checking);
                status.config_error.is_some() || status.sinks.iter().any(bad)
            };
            (!node.ready && node.trouble.is_some()) || node.status.as_ref().is_some_and(says)
        })
}

fn is_rolling(view: &FleetView) -> bool {
    let tells = |node: &NodeView| {
        let is_checked = |sink: &SinkStatus| sink.reason != Some(NotReady::Checking);
        node.status.as_ref().is_some_and(|status| status.sinks.iter().all(is_checked))
    };
    view.workload.is_some_and(|workload| !workload.is_settled())
        || !view.nodes.iter().filter(|node| node.ready).all(tells)
}

/// How many pods a workload is to have.
pub(super) fn replicas(workload: &Value) -> Option<i64> {
    workload.pointer("/spec/replicas")?.as_i64()
}

/// The number of proxies, if a workload that is left as it is has another than `wanted`.
pub(super) fn scale(store: &Store, memory: &Memory, key: &ChildKey, wanted: &Value) -> Option<Write> {
    let live = store.children.get(key).filter(|live| !live.deleting)?;
    let wanted = replicas(wanted)?;
    let kept = || Kept::of(live, wanted.to_string());
    let known = || memory.kept.get(key).is_some_and(|known| *known == kept());
    let differs = replicas(&live.value) != Some(wanted) && !known();
    differs.then(|| Write::Scale { key: key.clone(), uid: live.uid.clone(), replicas: wanted })
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
            "waits with the proxy image proxy:2 until ProxyFleet data/b is well with it"
        );
        assert_eq!(
            words(&fleets(&[("a", Rolling), ("b", Behind)]), "proxy:2"),
            "waits with the proxy image proxy:2, which comes to 2 fleets at a time"
        );
    }
}
