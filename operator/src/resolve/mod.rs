//! Checks resources against each other and works out what is in effect: which fleet serves which stream,
//! under which ids, into which topic. It is pure; one stream's trouble never touches another.

mod fleet;
mod stream;

use std::collections::BTreeMap;

use sluice_crds::record::{Compression, Key, Output, Split};
use sluice_crds::stream::CreateTopic;
use sluice_crds::{DataStream, ProxyFleet, ProxyFleetSpec};

use crate::Problem;

/// Namespace of the fleet that serves streams which name none.
pub const DEFAULT_FLEET_NAMESPACE: &str = "default";

/// Name of the fleet that serves streams which name none.
pub const DEFAULT_FLEET: &str = "default";

/// A fleet by namespace and name.
pub type FleetKey = (String, String);

/// A resource and where it was written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a, T> {
    /// The file, as people are told; empty where there are no files.
    pub file: &'a str,
    /// The resource.
    pub resource: &'a T,
}

/// A fleet and the streams it serves.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedFleet {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty where there is no API server.
    pub uid: String,
    /// What it is declared as.
    pub spec: ProxyFleetSpec,
    /// The streams it serves, by groupId and streamId unique and in the order of these.
    pub streams: Vec<ResolvedStream>,
}

impl ResolvedFleet {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> FleetKey {
        (self.namespace.clone(), self.name.clone())
    }
}

/// A stream with everything that is in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedStream {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its generation; 0 where there is no API server.
    pub generation: i64,
    /// What producers send as `groupId`.
    pub group_id: String,
    /// What producers send as `streamId`.
    pub stream_id: String,
    /// The fleet's sink it uses.
    pub sink: String,
    /// Where its records go.
    pub topic: String,
    /// How its topic is created when it is missing; absent: not at all.
    pub create: Option<CreateTopic>,
    /// The form of a stored record.
    pub output: Output,
    /// Whether the records in InLong's envelope are compressed.
    pub compression: Compression,
    /// Whether a report of the InLong path is split into records.
    pub split: Split,
    /// Where a record's key comes from; absent: records have none.
    pub key: Option<Key>,
    /// Producers' headers that are passed on.
    pub headers: Vec<String>,
    /// The code of an answer that means stored: 0 or 1.
    pub success_code: u8,
    /// The longest body taken, in bytes.
    pub max_body_bytes: u64,
    /// Records a node takes in a second; absent: any number.
    pub records_per_second: Option<u64>,
    /// Bytes of records a node takes in a second; absent: any number.
    pub bytes_per_second: Option<u64>,
    /// Whether reports are refused.
    pub paused: bool,
}

/// Which fleets are in effect, with which streams, and what is not and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolution {
    /// In the order given.
    pub fleets: Vec<ResolvedFleet>,
    /// In the order given, fleets first.
    pub problems: Vec<Problem>,
}

/// Resolves everything together. Where two contend, the one given first keeps what it has; a cluster gives
/// the older first, a directory the first in file order. `one_host` says that all fleets share its ports.
#[must_use]
pub fn resolve(
    fleets: &[Written<'_, ProxyFleet>],
    streams: &[Written<'_, DataStream>],
    one_host: bool,
) -> Resolution {
    let ports = fleet::ports_taken(fleets, one_host);
    let mut problems: Vec<Problem> = ports.iter().flatten().cloned().collect();
    let mut assigned = stream::assign(fleets, streams, &mut problems);
    let fleets = fleets
        .iter()
        .zip(ports)
        .filter(|(_, port_problem)| port_problem.is_none())
        .map(|(fleet, _)| {
            let key = fleet::key(fleet.resource);
            let streams = assigned.remove(&key).unwrap_or_default();
            fleet::resolved(fleet.resource, key, streams)
        })
        .collect();
    Resolution { fleets, problems }
}

/// The streams of each fleet.
type Assigned = BTreeMap<FleetKey, Vec<ResolvedStream>>;

#[cfg(test)]
mod tests;
