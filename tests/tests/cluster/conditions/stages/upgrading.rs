//! A new operator whose proxy image is no good: it comes to two fleets, and the rest wait.

use super::super::Step::{Apply, Helm, Kubectl};
use super::{FLEET, Stage, told};

const SPEC: &str = "replicas: 1, sinks: [KAFKA], resources: SMALL";

/// Gives every fleet that names no image a bad one, which every other test would feel.
pub(in crate::conditions) const UPGRADING: Stage = (
    "upgrading",
    &[
        Apply(&[(FLEET, "a", SPEC), (FLEET, "b", SPEC)]),
        told("pf/a", "Progressing", "False", "UpToDate", ""),
        told("pf/b", "Progressing", "False", "UpToDate", ""),
        // The youngest, so that it comes last.
        Apply(&[(FLEET, "c", SPEC)]),
        told("pf/c", "Progressing", "False", "UpToDate", ""),
        Helm(&["--set", "proxy.image=sluice-missing"]),
        told("pf/c", "Progressing", "True", "Waiting", "sluice-missing"),
        told("pf/a", "Degraded", "True", "PodsFailing", ""),
        Kubectl(&["scale", "pf/c", "--replicas=2"]),
        told("pf/c", "Available", "True", "NodesReady", "2 of 2 proxies are ready"),
        told("pf/c", "Progressing", "True", "Waiting", "is well with it"),
        Helm(&[]),
        told("pf/a", "Progressing", "False", "UpToDate", ""),
        told("pf/b", "Progressing", "False", "UpToDate", ""),
        told("pf/c", "Progressing", "False", "UpToDate", ""),
    ],
);
