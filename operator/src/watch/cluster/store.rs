//! What the API server showed last of everything that is watched.
//! One task owns it; answers to the operator's own writes come in like what is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Resource;
use kube::api::{DynamicObject, ObjectMeta};
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use sluice_crds::{DataStream, ProxyFleet};

use super::child::{Child, ChildKey, version};
use super::{Change, Source, machine, pod, sidecar};
use crate::kind::ObjectKind;
use crate::names::{Name, name_of};
use crate::observe::{MachineView, NodeView, SidecarView};
use crate::resolve::FleetKey;

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceView {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted: nothing can be made in it.
    pub terminating: bool,
}

/// The ConfigMap with the default fleet's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Its namespace and name.
    pub name: Name,
    /// Its uid.
    pub uid: String,
    /// Its data.
    pub data: BTreeMap<String, String>,
}

/// What was shown last.
#[derive(Debug, Default)]
pub struct Store {
    /// Every fleet.
    pub fleets: BTreeMap<Name, Arc<ProxyFleet>>,
    /// Every stream.
    pub streams: BTreeMap<Name, Arc<DataStream>>,
    /// Every namespace.
    pub namespaces: BTreeMap<String, NamespaceView>,
    /// Pods of fleets, by namespace and name.
    pub pods: BTreeMap<Name, (FleetKey, NodeView)>,
    /// Pods that ask for a sidecar, by namespace and name, each with the fleet that it names.
    pub sidecars: BTreeMap<Name, (FleetKey, SidecarView)>,
    /// The machines that pods run on.
    pub machines: BTreeMap<String, MachineView>,
    /// Grows when one of them is another than it was.
    pub moves: u64,
    /// What the operator made.
    pub children: BTreeMap<ChildKey, Child>,
    /// The default fleet's settings.
    pub settings: Option<Settings>,
    /// The highest resourceVersion that each watch has shown, of what it removed too.
    shown: BTreeMap<Source, u64>,
    listed: BTreeSet<Source>,
    listing: BTreeMap<Source, BTreeSet<Name>>,
}

