//! Checks resources against each other and works out what is in effect: which fleet serves which stream,
//! under which ids, into which topic. It is pure; one stream's trouble never touches another.

mod fleet;
mod full;
mod glob;
mod group;
mod permit;
mod stream;
mod wish;

use std::collections::BTreeMap;
use std::fmt;

use sluice_crds::access::Sources;
use sluice_crds::fleet::Refused;
use sluice_crds::pods::Mode;
use sluice_crds::record::{Compression, Key, Output, Split};
use sluice_crds::stream::CreateTopic;
use sluice_crds::{DataStream, ProxyFleet, ProxyFleetSpec};
use sluice_wire::auth::{Auth, TokenKeys};

use self::fleet::Turned;
use self::group::Placing;
pub(crate) use self::stream::{Ids, ids};
pub(crate) use self::wish::fleets_of;
use self::wish::{Known, Wish};
use crate::names::name_of;
use crate::{ObjectRef, Problem, Reason};

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

/// Labels of namespaces, by name.
pub type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

/// Where fleets run, and so what binds them.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// One machine of one person: fleets share its ports, `allowedStreams` binds only where it is written, and
    /// a stream moves to another fleet at once. With the namespaces that are known, whoever is in another one is let
    /// in where its labels could allow that, and it is told; without, no namespace has a label but its name.
    Host(Option<&'a Namespaces>),
    /// No place yet: files that are to go to a cluster, and the namespaces that are known of it. Its rules bind, as far as
    /// files can tell: which fleet serves streams that name none is not known, and labels that are not are told.
    Files(&'a Namespaces),
    /// A cluster.
    Cluster(Cluster<'a>),
}

/// What a cluster knows besides fleets and streams.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// Labels of every namespace, by name.
    pub namespaces: &'a Namespaces,
    /// The fleet that serves streams which name none.
    pub default_fleet: &'a FleetKey,
    /// What keeps that fleet from being made, in words that say what to do; `None`: nothing.
    pub no_default_fleet: Option<&'a str>,
    /// Whether every ready node of a fleet runs the stream as it is written now, and one such node is there.
    pub runs: &'a dyn Fn(&ObjectRef, &FleetKey) -> bool,
}

/// Why a stream is not served as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field that says so, such as `spec.sink.topic`.
    pub field: &'static str,
    /// Which reason.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Refusal {
    /// As a condition's message says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What was decided of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which stream.
    pub stream: ObjectRef,
    /// The groupId in effect.
    pub group_id: String,
    /// The streamId in effect.
    pub stream_id: String,
    /// The topic in effect, on the fleet that serves it; absent while none does, and with a file sink.
    pub topic: Option<String>,
    /// The fleet's sink it uses; absent while no fleet serves it.
    pub sink: Option<String>,
    /// The fleet that producers are sent to; absent while none serves it.
    pub fleet: Option<FleetKey>,
    /// The fleet it is moving to: both serve it until every node there does.
    pub moving_to: Option<FleetKey>,
    /// Why it is not served as written. A stream that a fleet serves all the same wanted to move and can't yet.
    pub refusal: Option<Refusal>,
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
    /// What producers' service account tokens are verified with; absent until it is filled in, and where no stream asks
    /// for them.
    pub token_keys: Option<TokenKeys>,
    /// The streams it serves, by groupId and streamId unique and in the order of these.
    pub streams: Vec<ResolvedStream>,
    /// Streams that name it and are not served, by namespace and reason, the first 64.
    pub refused: Vec<Refused>,
}

impl ResolvedFleet {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> FleetKey {
        (self.namespace.clone(), self.name.clone())
    }

    fn is(&self, (namespace, name): &FleetKey) -> bool {
        self.namespace == *namespace && self.name == *name
    }
}

/// A stream with everything that is in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedStream {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty where there is no API server.
    pub uid: String,
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
    /// Who may report.
    pub sources: Sources,
    /// What producers have to show; tokens are not among it before they were read.
    pub auth: Auth,
    /// The Secret with their tokens, in the stream's namespace.
    pub tokens_secret: Option<String>,
    /// Whether reports are refused.
    pub paused: bool,
}

impl ResolvedStream {
    /// Which resource it is.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            kind: sluice_crds::Kind::DataStream,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// Which fleets are in effect, with which streams, and what is not and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolution {
    /// In the order given.
    pub fleets: Vec<ResolvedFleet>,
    /// What was decided of each stream, in the order given.
    pub streams: Vec<Decision>,
    /// The same as people are told: fleets first, else in the order given.
    pub problems: Vec<Problem>,
    /// Streams that are let in though labels that are not known could forbid it, as people are told.
    pub doubts: Vec<Problem>,
    /// Whether a stream waits for the default fleet to be made.
    pub default_fleet_wanted: bool,
}

