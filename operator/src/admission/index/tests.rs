//! What is decided of a stream among its neighbours is what is decided of it among all.

use kube::api::DynamicObject;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A cluster, and the index that follows it.
pub(in crate::admission) struct World {
    pub(in crate::admission) store: Store,
    pub(in crate::admission) index: Index,
    version: u64,
}

pub(in crate::admission) const DEFAULT: (&str, &str) = ("sluice-system", "default");

impl World {
    /// With everything listed, and these namespaces.
    pub(in crate::admission) fn new(namespaces: &[&str]) -> Self {
        let mut world = Self::unlisted();
        for source in Source::all() {
            world.take(source, Event::Init);
            world.take(source, Event::InitDone);
        }
        for name in namespaces {
            world.put(Source::Namespaces, json!({"metadata": {"name": name, "labels": {"team": name}}}));
        }
        world
    }

    /// Before anything was listed.
    pub(in crate::admission) fn unlisted() -> Self {
        let default_fleet = (DEFAULT.0.to_owned(), DEFAULT.1.to_owned());
        Self { store: Store::default(), index: Index::new(default_fleet), version: 0 }
    }

    fn take(&mut self, source: Source, event: Event<DynamicObject>) {
        let change = Change { source, event };
        let touched = Touched::by(&change);
        self.store.take(change);
        self.index.follow(&self.store, &touched);
    }

    fn object(&mut self, mut object: Value) -> DynamicObject {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        if object["metadata"].get("creationTimestamp").is_none() {
            object["metadata"]["creationTimestamp"] =
                format!("2026-01-01T{:02}:{:02}:00Z", self.version / 60 % 24, self.version % 60).into();
        }
        serde_json::from_value(object).unwrap()
    }

    pub(in crate::admission) fn put(&mut self, source: Source, object: Value) {
        let object = self.object(object);
        self.take(source, Event::Apply(object));
    }

    pub(in crate::admission) fn fleet(&mut self, namespace: &str, name: &str, spec: Value) {
        self.put(Source::Fleets, fleet(namespace, name, spec));
    }

    pub(in crate::admission) fn stream(
        &mut self,
        namespace: &str,
        name: &str,
        spec: &Value,
    ) -> Arc<DataStream> {
        self.put(Source::Streams, stream(namespace, name, spec));
        Arc::clone(&self.store.streams[&(namespace.to_owned(), name.to_owned())])
    }

    /// What is decided of a stream among all.
    fn among_all(&self, stream: &DataStream) -> Decision {
        let fleets: Vec<_> = self.store.fleets.values().map(|fleet| written(fleet.as_ref())).collect();
        let mut streams: Vec<_> = self.store.streams.values().cloned().map(Aged).collect();
        streams.sort_unstable();
        let streams: Vec<_> = streams.iter().map(|aged| written(aged.0.as_ref())).collect();
        let name = name_of(&stream.metadata);
        let resolution = resolve::resolve(&fleets, &streams, self.index.place());
        resolution.streams.into_iter().find(|decision| decision.stream.key() == name).unwrap()
    }
}

/// A fleet with a sink `kafka` and more in its spec.
pub(in crate::admission) fn fleet(namespace: &str, name: &str, mut spec: Value) -> Value {
    if spec.get("sinks").is_none() {
        spec["sinks"] = json!([{"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}}]);
    }
    json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}/{name}")}, "spec": spec
    })
}

pub(in crate::admission) fn stream(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec
    })
}

pub(in crate::admission) fn read<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

fn refusal(decision: Option<Decision>) -> Option<crate::Reason> {
    decision.unwrap().refusal.map(|refusal| refusal.reason)
}

#[test]
fn it_is_complete_once_everything_was_listed() {
    let mut world = World::unlisted();
    assert!(!world.index.is_complete());
    for source in Source::all() {
        assert!(!world.index.is_complete(), "{source:?}");
        world.take(source, Event::InitDone);
    }
    assert!(world.index.is_complete());
}

