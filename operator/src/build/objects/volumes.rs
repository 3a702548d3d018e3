//! What is mounted into a fleet's pods: the parts of its configuration, the Secrets its sinks and listeners name, and what they and
//! the operator know each other by. What others make is optional, so that a pod starts without it and what appears later
//! is used without a restart.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sluice_wire::parts;

use super::context::Context;
use super::names;
use crate::resolve::ResolvedFleet;
use crate::tokens::AUDIENCE;

/// Where the parts of the configuration are.
pub(super) const CONFIG_DIRECTORY: &str = "/etc/sluice/config";

/// Where the Secrets are, one directory each.
pub(super) const SECRETS_DIRECTORY: &str = "/etc/sluice/secrets";

/// Where the token for the operator is.
pub(super) const TOKEN_DIRECTORY: &str = "/var/run/secrets/sluice.dev/operator";

/// Its file.
pub(super) const TOKEN_FILE: &str = "token";

/// Where the authorities are that the operator is known by.
pub(super) const TRUST_DIRECTORY: &str = "/etc/sluice/trust";

/// Their file, and the key in their ConfigMap.
pub(super) const TRUST_FILE: &str = "ca.crt";

/// Where a proxy keeps what it has to find again when its container starts anew.
pub(super) const STATE_DIRECTORY: &str = "/var/lib/sluice";

/// The most that a sidecar's state takes: the longest configuration twice, while one replaces the other, and to spare. A
/// pod that has more is evicted.
const STATE_LIMIT: &str = "160Mi";

/// How long a token holds, in seconds. The kubelet puts another one there in time.
const TOKEN_SECONDS: i64 = 3_600;

/// The volume with the token.
const TOKEN: &str = "sluice-token";

/// The volume with the authorities.
const TRUST: &str = "sluice-trust";

/// The volume with the proxy's state.
const STATE: &str = "sluice-state";

/// The volume with the configuration.
const CONFIG: &str = "sluice-config";

/// Readable by whichever user the pod runs as, so that no `fsGroup` is needed; in a pod that has other
/// containers, these mount none of it.
const READABLE: i32 = 0o444;

/// Where Kubernetes mounts the token of the pod's service account into every container that mounts nothing there.
const ACCOUNT_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The volumes of a sidecar and where it mounts them. Its state is bounded: it is on the disk of a pod that is not the
/// operator's. What the pod's service account may do is the application's: something else is mounted over its token.
pub(super) fn sidecar_volumes(fleet: &ResolvedFleet, context: &Context) -> (Vec<Volume>, Vec<VolumeMount>) {
    let (mut volumes, mut mounts) = volumes(fleet, context);
    mounts.push(mount(CONFIG.to_owned(), ACCOUNT_DIRECTORY.to_owned()));
    for state in volumes.iter_mut().filter_map(|volume| volume.empty_dir.as_mut()) {
        state.size_limit = Some(Quantity(STATE_LIMIT.to_owned()));
    }
    (volumes, mounts)
}

/// The volumes of a fleet's pods and where the proxy's container mounts them.
pub(super) fn volumes(fleet: &ResolvedFleet, context: &Context) -> (Vec<Volume>, Vec<VolumeMount>) {
    let config = (config(&fleet.name), mount(CONFIG.to_owned(), CONFIG_DIRECTORY.to_owned()));
    let secrets = secrets(fleet)
        .into_iter()
        .map(|name| (secret(name), mount(names::secret_volume(name), format!("{SECRETS_DIRECTORY}/{name}"))));
    let operator = context.operator_url.iter().flat_map(|_| operator());
    std::iter::once(config).chain(secrets).chain(operator).unzip()
}

/// What it takes to be known to the operator, to know it, and to remember what it said.
fn operator() -> [(Volume, VolumeMount); 3] {
    let state = VolumeMount { read_only: None, ..mount(STATE.to_owned(), STATE_DIRECTORY.to_owned()) };
    [
        (token(), mount(TOKEN.to_owned(), TOKEN_DIRECTORY.to_owned())),
        (trust(), mount(TRUST.to_owned(), TRUST_DIRECTORY.to_owned())),
        (
            Volume {
                name: STATE.to_owned(),
                empty_dir: Some(EmptyDirVolumeSource::default()),
                ..Volume::default()
            },
            state,
        ),
    ]
}

/// It is of use at the operator alone: the API server does not take a token for this audience.
fn token() -> Volume {
    let source = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(AUDIENCE.to_owned()),
            expiration_seconds: Some(TOKEN_SECONDS),
            path: TOKEN_FILE.to_owned(),
        }),
        ..VolumeProjection::default()
    };
    Volume {
        name: TOKEN.to_owned(),
        projected: Some(ProjectedVolumeSource { default_mode: Some(READABLE), sources: Some(vec![source]) }),
        ..Volume::default()
    }
}

fn trust() -> Volume {
    Volume {
        name: TRUST.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::TRUST.to_owned(),
            optional: Some(true),
            default_mode: Some(READABLE),
            items: Some(vec![KeyToPath {
                key: TRUST_FILE.to_owned(),
                path: TRUST_FILE.to_owned(),
                mode: None,
            }]),
        }),
        ..Volume::default()
    }
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

/// The Secrets that the fleet's sinks and listeners name, each once and in order, so that a sink's place changes nothing.
fn secrets(fleet: &ResolvedFleet) -> BTreeSet<&str> {
    let kafkas = fleet.spec.sinks.iter().filter_map(|sink| sink.kafka.as_ref());
    let https = fleet.spec.listeners.https.iter();
    kafkas
        .flat_map(|kafka| {
            let tls = kafka.tls.iter().flat_map(|tls| [tls.ca_secret.as_deref(), tls.cert_secret.as_deref()]);
            let sasl = kafka.sasl.iter().map(|sasl| Some(sasl.secret.as_str()));
            tls.chain(sasl).flatten()
        })
        .chain(https.flat_map(|https| {
            let client_ca = https.client_ca.as_ref().map(|ca| ca.secret.as_str());
            std::iter::once(https.secret.as_str()).chain(client_ca)
        }))
        .collect()
}
