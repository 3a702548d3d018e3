//! Documents as an operator tells them: whole, what changed, and names.

use std::collections::BTreeMap;
use std::sync::Arc;

use md5::{Digest, Md5};
use serde_json::{Value, json};
use sluice_wire::document::Group;
use sluice_wire::polling::{FLEET, GROUPS, SINK, STREAM};

use crate::args::FleetName;
use crate::config::parts::Set;

/// A listener's answer when nothing changed.
pub(super) const NOTHING: &str = r#"{"code":200,"message":"success","data":[]}"#;

/// The fleet that nodes ask for here.
pub(super) fn fleet() -> FleetName {
    FleetName { namespace: "shop".to_owned(), name: "main".to_owned() }
}

/// A listener's answer with names alone.
pub(super) fn names(groups: &[&str]) -> String {
    json!({"code": 200, "message": "success", "data": groups}).to_string()
}

/// One revision of a document.
#[derive(Clone)]
pub(super) struct Edition {
    revision: u64,
    fleet: Value,
    streams: Vec<Value>,
    groups: BTreeMap<String, Group>,
}

impl Edition {
    /// With streams of these ids, sorted.
    pub(super) fn new(revision: u64, ids: &[&str]) -> Self {
        let stream = |id: &&str| json!({"groupId": "g", "streamId": id, "note": [1, {"of": id}]});
        let fleet = json!([{"namespace": "shop", "name": "main", "uid": "u"}, {"bytes": 1}, {"notifyMs": 0}]);
        Self { revision, fleet, streams: ids.iter().map(stream).collect(), groups: BTreeMap::new() }
            .digested()
    }

    /// The same of another fleet.
    pub(super) fn of(mut self, name: &str) -> Self {
        self.fleet[0]["name"] = name.into();
        self.digested()
    }

    /// The same, saying that its groups are those of another, or nothing of them.
    pub(super) fn saying(mut self, other: Option<&Self>) -> Self {
        self.groups = other.map(|other| other.groups.clone()).unwrap_or_default();
        self
    }

    fn digested(mut self) -> Self {
        let md5 = |data: Value| Md5::digest(data.to_string()).iter().map(|b| format!("{b:02x}")).collect();
        let group = |name: &str| Group { md5: md5(self.data(name)), last_modify_time: self.revision };
        self.groups = GROUPS.map(|name| (name.to_owned(), group(name))).into();
        self
    }

    fn data(&self, group: &str) -> Value {
        match group {
            FLEET => self.fleet.clone(),
            SINK => json!([{"name": "local"}]),
            _ => Value::Array(self.streams.clone()),
        }
    }

    pub(super) fn text(&self) -> Vec<u8> {
        let [fleet, overload, drain] = [0, 1, 2].map(|index| &self.fleet[index]);
        let document = json!({
            "major": 1, "fleet": fleet, "revision": self.revision, "groups": self.groups,
            "overload": overload, "drain": drain, "sinks": self.data(SINK), "streams": self.streams
        });
        document.to_string().into_bytes()
    }

    pub(super) fn set(&self) -> Arc<Set> {
        Arc::new(Set::pack("u".to_owned(), self.revision, &self.text()).unwrap())
    }

    pub(super) fn md5s(&self) -> Vec<String> {
        GROUPS.map(|name| self.groups[name].md5.clone()).into()
    }

    /// What a node that has it says to a listener.
    pub(super) fn claims(&self) -> Vec<(String, String)> {
        let claim = |name: &&str| {
            let Group { md5, last_modify_time } = &self.groups[*name];
            ((*name).to_owned(), format!("{md5},{last_modify_time}"))
        };
        let fleet = ("namespaceId".to_owned(), fleet().to_string());
        std::iter::once(fleet).chain(GROUPS.iter().map(claim)).collect()
    }

    /// What to put and what to take away to come here.
    fn change(&self, before: &Self) -> (Value, Value) {
        let put: Vec<_> = self.streams.iter().filter(|stream| !before.streams.contains(stream)).collect();
        let gone = before.streams.iter().filter(|stream| !self.streams.contains(stream));
        let gone: Vec<_> = gone.map(|stream| json!([stream["groupId"], stream["streamId"]])).collect();
        (json!(put), json!(gone))
    }

    /// A listener's answer to a node that has `before`.
    pub(super) fn update_from(&self, before: &Self) -> String {
        let (put, gone) = self.change(before);
        let change = json!({"since": before.groups[STREAM].md5, "put": put, "gone": gone});
        let update = json!({
            "major": 1, "revision": self.revision, "groups": self.groups, "changes": {(STREAM): change}
        });
        json!({"code": 200, "message": "success", "data": [STREAM], "update": update}).to_string()
    }

    /// The answer of a fetch of everything.
    pub(super) fn whole(&self) -> String {
        self.fetched(|_| json!({}))
    }

    /// The answer of a fetch since `before`.
    pub(super) fn since(&self, before: &Self) -> String {
        let (put, gone) = self.change(before);
        self.fetched(|name| match name {
            STREAM => json!({"since": before.groups[STREAM].md5, "data": put, "gone": gone}),
            _ => json!({}),
        })
    }

    fn fetched(&self, other: impl Fn(&str) -> Value) -> String {
        let group = |name: &str| {
            let Group { md5, last_modify_time } = &self.groups[name];
            let mut group = json!({"md5": md5, "lastModifyTime": last_modify_time, "data": self.data(name)});
            for (key, value) in other(name).as_object().into_iter().flatten() {
                group[key] = value.clone();
            }
            (name.to_owned(), group)
        };
        let data: serde_json::Map<String, Value> = GROUPS.map(group).into_iter().collect();
        json!({"code": 200, "message": "success", "data": data, "major": 1, "revision": self.revision})
            .to_string()
    }
}
