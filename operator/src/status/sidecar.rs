//! What a fleet of sidecars is told: of its pods, which are the applications' own, it can only tell.

use sluice_crds::fleet::Sidecars;

use super::condition::Told;
use super::reason::{Available, Degraded, Progressing};
use crate::marks::INJECT;
use crate::observe::{FleetView, SidecarsView};

/// How many pods without a sidecar are named.
const NAMED: usize = 5;

/// Until then pods that ask for a sidecar wait for it to have something to run from.
const UNPUBLISHED: &str = "its configuration is not published yet";

pub(super) fn available(view: &FleetView, sidecars: &SidecarsView) -> Told {
    let Sidecars { running, waiting, missing, .. } = sidecars.counts;
    let pods = running + waiting + missing;
    if view.revision.is_none() {
        return Told::new(Available::NoNodesReady, UNPUBLISHED);
    }
    if pods == 0 {
        let message =
            format!("no pod has a sidecar now; the label {INJECT} with the fleet's name asks for one");
        return Told::new(Available::NoSidecars, message);
    }
    let (kind, ask) = if pods == 1 { ("pod", "asks") } else { ("pods", "ask") };
    if running == 0 {
        let message =
            format!("of {pods} {kind} that {ask} for a sidecar none has one that runs; see Degraded");
        return Told::new(Available::NoNodesReady, message);
    }
    let have = if running == 1 { "has" } else { "have" };
    let message = format!("of {pods} {kind} that {ask} for a sidecar {running} {have} one that runs");
    Told::new(Available::NodesReady, message)
}

/// Pods are made and replaced by others, so nothing is ever on its way but the configuration.
pub(super) fn progressing(view: &FleetView, sidecars: &SidecarsView) -> Told {
    if view.revision.is_none() {
        return Told::new(Progressing::Starting, UNPUBLISHED);
    }
    match sidecars.counts.outdated {
        0 => Told::new(Progressing::UpToDate, "every sidecar has the image that a new pod gets"),
        outdated => Told::new(
            Progressing::UpToDate,
            format!(
                "{outdated} of {} sidecars have another image than a new pod gets; they get it when their pods are made again",
                sidecars.counts.running + sidecars.counts.waiting
            ),
        ),
    }
}

pub(super) fn missing(view: &FleetView) -> Option<(Degraded, String)> {
    let without = view.sidecars.as_ref().map(|sidecars| sidecars.without.as_slice())?;
    let named = without.get(..NAMED).unwrap_or(without).join(", ");
    let more = match without.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "pods that asked for a sidecar have none: {named}{more}; they were made, or got the label {INJECT}, while nobody could \
         give them one; make them again"
    );
    (!without.is_empty()).then_some((Degraded::SidecarsMissing, message))
}
