//! When an endpoint ConfigMap is written.

use kube::api::DynamicObject;

use super::*;
use crate::kind::ObjectKind;

const NOW: u64 = 1_700_000_000_000;

fn map(members: &str, data: &str, at: Option<u64>) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "shop", "name": "orders-endpoints", "annotations": {(MEMBERS): members}},
        "data": {"SLUICE_ADDRESSES": data}
    });
    let digest = listed(&object);
    note(&mut object, LISTED, digest);
    if let Some(at) = at {
        note(&mut object, LISTED_AT, at.to_string());
    }
    object
}

fn live(members: &str, data: &str, ago_ms: i64) -> Child {
    let at = NOW.checked_add_signed(-ago_ms).unwrap();
    let object: DynamicObject = serde_json::from_value(map(members, data, Some(at))).unwrap();
    Child::new(ObjectKind::ConfigMap, &object)
}

fn pace(warm: bool) -> Pace {
    Pace { now_ms: NOW, warm, loads: LOADS, together: TOGETHER }
}

fn due(live: &Child, wanted: &Value) -> Due {
    pace(true).due(live, wanted, true)
}

#[test]
fn one_that_lists_what_it_should_stays_as_it_is() {
    let (live, wanted) = (live("a,b", "a,b", 1_000_000), map("a,b", "a,b", None));
    assert_eq!(due(&live, &wanted), Due::Listed);
    assert_eq!(pace(false).due(&live, &wanted, true), Due::Listed);
    // What somebody changed is put right by the comparison that everything gets.
    assert_eq!(pace(true).due(&live, &wanted, false), Due::Listed);
}

#[test]
fn other_nodes_are_listed_at_once_and_those_of_the_same_second_together() {
    let wanted = map("b", "b", None);
    assert_eq!(due(&live("a,b", "a,b", 1_000), &wanted), Due::Now { late: false });
    assert_eq!(due(&live("a,b", "a,b", 300), &wanted), Due::In(700));
    let many = Pace { together: Duration::ZERO, ..pace(true) };
    assert_eq!(many.due(&live("a,b", "a,b", 0), &wanted, true), Due::Now { late: false });
}

#[test]
fn loads_alone_are_written_once_in_a_minute_and_after_all_else() {
    let wanted = map("a,b", "b,a", None);
    assert_eq!(due(&live("a,b", "a,b", 59_000), &wanted), Due::In(1_000));
    assert_eq!(due(&live("a,b", "a,b", 60_000), &wanted), Due::Now { late: true });
}

#[test]
fn before_it_is_known_how_nodes_are_what_is_listed_stays() {
    let wanted = map("b", "b", None);
    assert_eq!(pace(false).due(&live("a,b", "a,b", 100_000), &wanted, true), Due::Later);
    assert_eq!(pace(false).due(&live("a,b", "a,b", 100_000), &wanted, false), Due::Now { late: false });
}

#[test]
fn a_time_that_is_still_to_come_or_missing_holds_up_nothing() {
    let wanted = map("b", "b", None);
    assert_eq!(due(&live("a,b", "a,b", -5_000), &wanted), Due::Now { late: false });
    let mut object = map("a", "a", None);
    note(&mut object, LISTED_AT, "yesterday".to_owned());
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    assert_eq!(due(&Child::new(ObjectKind::ConfigMap, &object), &wanted), Due::Now { late: false });
}

#[test]
fn in_large_clusters_loads_are_written_more_seldom() {
    assert_eq!(loads_every(10, 100), Duration::from_secs(60));
    assert_eq!(loads_every(600, 100), Duration::from_secs(60));
    assert_eq!(loads_every(10_000, 100), Duration::from_secs(1_000));
}

#[test]
fn an_edit_by_somebody_is_seen_whatever_was_listed() {
    let memory = Memory::default();
    let key = ChildKey {
        kind: ObjectKind::ConfigMap,
        namespace: "shop".to_owned(),
        name: "orders-endpoints".to_owned(),
    };
    let wanted = map("a,b", "b,a", None);
    let mut live = live("a,b", "a,b", 0);
    assert!(is_intact(&memory, &key, &live, &wanted));
    live.value["data"]["SLUICE_ADDRESSES"] = "edited".into();
    assert!(!is_intact(&memory, &key, &live, &wanted));
}
