//! What a `ProxyFleet` is told: its counts and conditions.
//! It looks at one fleet; what becomes of single streams stands with them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sluice_crds::pods::Mode;
use sluice_crds::{ProxyFleet, ProxyFleetStatus};
use sluice_wire::status::NotReady;

use super::condition::{self, Told};
use super::nodes::{self, Nodes, share};
use super::reason::{Available, Degraded, Progressing, Reason};
use super::sidecar;
use crate::observe::{FaultKind, FleetView, SidecarsView, Silent, WorkloadView};
use crate::resolve::ResolvedFleet;

/// The status of `fleet` by what it serves and what is seen of it. `selector` is that of its pods. A status that
/// says what it said before is equal to it.
#[must_use]
pub fn fleet(
    fleet: &ProxyFleet,
    resolved: &ResolvedFleet,
    view: &FleetView,
    selector: String,
    now: &Time,
) -> ProxyFleetStatus {
    let generation = fleet.metadata.generation;
    let before = fleet.status.as_ref();
    let conditions = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
    let nodes = Nodes::of(view);
    let again = condition::find(conditions, Degraded::CONDITION);
    let degraded = degraded(view, &nodes);
    let degraded = match again {
        // A node that was not asked yet, or a write that was not tried yet, may bring what one brought before.
        Some(again)
            if degraded.status != super::Status::True
                && ((nodes.is_partial() && is_from_nodes(&again.reason))
                    || (!view.listened && again.reason == Degraded::NodesSilent.name())
                    || (view.unwritten && is_from_writes(&again.reason))) =>
        {
            Told::again::<Degraded>(again)
        }
        _ => degraded,
    };
    let told = vec![available(fleet, view, &nodes), progressing(fleet, view), degraded];
    let (replicas, ready) = numbers(view);
    let revision = view.revision.and_then(|revision| i64::try_from(revision).ok());
    ProxyFleetStatus {
        observed_generation: generation,
        conditions: condition::conditions(told, conditions, generation, now),
        replicas: Some(replicas),
        ready_replicas: Some(ready),
        sidecars: view.sidecars.as_ref().map(|sidecars| sidecars.counts),
        selector: Some(selector),
        streams: Some(i32::try_from(resolved.streams.len()).unwrap_or(i32::MAX)),
        refused: resolved.refused.clone(),
        // The next revision counts from this one too, so it never goes back.
        revision: revision.max(before.and_then(|before| before.revision)),
    }
}

/// How many proxies there are, and how many of them take reports.
fn numbers(view: &FleetView) -> (i32, i32) {
    match &view.sidecars {
        Some(SidecarsView { counts, .. }) => (counts.running + counts.waiting, counts.running),
        None => view.workload.map(|workload| (workload.replicas, workload.ready)).unwrap_or_default(),
    }
}

fn desired(fleet: &ProxyFleet, view: &FleetView) -> i32 {
    view.workload.map_or(fleet.spec.replicas, |workload| workload.desired)
}

fn available(fleet: &ProxyFleet, view: &FleetView, nodes: &Nodes<'_>) -> Told {
    if let Some(sidecars) = &view.sidecars {
        return sidecar::available(view, sidecars);
    }
    let desired = desired(fleet, view);
    let is_daemon = fleet.spec.mode == Mode::DaemonSet;
    match (nodes.count, desired) {
        (0, 0) if !is_daemon => {
            Told::new(Available::ScaledToZero, "spec.replicas is 0, so nothing takes reports; raise it")
        }
        (0, 0) if view.workload.is_some() => Told::new(
            Available::NoNodesReady,
            "no machine may run a proxy; see nodeSelector, affinity and tolerations in spec.podTemplate",
        ),
        (0, 0) => Told::new(Available::NoNodesReady, "no proxy is there yet"),
        (0, desired) => Told::new(
            Available::NoNodesReady,
            format!("none of {desired} proxies is ready; Degraded says what keeps them, if something does"),
        ),
        (ready, _) => {
            let ready = i32::try_from(ready).unwrap_or(i32::MAX);
            Told::new(Available::NodesReady, format!("{} ready", proxies(ready, desired, ["is", "are"])))
        }
    }
}

fn progressing(fleet: &ProxyFleet, view: &FleetView) -> Told {
    if view.paused {
        return Told::new(
            Progressing::Paused,
            "its objects and configuration stay as they are; take the annotation sluice.dev/paused off to go on",
        );
    }
    if let Some(words) = &view.held {
        return Told::new(Progressing::Waiting, words.as_str());
    }
    if let Some(sidecars) = &view.sidecars {
        return sidecar::progressing(view, sidecars);
    }
    let Some(workload) = view.workload else {
        return Told::new(Progressing::Starting, format!("the {:?} is not there yet", fleet.spec.mode));
    };
    let WorkloadView { observed, desired, replicas, updated, ready } = workload;
    if !observed {
        return Told::new(Progressing::RollingOut, "the newest pod template was not seen yet");
    }
    if updated < desired || replicas > desired {
        let have = proxies(updated.min(desired), desired, ["has", "have"]);
        let message = format!("{have} the newest pod template");
        return Told::new(Progressing::RollingOut, message);
    }
    if ready < desired {
        let are = proxies(ready, desired, ["is", "are"]);
        return Told::new(Progressing::Starting, format!("{are} ready"));
    }
    Told::new(Progressing::UpToDate, "every proxy has the newest pod template and is ready")
}