/// Resolves everything together. Where two contend, the one given first keeps what it has; a cluster gives
/// the older first and none that is being deleted, a directory the first in file order.
#[must_use]
pub fn resolve(
    fleets: &[Written<'_, ProxyFleet>],
    streams: &[Written<'_, DataStream>],
    place: Place<'_>,
) -> Resolution {
    let ports = fleet::ports_taken(fleets, place);
    let keys: Vec<FleetKey> = fleets.iter().map(|fleet| name_of(&fleet.resource.metadata)).collect();
    let known = Known::new(fleets);
    let wishes: Vec<Wish> = streams.iter().map(|stream| Wish::of(stream.resource, &known, place)).collect();
    let mut resolution = Resolution {
        problems: ports.iter().flatten().cloned().collect(),
        doubts: doubts(streams, &wishes, fleets, place),
        default_fleet_wanted: default_fleet_wanted(&wishes, place),
        ..Resolution::default()
    };
    let named: Vec<(Ids, Option<usize>)> =
        wishes.iter().map(|wish| (wish.ids.clone(), wish.wanted)).collect();
    let sidecars: Vec<bool> = fleets.iter().map(|fleet| fleet.resource.spec.mode == Mode::Sidecar).collect();
    let placings = group::place(wishes, group::Fleets { keys: &keys, sidecars: &sidecars }, place);
    let mut filled = Filled::new(fleets.len());
    for ((stream, (ids, wanted)), placing) in streams.iter().zip(named).zip(placings) {
        filled.turn_away(&ids, wanted, &placing);
        let decision = decision(ids, &placing, fleets, &keys);
        let refusal = decision.refusal.as_ref();
        resolution.problems.extend(refusal.map(|refusal| problem(stream.file, &decision.stream, refusal)));
        resolution.streams.push(decision);
        filled.serve(placing);
    }
    let listening =
        fleets.iter().zip(keys).zip(filled.fleets).zip(ports).filter(|(_, taken)| taken.is_none());
    let resolved = listening
        .map(|(((fleet, key), (streams, turned)), _)| fleet::resolved(fleet.resource, key, streams, turned));
    resolution.fleets = resolved.collect();
    resolution
}

/// What `fleet` says of a stream, whatever other streams there are.
///
/// # Errors
/// Why it does not serve the stream.
pub(crate) fn offered(fleet: &ProxyFleet, stream: &DataStream, place: Place<'_>) -> Result<(), Refusal> {
    stream::offer(fleet, stream, &ids(stream), place).map(drop)
}

/// The streams that each fleet serves, and those it turns away.
struct Filled {
    fleets: Vec<(Vec<ResolvedStream>, Turned)>,
}

impl Filled {
    fn new(fleets: usize) -> Self {
        Self { fleets: vec![(Vec::new(), Turned::new()); fleets] }
    }

    fn turn_away(&mut self, ids: &Ids, wanted: Option<usize>, placing: &Placing) {
        let (Some(refusal), Some(wanted)) = (&placing.refusal, wanted) else { return };
        if let Some((_, turned)) = self.fleets.get_mut(wanted) {
            *turned.entry((ids.stream.namespace.clone(), refusal.reason.name())).or_default() += 1;
        }
    }

    fn serve(&mut self, placing: Placing) {
        for (fleet, stream) in placing.here.into_iter().chain(placing.there) {
            if let Some((streams, _)) = self.fleets.get_mut(fleet) {
                streams.push(stream);
            }
        }
    }
}

fn default_fleet_wanted(wishes: &[Wish], place: Place<'_>) -> bool {
    let waits =
        |wish: &Wish| wish.offer.as_ref().is_err_and(|refusal| refusal.reason == Reason::NoDefaultFleet);
    matches!(place, Place::Cluster(_)) && wishes.iter().any(waits)
}

fn decision(ids: Ids, placing: &Placing, fleets: &[Written<'_, ProxyFleet>], keys: &[FleetKey]) -> Decision {
    let key = |place: &Option<(usize, ResolvedStream)>| {
        place.as_ref().and_then(|(fleet, _)| keys.get(*fleet)).cloned()
    };
    let has_topic = placing.here.as_ref().is_some_and(|(fleet, stream)| {
        let sinks = fleets.get(*fleet).map(|fleet| fleet.resource.spec.sinks.as_slice()).unwrap_or_default();
        sinks.iter().any(|sink| sink.name == stream.sink && sink.kafka.is_some())
    });
    let here = placing.here.as_ref().map(|(_, stream)| stream);
    Decision {
        stream: ids.stream,
        group_id: ids.group_id,
        stream_id: ids.stream_id,
        topic: here.filter(|_| has_topic).map(|stream| stream.topic.clone()),
        sink: here.map(|stream| stream.sink.clone()),
        fleet: key(&placing.here),
        moving_to: key(&placing.there),
        refusal: placing.refusal.clone(),
    }
}

/// What is not known of streams' right to be where they are to be.
fn doubts(
    streams: &[Written<'_, DataStream>],
    wishes: &[Wish],
    fleets: &[Written<'_, ProxyFleet>],
    place: Place<'_>,
) -> Vec<Problem> {
    let doubt = |(written, wish): (&Written<'_, DataStream>, &Wish)| {
        let fleet = fleets.get(wish.wanted.filter(|_| wish.offer.is_ok())?)?;
        let stream = &wish.ids.stream;
        let refusal = permit::doubt(fleet.resource, &stream.namespace, place)?;
        Some(problem(written.file, stream, &refusal))
    };
    streams.iter().zip(wishes).filter_map(doubt).collect()
}

fn problem(file: &str, stream: &ObjectRef, refusal: &Refusal) -> Problem {
    Problem {
        file: file.to_owned(),
        object: Some(stream.clone()),
        field: refusal.field.to_owned(),
        reason: refusal.reason,
        message: refusal.message.clone(),
    }
}

#[cfg(test)]
mod tests;
