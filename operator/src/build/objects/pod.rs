//! The pod template of a fleet, before the fleet's own `podTemplate` is merged over it.
//! It holds only what can't be reloaded; each change of it restarts the fleet's pods, one after the other.

use k8s_openapi::api::core::v1::{
    LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile,
    TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sluice_crds::pods::Mode;

use super::container::proxy;
use super::context::Context;
use super::volumes::volumes;
use super::{PROXY_CONTAINER, labels, names};
use crate::resolve::ResolvedFleet;

/// The user and group that proxies run as; the image has it too.
pub(super) const USER: i64 = 65_532;

/// What a proxy takes to leave beside its notice and its longest delivery, in milliseconds: 5 s while others
/// learn that it is not ready, 1 s for requests on the way, 8 s for sinks to end, 2 s for the last answers, and
/// 4 s to spare.
const LEAVING_MS: u64 = 20_000;

/// The grace period is a multiple of this, in seconds, so that most changes of a notice or a delivery timeout,
/// which proxies reload, leave the pod template as it is.
const GRACE_STEP: u64 = 60;

/// The operator's own pod template of `fleet`.
pub(super) fn template(fleet: &ResolvedFleet, context: &Context) -> PodTemplateSpec {
    let annotation = ("kubectl.kubernetes.io/default-container".to_owned(), PROXY_CONTAINER.to_owned());
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::fleet(&fleet.name)),
            annotations: Some([annotation].into()),
            ..ObjectMeta::default()
        }),
        spec: Some(spec(fleet, context)),
    }
}

fn spec(fleet: &ResolvedFleet, context: &Context) -> PodSpec {
    let (volumes, mounts) = volumes(fleet, context);
    let pull_secrets: Vec<LocalObjectReference> =
        context.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
    let spread = spread(fleet);
    PodSpec {
        service_account_name: Some(names::fleet(&fleet.name)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(seccomp()),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(grace_seconds(fleet)),
        image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
        topology_spread_constraints: (!spread.is_empty()).then_some(spread),
        containers: vec![proxy(fleet, mounts, context)],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

pub(super) fn seccomp() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }
}

/// How long a pod may take to leave.
fn grace_seconds(fleet: &ResolvedFleet) -> i64 {
    let kafkas = fleet.spec.sinks.iter().filter_map(|sink| sink.kafka.as_ref());
    let delivery = kafkas.map(|kafka| kafka.delivery_timeout.millis()).max().unwrap_or(0);
    let wanted = fleet.spec.drain.notify.millis().saturating_add(delivery).saturating_add(LEAVING_MS);
    let seconds = wanted.div_ceil(1_000).next_multiple_of(GRACE_STEP);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Over zones and nodes as evenly as goes, and never so that a pod waits for it. A DaemonSet has one a node.
fn spread(fleet: &ResolvedFleet) -> Vec<TopologySpreadConstraint> {
    let over = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(labels::selector(&fleet.name)),
        // Pods that a rollout replaces don't count, or the new ones would come to stand unevenly.
        match_label_keys: (fleet.spec.mode == Mode::Deployment).then(|| vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    match fleet.spec.mode {
        Mode::DaemonSet => Vec::new(),
        _ => vec![over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")],
    }
}
