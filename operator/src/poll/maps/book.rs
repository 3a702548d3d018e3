//! Which of a namespace's labelled ConfigMaps is the content of which group, and what is wrong with the others.
//! The oldest of a group has it; what is no JSON array never takes the place of what was good.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use serde::de::IgnoredAny;

use super::{GROUP, KEY};
use crate::poll::board::Content;

/// Groups that fleets have, which a ConfigMap can't be.
const RESERVED: [&str; 3] = ["FLEET", "SINK", "STREAM"];
/// The parameter beside groups; a group of its name could never be asked for.
const PARAMETER: &str = "namespaceId";

/// What is wrong with a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its content can't be served; what was good before is.
    InvalidData(String),
    /// An older ConfigMap, of this name, has its group.
    GroupTaken(String),
    /// No ConfigMap can have this group.
    GroupReserved(String),
}

impl Fault {
    /// As an Event's reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidData(_) => "InvalidData",
            Self::GroupTaken(_) => "GroupTaken",
            Self::GroupReserved(_) => "GroupReserved",
        }
    }

    /// As a person is told it.
    #[must_use]
    pub fn note(&self) -> String {
        match self {
            Self::InvalidData(why) => format!("{KEY}: {why}; the last good content is served"),
            Self::GroupTaken(by) => {
                format!(
                    "the older ConfigMap {by} has this group in its label {GROUP}; this one is not served"
                )
            }
            Self::GroupReserved(group) => {
                format!("label {GROUP}: no ConfigMap can be group {group:?}; choose another name")
            }
        }
    }
}

/// ConfigMaps with something wrong, by uid.
pub type Faults = BTreeMap<String, (Place, Fault)>;

/// Which ConfigMap, in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub version: String,
}

impl Place {
    /// As an Event names it.
    #[must_use]
    pub fn reference(&self, uid: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }
    }
}

/// The older of two is the lesser.
type Age = (Timestamp, String);

#[derive(Clone, Debug)]
struct Map {
    uid: String,
    place: Place,
    data: Result<Content, String>,
}

/// A group's content after a change; `None`: it has none.
pub type Changed = (String, Option<Content>);

/// The labelled ConfigMaps of one namespace.
#[derive(Debug, Default)]
pub struct Book {
    /// By group, the oldest first.
    groups: BTreeMap<String, BTreeMap<Age, Map>>,
    /// Where each stands, by name.
    places: BTreeMap<String, (String, Age)>,
    /// What groups are served as; `None`: what is there is no good, and what was before is not known.
    served: BTreeMap<String, Option<Content>>,
    /// Whether all there are were taken in once.
    listed: bool,
}

impl Book {
    /// Takes in all there are, and gives what groups are to be served as.
    pub fn list(&mut self, maps: Vec<ConfigMap>) -> BTreeMap<String, Option<Content>> {
        let first = !std::mem::replace(&mut self.listed, true);
        self.groups.clear();
        self.places.clear();
        for map in maps {
            self.put(map);
        }
        let mut before = std::mem::take(&mut self.served);
        for (group, maps) in self.groups.iter().filter(|(group, _)| !is_reserved(group)) {
            match maps.values().next().map(|map| &map.data) {
                Some(Ok(content)) => drop(self.served.insert(group.clone(), Some(content.clone()))),
                Some(Err(_)) => match before.remove(group) {
                    Some(good) => drop(self.served.insert(group.clone(), good)),
                    None if first => drop(self.served.insert(group.clone(), None)),
                    None => {}
                },
                None => {}
            }
        }
        self.served.clone()
    }

    /// Takes in one that is new or has changed, and gives the groups whose content changed with it.
    pub fn apply(&mut self, map: ConfigMap) -> Vec<Changed> {
        let name = map.metadata.name.clone().unwrap_or_default();
        let left = self.take_out(&name);
        let joined = self.put(map);
        self.changed(left.into_iter().chain(joined).collect())
    }

    /// Takes out one that is gone, and gives the group whose content changed with it.
    pub fn remove(&mut self, name: &str) -> Vec<Changed> {
        let left = self.take_out(name);
        self.changed(left.into_iter().collect())
    }

    /// What is wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        let mut faults = Faults::new();
        for (group, maps) in &self.groups {
            let owner = maps.values().next().map(|map| map.place.name.clone());
            for (index, map) in maps.values().enumerate() {
                let fault = match (&map.data, &owner) {
                    _ if is_reserved(group) => Fault::GroupReserved(group.clone()),
                    (_, Some(owner)) if index > 0 => Fault::GroupTaken(owner.clone()),
                    (Err(why), _) => Fault::InvalidData(why.clone()),
                    (Ok(_), _) => continue,
                };
                faults.insert(map.uid.clone(), (map.place.clone(), fault));
            }
        }
        faults
    }

    fn put(&mut self, map: ConfigMap) -> Option<String> {
        let metadata = map.metadata;
        let group = metadata.labels.as_ref()?.get(GROUP)?.clone();
        let name = metadata.name.unwrap_or_default();
        let created = metadata.creation_timestamp.map(|time| time.0).unwrap_or_default();
        let place = Place {
            namespace: metadata.namespace.unwrap_or_default(),
            name: name.clone(),
            version: metadata.resource_version.unwrap_or_default(),
        };
        let text = map.data.and_then(|mut data| data.remove(KEY));
        let map = Map { uid: metadata.uid.unwrap_or_default(), place, data: read(text) };
        let age = (created, name.clone());
        self.places.insert(name, (group.clone(), age.clone()));
        self.groups.entry(group.clone()).or_default().insert(age, map);
        Some(group)
    }

    fn take_out(&mut self, name: &str) -> Option<String> {
        let (group, age) = self.places.remove(name)?;
        if let Some(maps) = self.groups.get_mut(&group) {
            maps.remove(&age);
            if maps.is_empty() {
                self.groups.remove(&group);
            }
        }
        Some(group)
    }

    fn changed(&mut self, groups: BTreeSet<String>) -> Vec<Changed> {
        let mut changed = Vec::new();
        for group in groups.into_iter().filter(|group| !is_reserved(group)) {
            let oldest = self.groups.get(&group).and_then(|maps| maps.values().next());
            let now = match oldest.map(|map| &map.data) {
                Some(Ok(content)) => Some(content.clone()),
                // What was good before stays.
                Some(Err(_)) => continue,
                None => None,
            };
            let before = match &now {
                Some(content) => self.served.insert(group.clone(), Some(content.clone())),
                None => self.served.remove(&group),
            };
            // Of a group that was not known, its end is news too.
            if before.as_ref().map(Option::as_ref) != now.as_ref().map(Some) {
                changed.push((group, now));
            }
        }
        changed
    }
}

fn is_reserved(group: &str) -> bool {
    group.is_empty() || group == PARAMETER || RESERVED.contains(&group)
}

fn read(text: Option<String>) -> Result<Content, String> {
    let text = text.ok_or("there is no such key")?;
    match serde_json::from_str::<Vec<IgnoredAny>>(&text) {
        Ok(_) => Ok(Content::new(text.into_bytes())),
        Err(error) => Err(format!("it is no JSON array: {error}")),
    }
}

#[cfg(test)]
mod tests;
