//! Whether a fleet's nodes run a stream as it is written now.
//! It asks nothing of Kafka.

use super::condition::{self, Told};
use super::nodes::{self, Nodes};
use super::reason::{Programmed, Reason};
use super::stream::{Served, name};
use crate::observe::FleetView;
use crate::resolve::FleetKey;

/// Why nodes of a fleet don't run a stream, in words; or that they do.
enum Runs {
    All,
    Not(Programmed, String),
}

pub(super) fn programmed(served: &Served<'_>, target: Option<&FleetView>) -> Told {
    if let Runs::Not(reason, message) = runs(served, served.key, served.fleet, &served.nodes) {
        return Told::new(reason, message);
    }
    let Some(moving_to) = &served.decision.moving_to else {
        return Told::new(
            Programmed::Programmed,
            format!("every ready node of ProxyFleet {} runs it", served.fleet_name()),
        );
    };
    let unseen = FleetView::default();
    let target = target.unwrap_or(&unseen);
    let there = match runs(served, moving_to, target, &Nodes::of(target)) {
        Runs::All => (Programmed::Pending, format!("ProxyFleet {} runs it", name(moving_to))),
        Runs::Not(reason, message) => (reason, message),
    };
    let message = format!(
        "{}; it moves there, with all streams of groupId {}, and is served by ProxyFleet {} until then",
        there.1,
        served.decision.group_id,
        served.fleet_name()
    );
    Told::new(there.0, message)
}

fn runs(served: &Served<'_>, key: &FleetKey, fleet: &FleetView, nodes: &Nodes<'_>) -> Runs {
    let name = name(key);
    if nodes.count == 0 {
        let message = format!("no node of ProxyFleet {name} is ready; its conditions say why");
        return Runs::Not(Programmed::NoNodes, message);
    }
    let (with, without): (Vec<_>, Vec<_>) = nodes
        .stream(served.decision, served.uid)
        .into_iter()
        .partition(|(_, stream)| stream.is_some_and(|stream| stream.generation >= served.generation));
    if without.is_empty() && (!nodes.is_partial() || held(served, key)) {
        return Runs::All;
    }
    if fleet.paused {
        let message = format!(
            "ProxyFleet {name} is paused and takes nothing new; take its annotation sluice.dev/paused off"
        );
        return Runs::Not(Programmed::FleetPaused, message);
    }
    let errors: Vec<&str> = without.iter().filter_map(|(node, _)| node.config_error.as_deref()).collect();
    if let Some(error) = errors.iter().min() {
        let share = nodes::share(errors.len(), nodes.count);
        let message = format!("the configuration of ProxyFleet {name} is refused on {share}: {error}");
        return Runs::Not(Programmed::ConfigRefused, message);
    }
    let message = format!("it runs on {} of ProxyFleet {name} as yet", nodes::share(with.len(), nodes.count));
    Runs::Not(Programmed::Pending, message)
}

/// Whether this generation ran everywhere before. A node that was not asked yet takes nothing back.
fn held(served: &Served<'_>, key: &FleetKey) -> bool {
    let before = condition::find(served.before, Programmed::CONDITION);
    key == served.key
        && before.is_some_and(|before| {
            before.status == "True" && before.observed_generation == Some(served.generation)
        })
}
