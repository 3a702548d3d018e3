//! What the watch shows and what writes are answered with, in any order.

use serde_json::json;

use super::*;

const MAPS: Source = Source::Children(ObjectKind::ConfigMap);

fn map(name: &str, version: u64) -> DynamicObject {
    serde_json::from_value(json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": version.to_string()},
        "data": {"a": "b"}
    }))
    .unwrap()
}

fn names(store: &Store) -> Vec<&str> {
    store.children.keys().map(|key| key.name.as_str()).collect()
}

fn shown(store: &mut Store, event: Event<DynamicObject>) {
    store.take(Change { source: MAPS, event });
}

#[test]
fn an_answer_does_not_bring_back_what_the_watch_has_removed_since() {
    let mut store = Store::default();
    shown(&mut store, Event::Apply(map("a", 5)));
    shown(&mut store, Event::Delete(map("a", 7)));
    store.answered(MAPS, map("a", 6));
    assert!(names(&store).is_empty());
    store.answered(MAPS, map("a", 8));
    assert_eq!(names(&store), ["a"]);
}

#[test]
fn an_older_form_never_replaces_a_newer_one() {
    let mut store = Store::default();
    store.answered(MAPS, map("a", 9));
    shown(&mut store, Event::Apply(map("a", 8)));
    assert_eq!(store.children.values().next().unwrap().version, 9);
}

#[test]
fn a_new_list_removes_what_it_does_not_show_but_not_what_was_written_since() {
    let mut store = Store::default();
    shown(&mut store, Event::Apply(map("gone", 4)));
    store.answered(MAPS, map("written", 9));
    shown(&mut store, Event::Init);
    shown(&mut store, Event::InitApply(map("stays", 6)));
    shown(&mut store, Event::InitDone);
    assert_eq!(names(&store), ["stays", "written"]);
}

#[test]
fn a_config_map_is_kept_without_its_data() {
    let mut store = Store::default();
    shown(&mut store, Event::Apply(map("a", 1)));
    let child = store.children.values().next().unwrap();
    assert_eq!(child.value["data"]["a"], crate::hex::sha256(b"b"));
    assert_eq!(child.value["kind"], "ConfigMap");
}

#[test]
fn a_machine_moves_only_when_what_is_kept_of_it_changes() {
    let mut store = Store::default();
    let node = |zone: &str, version: u64| -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {
                "name": "a", "resourceVersion": version.to_string(),
                "labels": {"topology.kubernetes.io/zone": zone}
            },
            "status": {"conditions": [{"type": "Ready", "status": "True", "message": version.to_string()}]}
        }))
        .unwrap()
    };
    let take = |store: &mut Store, event| store.take(Change { source: Source::Nodes, event });
    take(&mut store, Event::Apply(node("east", 1)));
    take(&mut store, Event::Apply(node("east", 2)));
    assert_eq!((store.moves, store.machines["a"].zone.as_deref()), (1, Some("east")));
    take(&mut store, Event::Apply(node("west", 3)));
    take(&mut store, Event::Delete(node("west", 4)));
    assert_eq!((store.moves, store.machines.len()), (3, 0));
}
