//! The kinds of Kubernetes object that the operator makes, and where the API serves them.

use kube::api::{ApiResource, GroupVersionKind};
use sluice_crds::{GROUP, VERSION};

/// A kind of object that the operator makes.
// In the order in which they are applied.
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    ProxyFleet,
    ServiceAccount,
    ConfigMap,
    Service,
    PodDisruptionBudget,
    NetworkPolicy,
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::ProxyFleet,
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::NetworkPolicy,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
    ];

    /// Every kind that fleets and streams own.
    pub fn children() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| *kind != Self::ProxyFleet)
    }

    /// Whether it runs pods.
    #[must_use]
    pub const fn is_workload(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet)
    }

    /// Its name as `kind` of an object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProxyFleet => "ProxyFleet",
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// API group, version and the name in a URL.
    #[must_use]
    pub const fn api(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ProxyFleet => (GROUP, VERSION, "proxyfleets"),
            Self::ServiceAccount => ("", "v1", "serviceaccounts"),
            Self::ConfigMap => ("", "v1", "configmaps"),
            Self::Service => ("", "v1", "services"),
            Self::PodDisruptionBudget => ("policy", "v1", "poddisruptionbudgets"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "networkpolicies"),
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::StatefulSet => ("apps", "v1", "statefulsets"),
            Self::DaemonSet => ("apps", "v1", "daemonsets"),
        }
    }

    /// Its `apiVersion`.
    #[must_use]
    pub fn api_version(self) -> String {
        self.resource().api_version
    }

    /// Where the API serves it.
    #[must_use]
    pub fn resource(self) -> ApiResource {
        let (group, version, plural) = self.api();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.name()), plural)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_its_kind_as_the_api_server_does() {
        assert_eq!(ObjectKind::ConfigMap.api_version(), "v1");
        assert_eq!(ObjectKind::DaemonSet.api_version(), "apps/v1");
        assert_eq!(ObjectKind::ProxyFleet.api_version(), "sluice.dev/v1alpha1");
        for kind in ObjectKind::ALL {
            assert_eq!(ObjectKind::from_name(kind.name()), Some(kind));
        }
    }
}
