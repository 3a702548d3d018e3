//! Merges a fleet's pod template over the operator's, lists by the keys the API merges them by.
//! Where a value is one of several kinds, such as a probe, the two kinds would stand side by side: ours goes.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Probe};

/// `ours` with all that `theirs` says.
pub(super) fn merge(mut ours: PodTemplateSpec, theirs: PodTemplateSpec) -> PodTemplateSpec {
    let named = theirs.spec.iter().flat_map(|spec| &spec.containers);
    for theirs in named {
        let spec = ours.spec.iter_mut().flat_map(|spec| &mut spec.containers);
        for ours in spec.filter(|ours| ours.name == theirs.name) {
            give_way(ours, theirs);
        }
    }
    ours.merge_from(theirs);
    ours
}

fn give_way(ours: &mut Container, theirs: &Container) {
    let variables = theirs.env.as_deref().unwrap_or_default();
    if let Some(env) = &mut ours.env {
        env.retain(|ours| !variables.iter().any(|theirs| theirs.name == ours.name));
    }
    for (ours, theirs) in [
        (&mut ours.startup_probe, &theirs.startup_probe),
        (&mut ours.liveness_probe, &theirs.liveness_probe),
        (&mut ours.readiness_probe, &theirs.readiness_probe),
    ] {
        if let Some(ours) = ours
            && theirs.as_ref().is_some_and(says_how)
        {
            ours.http_get = None;
        }
    }
}

fn says_how(probe: &Probe) -> bool {
    probe.http_get.is_some() || probe.exec.is_some() || probe.tcp_socket.is_some() || probe.grpc.is_some()
}
