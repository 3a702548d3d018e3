//! What a review is held against: streams by group, ids and fleet, so that looking at one costs the same however many
//! there are. It follows the store and judges nothing; what it finds, `resolve` decides.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use kube::runtime::watcher::Event;
use sluice_crds::{DataStream, ProxyFleet};

use crate::names::{Name, name_of};
use crate::resolve::{self, Cluster, Decision, FleetKey, Namespaces, Place, Refusal, Written};
use crate::watch::cluster::{Change, Source, Store};

/// So many streams of a group, the oldest, say which fleet the group is on. That one is elsewhere is no more than a warning.
const ELDERS: usize = 32;

/// A stream, in the order of age: those that are older keep what they have.
#[derive(Clone, Debug)]
struct Aged(Arc<DataStream>);

impl Aged {
    fn cmp_to(&self, other: &DataStream) -> Ordering {
        age(&self.0).cmp(&age(other))
    }
}

fn age(stream: &DataStream) -> (Option<k8s_openapi::jiff::Timestamp>, Option<&String>, Option<&String>) {
    let metadata = &stream.metadata;
    let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
    (created, metadata.namespace.as_ref(), metadata.name.as_ref())
}

impl Ord for Aged {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_to(&other.0)
    }
}

impl PartialOrd for Aged {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Aged {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Aged {}

/// Streams by something that several have alike.
type Groups<K> = HashMap<K, BTreeSet<Aged>>;

/// Which objects a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// None that is held here.
    Nothing,
    /// One.
    One(Source, Name),
    /// Any of a kind: it was listed anew.
    All(Source),
}

impl Touched {
    /// Those of a change.
    #[must_use]
    pub fn by(change: &Change) -> Self {
        let Change { source, event } = change;
        match (source, event) {
            (Source::Fleets | Source::Streams | Source::Namespaces, event) => match event {
                Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) => {
                    Self::One(*source, name_of(&object.metadata))
                }
                Event::Init => Self::Nothing,
                Event::InitDone => Self::All(*source),
            },
            // So that it is known when everything was listed.
            (_, Event::InitDone) => Self::All(*source),
            _ => Self::Nothing,
        }
    }
}

/// What is known of fleets, streams and namespaces.
#[derive(Clone, Debug, Default)]
pub struct Index {
    complete: bool,
    fleets: HashMap<Name, Arc<ProxyFleet>>,
    streams: HashMap<Name, Arc<DataStream>>,
    by_group: Groups<String>,
    by_ids: Groups<(String, String)>,
    by_fleet: Groups<FleetKey>,
    namespaces: Namespaces,
    terminating: BTreeSet<String>,
    default_fleet: FleetKey,
    no_default_fleet: Option<String>,
}

impl Index {
    /// Nothing yet; `default_fleet` serves streams that name none.
    #[must_use]
    pub fn new(default_fleet: FleetKey) -> Self {
        Self { default_fleet, ..Self::default() }
    }

    /// Takes in what a change did to the store.
    pub fn follow(&mut self, store: &Store, touched: &Touched) {
        match touched {
            Touched::Nothing => return,
            Touched::One(source, name) => self.take(store, *source, name),
            Touched::All(source) => {
                for name in self.names(store, *source) {
                    self.take(store, *source, &name);
                }
            }
        }
        self.complete = store.is_complete();
    }

    /// What keeps the default fleet from being made, in words that say what to do; `None`: nothing.
    pub fn default_fleet_is(&mut self, missing: Option<&str>) {
        if self.no_default_fleet.as_deref() != missing {
            self.no_default_fleet = missing.map(str::to_owned);
        }
    }