fn degraded(view: &FleetView, nodes: &Nodes<'_>) -> Told {
    let mut troubles: Vec<(Degraded, String)> =
        view.faults.iter().map(|fault| (fault_reason(fault.kind), fault.message.clone())).collect();
    troubles.extend(
        view.unmade.as_ref().map(|why| (Degraded::PodsFailing, format!("no pod can be made: {why}"))),
    );
    troubles.extend(failing_pods(view));
    troubles.extend(sidecar::missing(view));
    troubles.extend(refused_configuration(view));
    troubles.extend(bad_sinks(nodes));
    troubles.extend(bad_https(nodes));
    troubles.extend(silent_nodes(view));
    troubles.sort();
    let words: Vec<&str> = troubles.iter().map(|(_, message)| message.as_str()).collect();
    match troubles.first() {
        Some((reason, _)) => Told::new(*reason, words.join(". ")),
        None => Told::new(Degraded::AsExpected, "nothing needs a person"),
    }
}

const fn fault_reason(kind: FaultKind) -> Degraded {
    match kind {
        FaultKind::InvalidPodTemplate => Degraded::InvalidPodTemplate,
        FaultKind::NameTaken => Degraded::NameTaken,
        FaultKind::ApplyRefused => Degraded::ApplyRefused,
    }
}

fn failing_pods(view: &FleetView) -> Option<(Degraded, String)> {
    let pods = view.nodes.iter().filter(|node| !node.terminating);
    let troubles: Vec<&str> = pods.clone().filter_map(|node| node.trouble.as_deref()).collect();
    let first = troubles.iter().min()?;
    let all = pods.count();
    let kind = if all == 1 { "pod" } else { "pods" };
    Some((Degraded::PodsFailing, format!("{} of {all} {kind}: {first}", troubles.len())))
}

/// Of all nodes: one that never had a configuration it can use is not ready, and says why all the same.
fn refused_configuration(view: &FleetView) -> Option<(Degraded, String)> {
    let nodes = view.nodes.iter().filter(|node| !node.terminating);
    let told = nodes.clone().filter_map(|node| node.status.as_ref());
    let errors: Vec<&str> = told.filter_map(|status| status.config_error.as_deref()).collect();
    let first = errors.iter().min()?;
    let message = format!("on {} the configuration is refused: {first}", share(errors.len(), nodes.count()));
    Some((Degraded::ConfigRefused, message))
}

fn bad_sinks(nodes: &Nodes<'_>) -> Vec<(Degraded, String)> {
    let one = |(sink, reason, message, count)| {
        let reason = match reason {
            NotReady::SecretUnusable => Degraded::SecretUnusable,
            _ => Degraded::SinkUnreachable,
        };
        (reason, format!("sink {sink} on {}: {message}", share(count, nodes.count)))
    };
    nodes::sinks(nodes).into_iter().map(one).collect()
}

/// Plain HTTP goes on, and so do nodes that had a certificate: all the same a person has to mend the Secret.
fn bad_https(nodes: &Nodes<'_>) -> Option<(Degraded, String)> {
    let (_, message, count) = nodes::https(nodes)?;
    Some((Degraded::SecretUnusable, format!("https on {}: {message}", share(count, nodes.count))))
}

fn silent_nodes(view: &FleetView) -> Option<(Degraded, String)> {
    let Silent { silent, ready } = view.silent?;
    let message = format!(
        "{} are ready, and the operator neither hears them nor do they answer it on port 9102; too many at once to be \
         dead, so all stay listed; see what keeps operator and proxies apart, such as a NetworkPolicy",
        share(silent, ready)
    );
    Some((Degraded::NodesSilent, message))
}

fn is_from_nodes(reason: &str) -> bool {
    [Degraded::ConfigRefused, Degraded::SecretUnusable, Degraded::SinkUnreachable]
        .iter()
        .any(|known| known.name() == reason)
}

fn is_from_writes(reason: &str) -> bool {
    [Degraded::NameTaken, Degraded::ApplyRefused].iter().any(|known| known.name() == reason)
}

/// `1 of 2 proxies is`, with the verb for one and for several.
fn proxies(count: i32, desired: i32, [one, several]: [&str; 2]) -> String {
    let kind = if desired == 1 { "proxy" } else { "proxies" };
    let verb = if count == 1 || desired == 1 { one } else { several };
    format!("{count} of {desired} {kind} {verb}")
}
