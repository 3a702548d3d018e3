//! What is mounted into a fleet's pods: the parts of its configuration, and the Secrets its sinks name.
//! All of it is optional, so that a pod starts without it and what appears later is used without a restart.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, KeyToPath, ProjectedVolumeSource, SecretVolumeSource, Volume, VolumeMount,
    VolumeProjection,
};
use sluice_wire::parts;

use super::names;
use crate::resolve::ResolvedFleet;

/// Where the parts of the configuration are.
pub(super) const CONFIG_DIRECTORY: &str = "/etc/sluice/config";

/// Where the Secrets are, one directory each.
pub(super) const SECRETS_DIRECTORY: &str = "/etc/sluice/secrets";

/// The volume with the configuration.
const CONFIG: &str = "sluice-config";

/// Readable by whichever user the pod runs as, so that no `fsGroup` is needed; nobody else is in the pod.
const READABLE: i32 = 0o444;

/// The volumes of a fleet's pods and where the proxy's container mounts them.
pub(super) fn volumes(fleet: &ResolvedFleet) -> (Vec<Volume>, Vec<VolumeMount>) {
    let config = (config(&fleet.name), mount(CONFIG.to_owned(), CONFIG_DIRECTORY.to_owned()));
    let secrets = secrets(fleet)
        .into_iter()
        .map(|name| (secret(name), mount(names::secret_volume(name), format!("{SECRETS_DIRECTORY}/{name}"))));
    std::iter::once(config).chain(secrets).unzip()
}

/// What the name of every volume of the operator's own begins with, and no other's may.
pub(super) const RESERVED: &str = "sluice-";

fn config(fleet: &str) -> Volume {
    let source = |index| VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: names::config(fleet, index),
            optional: Some(true),
            items: Some(vec![KeyToPath {
                key: parts::KEY.to_owned(),
                path: parts::file_name(index),
                mode: None,
            }]),
        }),
        ..VolumeProjection::default()
    };
    Volume {
        name: CONFIG.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(READABLE),
            sources: Some((0..parts::MAX_PARTS).map(source).collect()),
        }),
        ..Volume::default()
    }
}

fn secret(name: &str) -> Volume {
    Volume {
        name: names::secret_volume(name),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            optional: Some(true),
            default_mode: Some(READABLE),
            items: None,
        }),
        ..Volume::default()
    }
}

fn mount(name: String, path: String) -> VolumeMount {
    VolumeMount { name, mount_path: path, read_only: Some(true), ..VolumeMount::default() }
}

/// The Secrets that the fleet's sinks name, each once and in order, so that a sink's place changes nothing.
fn secrets(fleet: &ResolvedFleet) -> BTreeSet<&str> {
    let kafkas = fleet.spec.sinks.iter().filter_map(|sink| sink.kafka.as_ref());
    kafkas
        .flat_map(|kafka| {
            let tls = kafka.tls.iter().flat_map(|tls| [tls.ca_secret.as_deref(), tls.cert_secret.as_deref()]);
            let sasl = kafka.sasl.iter().map(|sasl| Some(sasl.secret.as_str()));
            tls.chain(sasl).flatten()
        })
        .collect()
}