    /// Every name of a kind that is here or there.
    fn names(&self, store: &Store, source: Source) -> BTreeSet<Name> {
        let of_namespace = |name: &String| (String::new(), name.clone());
        match source {
            Source::Fleets => self.fleets.keys().chain(store.fleets.keys()).cloned().collect(),
            Source::Streams => self.streams.keys().chain(store.streams.keys()).cloned().collect(),
            Source::Namespaces => {
                self.namespaces.keys().chain(store.namespaces.keys()).map(of_namespace).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    fn take(&mut self, store: &Store, source: Source, name: &Name) {
        match source {
            Source::Fleets => match store.fleets.get(name) {
                Some(fleet) => drop(self.fleets.insert(name.clone(), Arc::clone(fleet))),
                None => drop(self.fleets.remove(name)),
            },
            Source::Streams => self.stream(name, store.streams.get(name)),
            Source::Namespaces => {
                let (_, name) = name;
                let view = store.namespaces.get(name);
                match view {
                    Some(view) => drop(self.namespaces.insert(name.clone(), view.labels.clone())),
                    None => drop(self.namespaces.remove(name)),
                }
                match view.is_some_and(|view| view.terminating) {
                    true => drop(self.terminating.insert(name.clone())),
                    false => drop(self.terminating.remove(name)),
                }
            }
            _ => {}
        }
    }

    fn stream(&mut self, name: &Name, stream: Option<&Arc<DataStream>>) {
        let known = self.streams.get(name);
        if known.zip(stream).is_some_and(|(known, stream)| Arc::ptr_eq(known, stream)) {
            return;
        }
        if let Some(former) = self.streams.remove(name) {
            let former = Aged(former);
            let places = Places::of(&former.0, &self.default_fleet);
            remove(&mut self.by_group, &places.group, &former);
            remove(&mut self.by_ids, &places.ids, &former);
            places.fleets.iter().for_each(|fleet| remove(&mut self.by_fleet, fleet, &former));
        }
        if let Some(stream) = stream {
            let places = Places::of(stream, &self.default_fleet);
            let entry = || Aged(Arc::clone(stream));
            self.by_group.entry(places.group).or_default().insert(entry());
            self.by_ids.entry(places.ids).or_default().insert(entry());
            for fleet in places.fleets {
                self.by_fleet.entry(fleet).or_default().insert(entry());
            }
            self.streams.insert(name.clone(), Arc::clone(stream));
        }
    }
}

/// Where a stream is to be found.
struct Places {
    group: String,
    ids: (String, String),
    fleets: BTreeSet<FleetKey>,
}

impl Places {
    fn of(stream: &DataStream, default_fleet: &FleetKey) -> Self {
        let ids = resolve::ids(stream);
        let (wanted, last) = resolve::fleets_of(stream, default_fleet);
        let fleets = [wanted].into_iter().chain(last).collect();
        Self { group: ids.group_id.clone(), ids: (ids.group_id, ids.stream_id), fleets }
    }
}

fn remove<K: Eq + Hash>(groups: &mut Groups<K>, key: &K, stream: &Aged) {
    if let Some(group) = groups.get_mut(key) {
        group.remove(stream);
        if group.is_empty() {
            groups.remove(key);
        }
    }
}

impl Index {
    /// The fleet of that name, if it is known.
    pub(crate) fn fleet(&self, name: &Name) -> Option<&Arc<ProxyFleet>> {
        self.fleets.get(name)
    }

    /// The stream of that name, if it is known.
    pub(crate) fn stream_of(&self, name: &Name) -> Option<&Arc<DataStream>> {
        self.streams.get(name)
    }

    /// Whether everything that is held here was listed.
    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The fleet that a stream names, or the default one, if it is there.
    pub(crate) fn fleet_for(&self, stream: &DataStream) -> Option<&ProxyFleet> {
        let (wanted, _) = resolve::fleets_of(stream, &self.default_fleet);
        self.fleets.get(&wanted).map(AsRef::as_ref).filter(|fleet| self.stays(&fleet.metadata))
    }

    /// What keeps the default fleet from being made.
    pub(crate) fn no_default_fleet(&self) -> Option<&str> {
        self.no_default_fleet.as_deref()
    }

    /// Streams that name a fleet, or that it served last, the older ones first.
    pub(crate) fn streams_of(&self, fleet: &FleetKey) -> Vec<Arc<DataStream>> {
        let streams = self.by_fleet.get(fleet).into_iter().flatten().map(|aged| Arc::clone(&aged.0));
        streams.filter(|stream| self.stays(&stream.metadata)).collect()
    }

    /// What a fleet would say of a stream, whatever others there are.
    pub(crate) fn offered(&self, fleet: &ProxyFleet, stream: &DataStream) -> Result<(), Refusal> {
        resolve::offered(fleet, stream, self.place())
    }

    /// What is decided of a stream among those that matter to it. A new one is the youngest, whatever its time says:
    /// none that is there has to make way for it.
    pub(crate) fn decide(&self, stream: &DataStream, new: bool) -> Option<Decision> {
        let mut near = self.near(stream);
        let at = match new {
            true => near.len(),
            false => near.partition_point(|other| other.cmp_to(stream) == Ordering::Less),
        };
        let mut streams: Vec<&DataStream> = near.drain(..).map(|aged| aged.0.as_ref()).collect();
        streams.insert(at, stream);
        let keys: BTreeSet<FleetKey> = streams
            .iter()
            .flat_map(|stream| {
                let (wanted, last) = resolve::fleets_of(stream, &self.default_fleet);
                [wanted].into_iter().chain(last)
            })
            .collect();
        let fleets = keys.iter().filter_map(|key| self.fleets.get(key)).map(AsRef::as_ref);
        let fleets: Vec<Written<'_, ProxyFleet>> =
            fleets.filter(|fleet| self.stays(&fleet.metadata)).map(written).collect();
        let streams: Vec<Written<'_, DataStream>> = streams.into_iter().map(written).collect();
        let mut resolution = resolve::resolve(&fleets, &streams, self.place());
        (at < resolution.streams.len()).then(|| resolution.streams.swap_remove(at))
    }

    /// Streams of the same ids, and the elders of the group, but for the one itself.
    fn near(&self, stream: &DataStream) -> Vec<&Aged> {
        let own = name_of(&stream.metadata);
        let ids = resolve::ids(stream);
        let group = self.by_group.get(&ids.group_id).into_iter().flatten().take(ELDERS);
        let same = self.by_ids.get(&(ids.group_id, ids.stream_id)).into_iter().flatten();
        let mut near: Vec<&Aged> = group
            .chain(same)
            .filter(|aged| name_of(&aged.0.metadata) != own && self.stays(&aged.0.metadata))
            .collect();
        near.sort_unstable();
        near.dedup();
        near
    }

    /// Whether neither an object nor its namespace is being deleted.
    fn stays(&self, metadata: &kube::api::ObjectMeta) -> bool {
        let space = metadata.namespace.as_ref();
        metadata.deletion_timestamp.is_none() && !space.is_some_and(|space| self.terminating.contains(space))
    }

    fn place(&self) -> Place<'_> {
        Place::Cluster(Cluster {
            namespaces: &self.namespaces,
            default_fleet: &self.default_fleet,
            no_default_fleet: self.no_default_fleet.as_deref(),
            // What nodes run decides when a stream leaves a fleet, not whether it may be where it wants to.
            runs: &|_, _| false,
        })
    }
}

const fn written<K>(resource: &K) -> Written<'_, K> {
    Written { file: "", resource }
}

#[cfg(test)]
pub(in crate::admission) mod tests;
