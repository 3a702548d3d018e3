//! Who owns an object: when the owner is deleted, Kubernetes deletes the object too.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sluice_crds::{GROUP, Kind, VERSION};

use crate::kind::ObjectKind;

/// What owns an object: with it the object goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    api_version: String,
    kind: &'static str,
    name: String,
    uid: String,
    /// Whether it stays until the object is gone, when it is deleted in the foreground.
    waits: bool,
}

impl Owner {
    /// A fleet.
    #[must_use]
    pub fn fleet(name: &str, uid: &str) -> Self {
        Self::of(Kind::ProxyFleet, name, uid)
    }

    /// A stream.
    #[must_use]
    pub fn stream(name: &str, uid: &str) -> Self {
        Self::of(Kind::DataStream, name, uid)
    }

    /// A ConfigMap. It does not wait: to make it wait the operator would need a right over all ConfigMaps'
    /// finalizers.
    #[must_use]
    pub fn config_map(name: &str, uid: &str) -> Self {
        let (api_version, kind) = (ObjectKind::ConfigMap.api_version(), ObjectKind::ConfigMap.name());
        Self { api_version, kind, name: name.to_owned(), uid: uid.to_owned(), waits: false }
    }

    fn of(kind: Kind, name: &str, uid: &str) -> Self {
        let api_version = format!("{GROUP}/{VERSION}");
        Self { api_version, kind: kind.name(), name: name.to_owned(), uid: uid.to_owned(), waits: true }
    }

    /// The reference by which it is one of several owners: the object goes with the last of them.
    #[must_use]
    pub fn shared(&self) -> OwnerReference {
        OwnerReference { controller: None, block_owner_deletion: None, ..self.reference() }
    }

    /// The reference by which it is the one controller of an object.
    #[must_use]
    pub fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.clone(),
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: self.waits.then_some(true),
        }
    }
}