impl Store {
    /// Whether everything has been listed once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        Source::all().all(|source| self.listed.contains(&source))
    }

    /// Takes a change in.
    pub fn take(&mut self, change: Change) {
        let Change { source, event } = change;
        match event {
            Event::Apply(object) => {
                self.note(source, &object);
                self.put(source, object);
            }
            Event::Delete(object) => {
                self.note(source, &object);
                self.remove(source, &name_of(&object.metadata));
            }
            Event::Init => {
                self.listing.insert(source, BTreeSet::new());
            }
            Event::InitApply(object) => {
                self.note(source, &object);
                self.listing.entry(source).or_default().insert(name_of(&object.metadata));
                self.put(source, object);
            }
            Event::InitDone => {
                let seen = self.listing.remove(&source).unwrap_or_default();
                for gone in self.names(source).into_iter().filter(|name| !seen.contains(name)) {
                    // What an answer showed and the list does not is newer, unless the watch is further.
                    if self.version(source, &gone) <= self.shown.get(&source).copied() {
                        self.remove(source, &gone);
                    }
                }
                self.listed.insert(source);
            }
        }
    }

    /// Takes in what a write was answered with, unless the watch is further: it has then shown the object, or its
    /// end.
    pub fn answered(&mut self, source: Source, object: DynamicObject) {
        let newer = version(object.metadata.resource_version.as_deref());
        if self.shown.get(&source).is_none_or(|shown| *shown < newer) {
            self.put(source, object);
        }
    }

    fn note(&mut self, source: Source, object: &DynamicObject) {
        let version = version(object.metadata.resource_version.as_deref());
        let shown = self.shown.entry(source).or_default();
        *shown = (*shown).max(version);
    }

    /// The version of an object that is there; of the kinds that no write is answered with, none.
    fn version(&self, source: Source, name: &Name) -> Option<u64> {
        let of = |metadata: &ObjectMeta| version(metadata.resource_version.as_deref());
        match source {
            Source::Fleets => self.fleets.get(name).map(|fleet| of(&fleet.metadata)),
            Source::Streams => self.streams.get(name).map(|stream| of(&stream.metadata)),
            Source::Children(kind) => {
                let (namespace, name) = name.clone();
                self.children.get(&ChildKey { kind, namespace, name }).map(|child| child.version)
            }
            Source::Namespaces | Source::Pods | Source::Sidecars | Source::Nodes | Source::Settings => None,
        }
    }

    /// Takes an object in, unless a newer form of it is there.
    fn put(&mut self, source: Source, object: DynamicObject) {
        let name = name_of(&object.metadata);
        let newer = version(object.metadata.resource_version.as_deref());
        match source {
            Source::Fleets => put_typed(&mut self.fleets, name, object),
            Source::Streams => put_typed(&mut self.streams, name, object),
            Source::Namespaces => {
                self.namespaces.insert(name.1, namespace(object));
            }
            Source::Pods => {
                let node = object.try_parse::<Pod>().ok().as_ref().and_then(pod::node);
                match node {
                    Some(node) => drop(self.pods.insert(name, node)),
                    None => drop(self.pods.remove(&name)),
                }
            }
            Source::Sidecars => {
                let sidecar = object.try_parse::<Pod>().ok().as_ref().and_then(sidecar::sidecar);
                match sidecar {
                    Some(sidecar) => drop(self.sidecars.insert(name, sidecar)),
                    None => drop(self.sidecars.remove(&name)),
                }
            }
            Source::Nodes => {
                let machine = object.try_parse::<Node>().as_ref().map(machine::machine).unwrap_or_default();
                if self.machines.get(&name.1) != Some(&machine) {
                    self.machines.insert(name.1, machine);
                    self.moves += 1;
                }
            }
            Source::Settings => self.settings = Some(settings(&object)),
            Source::Children(kind) => {
                let key = ChildKey { kind, namespace: name.0, name: name.1 };
                if self.children.get(&key).is_none_or(|known| known.version <= newer) {
                    self.children.insert(key, Child::new(kind, &object));
                }
            }
        }
    }

    fn remove(&mut self, source: Source, name: &Name) {
        match source {
            Source::Fleets => drop(self.fleets.remove(name)),
            Source::Streams => drop(self.streams.remove(name)),
            Source::Namespaces => drop(self.namespaces.remove(&name.1)),
            Source::Pods => drop(self.pods.remove(name)),
            Source::Sidecars => drop(self.sidecars.remove(name)),
            Source::Nodes => self.moves += u64::from(self.machines.remove(&name.1).is_some()),
            Source::Settings => self.settings = None,
            Source::Children(kind) => {
                let (namespace, name) = name.clone();
                self.children.remove(&ChildKey { kind, namespace, name });
            }
        }
    }

    fn names(&self, source: Source) -> Vec<Name> {
        match source {
            Source::Fleets => self.fleets.keys().cloned().collect(),
            Source::Streams => self.streams.keys().cloned().collect(),
            Source::Namespaces => self.namespaces.keys().map(|name| (String::new(), name.clone())).collect(),
            Source::Pods => self.pods.keys().cloned().collect(),
            Source::Sidecars => self.sidecars.keys().cloned().collect(),
            Source::Nodes => self.machines.keys().map(|name| (String::new(), name.clone())).collect(),
            Source::Settings => self.settings.iter().map(|settings| settings.name.clone()).collect(),
            Source::Children(kind) => self.children_of(kind).map(|key| key.0).collect(),
        }
    }

    fn children_of(&self, kind: ObjectKind) -> impl Iterator<Item = (Name, &Child)> {
        let of_kind = self.children.iter().filter(move |(key, _)| key.kind == kind);
        of_kind.map(|(key, child)| ((key.namespace.clone(), key.name.clone()), child))
    }
}

/// Puts a resource of a known type. One that can't be read, as after a change of its definition, stays as it was.
fn put_typed<K: DeserializeOwned + Resource>(
    objects: &mut BTreeMap<Name, Arc<K>>,
    name: Name,
    mut object: DynamicObject,
) {
    object.metadata.managed_fields = None;
    let newer = version(object.metadata.resource_version.as_deref());
    if objects.get(&name).is_some_and(|object| version(object.meta().resource_version.as_deref()) > newer) {
        return;
    }
    match object.try_parse::<K>() {
        Ok(object) => drop(objects.insert(name, Arc::new(object))),
        Err(error) => {
            tracing::warn!(namespace = name.0, name = name.1, %error, "a resource can't be read and stays as it was");
        }
    }
}

fn namespace(object: DynamicObject) -> NamespaceView {
    let terminating = object.metadata.deletion_timestamp.is_some();
    NamespaceView { labels: object.metadata.labels.unwrap_or_default(), terminating }
}

fn settings(object: &DynamicObject) -> Settings {
    let data = object.data.get("data").and_then(|data| serde_json::from_value(data.clone()).ok());
    let uid = object.metadata.uid.clone().unwrap_or_default();
    Settings { name: name_of(&object.metadata), uid, data: data.unwrap_or_default() }
}

#[cfg(test)]
mod tests;