#[test]
fn a_list_takes_out_what_is_there_no_more() {
    let mut world = World::new(&["shop"]);
    world.fleet("shop", "edge", json!({}));
    let held = world.stream("shop", "a", &json!({"fleet": {"name": "edge"}}));
    let kept = world.object(stream("shop", "b", &json!({"fleet": {"name": "edge"}})));
    world.take(Source::Streams, Event::Init);
    world.take(Source::Streams, Event::InitApply(kept));
    world.take(Source::Streams, Event::InitDone);
    let edge = ("shop".to_owned(), "edge".to_owned());
    let names: Vec<_> = world.index.streams_of(&edge).iter().map(|s| s.metadata.name.clone()).collect();
    assert_eq!(names, [Some("b".to_owned())]);
    assert_eq!(world.index.by_group["shop"].len(), 1);
    assert!(!world.index.by_group["shop"].contains(&Aged(held)));
}

#[test]
fn an_object_that_is_being_deleted_or_whose_namespace_is_counts_no_more() {
    let mut world = World::new(&["shop", "going"]);
    world.fleet(
        "shop",
        "edge",
        json!({"allowedStreams": {"namespaces": {"from": "All"}, "groupIds": ["*"], "topics": ["*"]}}),
    );
    let on = |namespace: &str| json!({"fleet": {"namespace": namespace, "name": "edge"}, "groupId": "g", "streamId": "s"});
    world.stream("going", "old", &on("shop"));
    let new: DataStream = read(stream("shop", "new", &on("shop")));
    assert_eq!(refusal(world.index.decide(&new, true)), Some(crate::Reason::Conflict));
    world.put(
        Source::Namespaces,
        json!({"metadata": {"name": "going", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    assert_eq!(refusal(world.index.decide(&new, true)), None);
}

#[test]
fn a_new_stream_is_the_youngest_whatever_its_time_says() {
    let mut world = World::new(&["shop"]);
    world.fleet("shop", "edge", json!({}));
    world.stream("shop", "z", &json!({"fleet": {"name": "edge"}, "streamId": "s"}));
    let mut early = stream("shop", "a", &json!({"fleet": {"name": "edge"}, "streamId": "s"}));
    early["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    assert_eq!(refusal(world.index.decide(&read(early.clone()), true)), Some(crate::Reason::Conflict));
    assert_eq!(refusal(world.index.decide(&read(early), false)), None);
}

/// A stream of a small world in which ids collide and groups are torn.
fn any_stream() -> impl Strategy<Value = (usize, Value)> {
    let parts = (0..2_usize, 0..3_usize, 0..3_usize, 0..4_usize, 0..4_usize);
    parts.prop_map(|(space, group, id, wanted, last)| {
        let fleet = |number: usize| ["one", "two", "closed", "missing"][number];
        let spec = json!({
            "groupId": format!("g{group}"), "streamId": format!("s{id}"),
            "fleet": {"namespace": "data", "name": fleet(wanted)}
        });
        let mut object = stream(["shop", "bank"][space], "x", &spec);
        if last < 3 {
            object["status"] = json!({"fleet": format!("data/{}", fleet(last))});
        }
        (space, object)
    })
}

proptest! {
    #[test]
    fn neighbours_decide_what_all_decide(streams in prop::collection::vec(any_stream(), 1..14)) {
        let mut world = World::new(&["shop", "bank", "data"]);
        let open = json!({"allowedStreams": {"namespaces": {"from": "All"}, "groupIds": ["*"], "topics": ["*"]}});
        world.fleet("data", "one", open.clone());
        world.fleet("data", "two", open);
        world.fleet("data", "closed", json!({}));
        for (number, (_, mut object)) in streams.into_iter().enumerate() {
            object["metadata"]["name"] = format!("x{number}").into();
            world.put(Source::Streams, object);
        }
        for stream in world.store.streams.values() {
            prop_assert_eq!(world.index.decide(stream, false).unwrap(), world.among_all(stream));
        }
    }
}
