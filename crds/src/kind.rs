//! The kinds of resource there are.
//! It names them; what they hold is in the modules named after them.

use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{DataStream, ProxyFleet};

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`ProxyFleet`].
    ProxyFleet,
    /// [`DataStream`].
    DataStream,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::ProxyFleet, Self::DataStream];

    /// Its name as `kind` of a resource.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProxyFleet => "ProxyFleet",
            Self::DataStream => "DataStream",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The definition derived from the type, still without the rules.
    pub(crate) fn derived(self) -> CustomResourceDefinition {
        match self {
            Self::ProxyFleet => ProxyFleet::crd(),
            Self::DataStream => DataStream::crd(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
