//! Writes to the API server: what is wanted against what is there, and the requests that make it so.
//! It decides nothing about fleets and streams; it only brings wanted objects about.

pub mod compare;
mod contain;
mod send;

use serde_json::Value;
use sluice_crds::{DataStreamStatus, ProxyFleetStatus};

use crate::kind::ObjectKind;
use crate::publish::cluster::Publication;
use crate::resolve::FleetKey;
use crate::status::Event;
use crate::watch::cluster::{ChildKey, Name};

pub use contain::{contains, hash};
pub use send::{Outcome, SendError, Sender};

/// Something to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Make an object, or change it, as wanted.
    Apply {
        /// Which object.
        key: ChildKey,
        /// All that is wanted of it.
        wanted: Value,
        /// Whether none is known: one of the same name may be somebody else's.
        new: bool,
    },
    /// Change nothing of a workload but how many pods it is to have, if it is still the one that was seen.
    Scale {
        /// Which object.
        key: ChildKey,
        /// Its uid.
        uid: String,
        /// How many pods.
        replicas: i64,
    },
    /// Remove an object that is wanted no more, if it is still the one that was seen.
    Delete {
        /// Which object.
        key: ChildKey,
        /// Its uid.
        uid: String,
    },
    /// Make or change the default fleet.
    DefaultFleet {
        /// Its namespace and name.
        key: FleetKey,
        /// All that is wanted of it.
        wanted: Value,
        /// Whether none is known: one of the same name may be a person's.
        new: bool,
    },
    /// Put a fleet's configuration where its proxies find it.
    Publish(Publication),
    /// Tell what became of a stream.
    StreamStatus {
        /// Its namespace and name.
        name: Name,
        /// Its uid.
        uid: String,
        /// What to tell.
        status: Box<DataStreamStatus>,
        /// Changes to tell as Events too.
        events: Vec<Event>,
    },
    /// Tell what became of a fleet.
    FleetStatus {
        /// Its namespace and name.
        name: Name,
        /// Its uid.
        uid: String,
        /// What to tell.
        status: Box<ProxyFleetStatus>,
        /// Changes to tell as Events too.
        events: Vec<Event>,
    },
    /// Tell something of a pod that is not the operator's, as an Event alone.
    PodEvent {
        /// Its namespace and name.
        name: Name,
        /// Its uid.
        uid: String,
        /// What to tell.
        event: Event,
    },
}

/// What a write is about. There is at most one on its way for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// An object of the operator's.
    Child(ChildKey),
    /// The default fleet.
    DefaultFleet(FleetKey),
    /// A fleet's configuration.
    Configuration(FleetKey),
    /// A stream's status.
    Stream(Name),
    /// A fleet's status.
    Fleet(Name),
    /// A pod that is not the operator's.
    Pod(Name),
}

impl Write {
    /// Whether it only tells.
    #[must_use]
    pub const fn is_status(&self) -> bool {
        matches!(self, Self::StreamStatus { .. } | Self::FleetStatus { .. } | Self::PodEvent { .. })
    }

    /// Whether it is of those of which there may be many for one cause, and which are let through only so many in a
    /// second: statuses and endpoint ConfigMaps.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.is_status() || matches!(self, Self::Apply { key, .. } if key.kind == ObjectKind::ConfigMap)
    }

    /// What it is about.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Apply { key, .. } | Self::Scale { key, .. } | Self::Delete { key, .. } => {
                About::Child(key.clone())
            }
            Self::DefaultFleet { key, .. } => About::DefaultFleet(key.clone()),
            Self::Publish(publication) => About::Configuration(publication.fleet.clone()),
            Self::StreamStatus { name, .. } => About::Stream(name.clone()),
            Self::FleetStatus { name, .. } => About::Fleet(name.clone()),
            Self::PodEvent { name, .. } => About::Pod(name.clone()),
        }
    }
}
