//! What a sidecar brings into an application's pod: its container, and the volumes that this mounts. It is made by the same
//! code as a fleet's own pods; where it goes in a pod, and whether it may, is worked out elsewhere.

use k8s_openapi::api::core::v1::{Container, Volume};
use sluice_crds::ProxyFleetSpec;

use super::context::Context;
use super::{container, volumes};
use crate::resolve::ResolvedFleet;

pub use super::container::ADMIN_PORT;

/// What a sidecar brings into a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Sidecar {
    /// Its container.
    pub container: Container,
    /// What that mounts.
    pub volumes: Vec<Volume>,
    /// Secrets to pull its image with.
    pub pull_secrets: Vec<String>,
}

/// The sidecar of a fleet, which is of mode Sidecar. Equal fleets give equal ones.
#[must_use]
pub fn sidecar(fleet: &ResolvedFleet, context: &Context) -> Sidecar {
    let (volumes, mounts) = volumes::sidecar_volumes(fleet, context);
    let container = container::sidecar(fleet, mounts, context);
    Sidecar { container, volumes, pull_secrets: context.pull_secrets.clone() }
}

/// The image that a fleet's sidecars get now.
#[must_use]
pub fn sidecar_image<'a>(fleet: &'a ProxyFleetSpec, context: &'a Context) -> &'a str {
    container::image(fleet.image.as_ref(), context)
}
