//! What is watched in a cluster, and where the API serves it.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::Config;
use sluice_crds::{DataStream, ProxyFleet};

use crate::kind::ObjectKind;
use crate::marks::{INJECT, MANAGED_BY, MANAGER};
use crate::watch::scopes::apis;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// ProxyFleets of every namespace.
    Fleets,
    /// DataStreams of every namespace.
    Streams,
    /// Namespaces, for their labels.
    Namespaces,
    /// Pods that carry the operator's label.
    Pods,
    /// Pods that carry the label of those that ask for a sidecar. No others are ever asked for.
    Sidecars,
    /// Nodes, for their zones and addresses.
    Nodes,
    /// The one ConfigMap with the default fleet's settings.
    Settings,
    /// Objects of one kind that carry the operator's label.
    Children(ObjectKind),
}

impl Source {
    /// Everything that is watched.
    pub fn all() -> impl Iterator<Item = Self> {
        let named = [
            Self::Fleets,
            Self::Streams,
            Self::Namespaces,
            Self::Pods,
            Self::Sidecars,
            Self::Nodes,
            Self::Settings,
        ];
        named.into_iter().chain(ObjectKind::children().map(Self::Children))
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fleets => "ProxyFleet",
            Self::Streams => "DataStream",
            Self::Namespaces => "Namespace",
            Self::Pods => "Pod",
            Self::Sidecars => "Pod with a sidecar",
            Self::Nodes => "Node",
            Self::Settings => "settings",
            Self::Children(kind) => kind.name(),
        }
    }

    fn resource(self) -> ApiResource {
        use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
        match self {
            Self::Fleets => ApiResource::erase::<ProxyFleet>(&()),
            Self::Streams => ApiResource::erase::<DataStream>(&()),
            Self::Namespaces => ApiResource::erase::<Namespace>(&()),
            Self::Pods | Self::Sidecars => ApiResource::erase::<Pod>(&()),
            Self::Nodes => ApiResource::erase::<Node>(&()),
            Self::Settings => ObjectKind::ConfigMap.resource(),
            Self::Children(kind) => kind.resource(),
        }
    }

    /// The APIs to watch it by, and what of it; what has a namespace is watched in `namespaces`, if any is named.
    pub(super) fn watched(
        self,
        client: &Client,
        settings: &(String, String),
        namespaces: &[String],
    ) -> (Vec<Api<DynamicObject>>, Config) {
        let resource = self.resource();
        let all = || Api::all_with(client.clone(), &resource);
        let everywhere =
            || apis(namespaces, all, |name| Api::namespaced_with(client.clone(), name, &resource));
        let ours = || Config::default().labels(&format!("{MANAGED_BY}={MANAGER}"));
        match self {
            Self::Settings => {
                let (namespace, name) = settings;
                let one = Config::default().fields(&format!("metadata.name={name}"));
                (vec![Api::namespaced_with(client.clone(), namespace, &resource)], one)
            }
            Self::Namespaces | Self::Nodes => (vec![all()], Config::default()),
            Self::Sidecars => (everywhere(), Config::default().labels(INJECT)),
            Self::Pods | Self::Children(_) => (everywhere(), ours()),
            Self::Fleets | Self::Streams => (everywhere(), Config::default()),
        }
    }
}
