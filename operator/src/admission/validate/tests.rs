//! What is refused, what is warned of, and what is let through without a look.

use serde_json::{Value, json};
use sluice_crds::{DataStream, ProxyFleet};
use tokio::sync::watch;

use super::*;
use crate::Reason;
use crate::admission::index::tests::{self as worlds, World, read};

/// What a fleet says that lets everyone in.
fn open() -> Value {
    json!({"allowedStreams": {"namespaces": {"from": "All"}}})
}

fn on(more: &Value) -> Value {
    let mut spec =
        json!({"fleet": {"namespace": "data", "name": "edge"}, "sources": {"clientNames": ["a.b"]}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn made(spec: &Value) -> DataStream {
    read(worlds::stream("shop", "new", spec))
}

/// A fleet that everybody may attach to, and asks for clients' certificates.
fn world() -> World {
    let mut world = World::new(&["shop", "data", "bank"]);
    let mut spec = open();
    spec["listeners"] = json!({"https": {"secret": "s", "clientCa": {"secret": "c"}}});
    world.fleet("data", "edge", spec);
    world
}

fn create(world: &World, spec: &Value) -> Verdict {
    stream(&world.index, &made(spec), None)
}

fn update(world: &World, from: &Value, to: &Value) -> Verdict {
    stream(&world.index, &made(to), Some(&made(from)))
}

fn reason(verdict: &Verdict) -> Option<Reason> {
    verdict.refusal.as_ref().map(|refusal| refusal.reason)
}

#[test]
fn a_stream_with_nothing_wrong_is_let_through_without_a_word() {
    assert_eq!(create(&world(), &on(&json!({}))), Verdict::default());
}

#[test]
fn what_the_fleet_does_not_allow_or_does_not_have_is_refused_in_the_words_of_the_condition() {
    let world = world();
    let verdict = create(&world, &on(&json!({"sink": {"topic": "billing.x"}})));
    let said = verdict.refusal.unwrap().to_string();
    assert!(
        said.starts_with(
            "spec.sink.topic: topic billing.x is not among the topics that ProxyFleet data/edge allows"
        ),
        "{said}"
    );
    assert_eq!(reason(&create(&world, &on(&json!({"groupId": "billing"})))), Some(Reason::NotPermitted));
    let verdict = create(&world, &on(&json!({"sink": {"name": "kafak"}})));
    let said = verdict.refusal.unwrap().to_string();
    assert_eq!(said, r#"spec.sink.name: the fleet has no sink "kafak"; name one of kafka"#);
}

#[test]
fn ids_that_another_stream_has_are_refused() {
    let mut world = world();
    world.stream("shop", "old", &on(&json!({"streamId": "same"})));
    let verdict = create(&world, &on(&json!({"streamId": "same"})));
    assert_eq!(
        verdict.refusal.unwrap().to_string(),
        "spec.streamId: DataStream shop/old has groupId shop and streamId same already; choose others"
    );
}

#[test]
fn what_may_come_later_is_a_warning() {
    let world = world();
    let verdict = create(&world, &json!({"fleet": {"name": "later"}}));
    assert_eq!(verdict.refusal, None);
    assert_eq!(
        verdict.warnings,
        ["spec.fleet: there is no ProxyFleet shop/later; make it, or name another in spec.fleet"]
    );
}

#[test]
fn a_group_that_moves_stream_by_stream_is_warned_and_not_refused() {
    let mut world = world();
    world.fleet("data", "two", open());
    world.stream("shop", "old", &on(&json!({})));
    let verdict = create(&world, &json!({"fleet": {"namespace": "data", "name": "two"}}));
    assert_eq!(verdict.refusal, None);
    assert!(
        verdict.warnings[0]
            .starts_with("spec.fleet: the other streams of groupId shop are on ProxyFleet data/edge")
    );
}

#[test]
fn that_the_default_fleet_is_being_made_is_no_warning_and_that_it_can_t_be_is_one() {
    let mut world = world();
    assert_eq!(create(&world, &json!({})), Verdict::default());
    world.index.default_fleet_is(Some("no fleet is named and there is no default one"));
    let warnings = create(&world, &json!({})).warnings;
    assert_eq!(warnings, ["spec.fleet: no fleet is named and there is no default one"]);
}

#[test]
fn nobody_who_asks_nobody_on_an_open_fleet_is_left_unwarned() {
    let mut world = world();
    let plain = json!({"fleet": {"namespace": "data", "name": "edge"}});
    let warnings = create(&world, &plain).warnings;
    assert!(
        warnings[0].contains("nobody is asked who they are, and ProxyFleet data/edge is open"),
        "{warnings:?}"
    );
    assert_eq!(update(&world, &plain, &plain), Verdict::default(), "not at every touch");
    world.fleet("shop", "own", json!({}));
    assert_eq!(create(&world, &json!({"fleet": {"name": "own"}})), Verdict::default());
}

#[test]
fn a_change_of_nothing_and_a_stream_that_goes_are_not_looked_at() {
    let world = world();
    let bad = on(&json!({"groupId": "billing"}));
    assert_eq!(update(&world, &bad, &bad), Verdict::default());
    let mut going = worlds::stream("shop", "new", &bad);
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(stream(&world.index, &read(going), Some(&made(&on(&json!({}))))), Verdict::default());
}

#[test]
fn who_was_refused_before_may_change_anything_else() {
    let world = world();
    let (topic, sink) = (json!({"topic": "billing.x"}), json!({"topic": "billing.y"}));
    let before = on(&json!({"sink": topic}));
    let verdict = update(&world, &before, &on(&json!({"sink": topic, "paused": true})));
    assert_eq!(verdict.refusal, None);
    assert!(verdict.warnings[0].starts_with("spec.sink.topic: topic billing.x"), "{verdict:?}");
    assert_eq!(reason(&update(&world, &before, &on(&json!({"sink": sink})))), Some(Reason::NotPermitted));
}

#[test]
fn who_mends_one_thing_of_two_is_let_through() {
    let world = world();
    let before = on(&json!({"groupId": "billing", "sink": {"topic": "billing.x"}}));
    // A groupId can't be changed; that another one is permitted stands for any rule that holds again.
    let after = on(&json!({"groupId": "shop", "sink": {"topic": "billing.x"}}));
    let verdict = update(&world, &before, &after);
    assert_eq!(verdict.refusal, None);
    assert!(verdict.warnings[0].starts_with("spec.sink.topic"), "{verdict:?}");
}

#[test]
fn another_fleet_is_looked_at_anew() {
    let mut world = world();
    world.fleet("data", "two", open());
    let sink = json!({"topic": "billing.x"});
    let to = json!({"fleet": {"namespace": "data", "name": "two"}, "sink": sink});
    assert_eq!(reason(&update(&world, &on(&json!({"sink": sink})), &to)), Some(Reason::NotPermitted));
}

#[test]
fn a_sound_stream_that_becomes_wrong_is_refused() {
    let verdict = update(&world(), &on(&json!({})), &on(&json!({"sink": {"name": "other"}})));
    assert_eq!(reason(&verdict), Some(Reason::SinkNotFound));
}

#[test]
fn nothing_is_refused_before_everything_was_listed() {
    let world = World::unlisted();
    let verdict = create(&world, &on(&json!({"groupId": "billing"})));
    assert_eq!(verdict, Verdict::warning(NOT_CHECKED));
}

/// A fleet with streams `s0` to `s6` and what an edit of it is told.
fn edited(spec: Value) -> Verdict {
    let mut world = world();
    for number in 0..7 {
        world.stream("shop", &format!("s{number}"), &on(&json!({})));
    }
    world.stream("data", "own", &on(&json!({})));
    let before = world.store.fleets[&("data".to_owned(), "edge".to_owned())].as_ref().clone();
    let after: ProxyFleet = read(worlds::fleet("data", "edge", spec));
    judged(world, &after, Some(&before))
}

fn judged(world: World, after: &ProxyFleet, before: Option<&ProxyFleet>) -> Verdict {
    let (_, index) = watch::channel(world.index);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(fleet(&index, after, before))
}

#[test]
fn an_edit_of_a_fleet_that_takes_streams_off_is_let_through_with_five_of_them() {
    let listeners = json!({"https": {"secret": "s", "clientCa": {"secret": "c"}}});
    let verdict = edited(json!({"listeners": listeners}));
    assert_eq!(verdict.refusal, None);
    assert_eq!(verdict.warnings.len(), 6, "{verdict:?}");
    assert!(
        verdict.warnings[0]
            .starts_with("DataStream shop/s0 is served no more: spec.fleet: ProxyFleet data/edge takes no streams of namespace shop"),
        "{verdict:?}"
    );
    assert_eq!(verdict.warnings[5], "and 2 more DataStreams are served no more");
}

#[test]
fn a_sink_that_goes_takes_all_streams_with_it() {
    let verdict = edited(json!({
        "allowedStreams": {"namespaces": {"from": "All"}},
        "listeners": {"https": {"secret": "s", "clientCa": {"secret": "c"}}},
        "sinks": [{"name": "other", "file": {}}]
    }));
    assert_eq!(verdict.warnings[5], "and 3 more DataStreams are served no more");
    assert!(
        verdict.warnings[0].contains("SinkNotDurable") || verdict.warnings[0].contains("writes files"),
        "{verdict:?}"
    );
}

#[test]
fn an_edit_of_a_fleet_that_changes_nothing_for_streams_is_let_through_without_a_word() {
    let mut spec = open();
    spec["listeners"] = json!({"https": {"secret": "s", "clientCa": {"secret": "c"}}});
    spec["replicas"] = 5.into();
    assert_eq!(edited(spec), Verdict::default());
}

#[test]
fn a_new_fleet_is_told_nothing() {
    let fleet_: ProxyFleet = read(worlds::fleet("data", "new", json!({})));
    assert_eq!(judged(world(), &fleet_, None), Verdict::default());
}
