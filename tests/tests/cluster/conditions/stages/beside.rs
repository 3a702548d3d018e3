//! What a fleet of sidecars tells of pods that are not its own.

use super::super::Step::{Apply, Kubectl};
use super::{FLEET, Stage, told};

const POD: &str = "apiVersion: v1, kind: Pod";

pub(in crate::conditions) const BESIDE: Stage = (
    "beside",
    &[
        Apply(&[(FLEET, "beside", "mode: Sidecar, sinks: [KAFKA]")]),
        told("pf/beside", "Available", "True", "NoSidecars", "the label sluice.dev/inject"),
        Apply(&[(
            POD,
            "plain",
            "automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, \
             containers: [{name: app, image: \"test.local/producer:1\", args: [tail, g, s, --follow, --dir, /nowhere], \
             securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]",
        )]),
        // Only a pod that is being made can be given one.
        Kubectl(&["label", "pod/plain", "sluice.dev/inject=beside"]),
        told("pf/beside", "Degraded", "True", "SidecarsMissing", "have none: plain;"),
    ],
);
