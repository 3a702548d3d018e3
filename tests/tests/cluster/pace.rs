//! The kubelet looks at ConfigMaps about once a minute, and at once where a pod is touched: for tests that are about
//! something else than that minute.

use std::sync::atomic::{AtomicU32, Ordering};

use sluice_tests::cluster::operators::PODS;
use sluice_tests::cluster::product::{KUBELET, SYSTEM};
use sluice_tests::cluster::{Cluster, Namespace, eventually};

/// An annotation that no pod has yet.
fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test.local/look={}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Has the kubelet look at what is mounted into the pods of a namespace now.
pub(crate) fn hurry(fleets: &Namespace<'_>) {
    // A pod that goes meanwhile is no trouble.
    let _ = fleets.try_kubectl(&["annotate", "pods", "--all", "--overwrite", &mark()]);
}

/// Has the kubelet look at what is mounted into the operators' pods now.
pub(crate) fn hurry_operators(cluster: &Cluster) {
    // A pod that goes meanwhile is no trouble.
    let _ = cluster.try_kubectl(&["-n", SYSTEM, "annotate", "pods", "-l", PODS, "--overwrite", &mark()]);
}

/// Waits until a condition has a status and a reason, and gives its message; the kubelet is hurried on with the
/// pods of `fleets`.
pub(crate) fn soon_has(
    (space, object): (&Namespace<'_>, &str),
    (kind, status, reason): (&str, &str, &str),
    fleets: &Namespace<'_>,
) -> String {
    eventually(&format!("{object} to have {kind}={status}, {reason}"), KUBELET, || {
        let seen = space.condition(object, kind);
        if seen.0 == status && seen.1 == reason {
            return Ok(seen.2);
        }
        hurry(fleets);
        Err(format!("{seen:?}"))
    })
}

/// Waits until a stream is ready.
pub(crate) fn soon_ready(space: &Namespace<'_>, stream: &str, fleets: &Namespace<'_>) {
    soon_has((space, &format!("dstream/{stream}")), ("Ready", "True", "Ready"), fleets);
}
