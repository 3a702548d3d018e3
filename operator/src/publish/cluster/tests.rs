//! What is published, by what stands in ConfigMaps alone.

use kube::api::DynamicObject;
use sluice_wire::document::{Drain, FleetRef, MAJOR, Overload};

use super::*;

const NOW: u64 = 1_000_000;

fn document(connections: u32) -> Document {
    Document {
        major: MAJOR,
        fleet: FleetRef { namespace: "shop".to_owned(), name: "edge".to_owned(), uid: "uid-1".to_owned() },
        revision: 0,
        groups: BTreeMap::new(),
        overload: Overload { max_inflight_bytes: 1, max_connections: connections },
        drain: Drain { notify_ms: 0 },
        listeners: sluice_wire::access::Listeners::default(),
        sinks: Vec::new(),
        streams: Vec::new(),
    }
}

/// What the API server would show of a publication.
fn stored(publication: &Publication) -> BTreeMap<ChildKey, Child> {
    let child = |(key, map): &(ChildKey, Value)| {
        let mut map = map.clone();
        map["metadata"]["resourceVersion"] = "7".into();
        map["metadata"]["uid"] = format!("uid of {}", key.name).into();
        let object: DynamicObject = serde_json::from_value(map).unwrap();
        (key.clone(), Child::new(ObjectKind::ConfigMap, &object))
    };
    publication.maps.iter().map(child).collect()
}

fn publish(
    document: Document,
    there: &BTreeMap<ChildKey, Child>,
    told: u64,
    now_ms: u64,
) -> Option<Publication> {
    let fleet = ("shop".to_owned(), "edge".to_owned());
    let published = Published::read(|key| there.get(key), &fleet, "uid-1");
    let labels = BTreeMap::new();
    let owner = json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "name": "edge", "uid": "uid-1", "controller": true});
    let frame = Frame { labels: &labels, owner: &owner, told, now_ms };
    publication(document, &published, &frame).unwrap()
}

fn first() -> (Publication, BTreeMap<ChildKey, Child>) {
    let publication = publish(document(1), &BTreeMap::new(), 0, NOW).unwrap();
    let there = stored(&publication);
    (publication, there)
}

#[test]
fn the_first_revision_is_the_time_and_later_ones_grow_even_when_the_clock_goes_back() {
    let (publication, there) = first();
    assert_eq!(publication.revision, NOW);
    assert_eq!(publish(document(2), &there, 0, NOW - 500).unwrap().revision, NOW + 1);
    assert_eq!(publish(document(2), &there, NOW + 70, NOW).unwrap().revision, NOW + 71);
}

#[test]
fn what_is_published_already_is_not_published_again_whoever_asks() {
    let (_, there) = first();
    assert_eq!(publish(document(1), &there, NOW, NOW + 9), None);
}

#[test]
fn a_group_keeps_the_revision_that_changed_it_last() {
    let (_, there) = first();
    let next = publish(document(2), &there, NOW, NOW + 9).unwrap();
    let groups: BTreeMap<String, Group> =
        serde_json::from_str(next.maps[0].1["metadata"]["annotations"][GROUPS].as_str().unwrap()).unwrap();
    assert_eq!(groups["FLEET"].last_modify_time, NOW + 9);
    assert_eq!(groups["STREAM"].last_modify_time, NOW);
    assert_eq!(groups["SINK"].last_modify_time, NOW);
}

#[test]
fn a_part_that_somebody_changed_or_removed_is_published_anew() {
    let (_, mut there) = first();
    let key = there.keys().next().unwrap().clone();
    there.get_mut(&key).unwrap().value["binaryData"][parts::KEY] = "another digest".into();
    assert_eq!(publish(document(1), &there, NOW, NOW).unwrap().revision, NOW + 1);
    there.clear();
    assert_eq!(publish(document(1), &there, NOW, NOW).unwrap().revision, NOW + 1);
}

#[test]
fn parts_of_a_former_fleet_of_the_name_count_for_nothing() {
    let (_, mut there) = first();
    for child in there.values_mut() {
        child.owner = Some("uid-0".to_owned());
    }
    let publication = publish(document(1), &there, 0, NOW).unwrap();
    assert!(publication.maps[0].1["metadata"].get("resourceVersion").is_none());
}

#[test]
fn a_replacement_names_the_version_that_it_replaces() {
    let (_, there) = first();
    let next = publish(document(2), &there, NOW, NOW).unwrap();
    assert_eq!(next.maps[0].1["metadata"]["resourceVersion"], "7");
}

#[test]
fn the_interval_bounds_what_is_written_in_a_second() {
    assert_eq!(interval(1_000), Duration::from_millis(100));
    assert_eq!(interval(1 << 20), Duration::from_secs(4));
}
