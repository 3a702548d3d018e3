//! From one fleet to another: ready on the new before it leaves the old.

use super::*;

fn two() -> [ProxyFleet; 2] {
    [open_fleet("data/old"), open_fleet("data/new")]
}

fn to_new(name: &str) -> DataStream {
    stream("data", name, &json!({"groupId": "g", "fleet": {"name": "new"}}))
}

fn both(fleets: &[ResolvedFleet]) -> Vec<Vec<String>> {
    fleets.iter().map(served).collect()
}

#[test]
fn both_fleets_serve_a_stream_until_the_new_one_runs_it() {
    let streams = [on("data/old", to_new("x"))];
    let moving = World::default().run(&two(), &streams);
    assert_eq!(whereabouts(&moving.streams[0]), (Some("data/old".to_owned()), Some("data/new".to_owned())));
    assert_eq!((&moving.streams[0].refusal, both(&moving.fleets)), (&None, vec![vec!["g/x".to_owned()]; 2]));

    let world = World { runs: vec![("data/x".to_owned(), named("data/new"))], ..World::default() };
    let moved = world.run(&two(), &streams);
    assert_eq!(whereabouts(&moved.streams[0]), (Some("data/new".to_owned()), None));
    assert_eq!(both(&moved.fleets), [vec![], vec!["g/x".to_owned()]]);
}

#[test]
fn the_streams_of_a_group_leave_together() {
    let streams = [on("data/old", to_new("x")), on("data/old", to_new("y"))];
    let world = World { runs: vec![("data/x".to_owned(), named("data/new"))], ..World::default() };
    for decision in world.run(&two(), &streams).streams {
        assert_eq!(whereabouts(&decision), (Some("data/old".to_owned()), Some("data/new".to_owned())));
    }
}

#[test]
fn each_fleet_serves_a_moving_stream_with_its_own_default_sink() {
    let mut fleets = two();
    fleets[1].spec.sinks.swap(0, 1);
    let resolution = World::default().run(&fleets, &[on("data/old", to_new("x"))]);
    let sinks: Vec<&str> = resolution.fleets.iter().map(|fleet| fleet.streams[0].sink.as_str()).collect();
    assert_eq!((sinks, resolution.streams[0].sink.as_deref()), (vec!["kafka", "second"], Some("kafka")));
}

#[test]
fn a_fleet_that_is_gone_or_says_no_more_is_left_at_once() {
    let streams = [on("data/old", to_new("x"))];
    let gone = World::default().run(&[open_fleet("data/new")], &streams);
    assert_eq!(whereabouts(&gone.streams[0]), (Some("data/new".to_owned()), None));

    let from_shop = stream("shop", "x", &json!({"fleet": {"name": "new", "namespace": "data"}}));
    let closed = [kafka_fleet("data/old", &Value::Null), open_fleet("data/new")];
    let withdrawn = World::default().run(&closed, &[on("data/old", from_shop)]);
    assert_eq!(whereabouts(&withdrawn.streams[0]), (Some("data/new".to_owned()), None));
    assert_eq!(both(&withdrawn.fleets), [vec![], vec!["shop/x".to_owned()]]);
}

#[test]
fn a_permission_withdrawn_ends_service_at_once() {
    let there = stream("shop", "x", &json!({"fleet": {"name": "old", "namespace": "data"}}));
    let resolution = World::default().run(&[kafka_fleet("data/old", &Value::Null)], &[on("data/old", there)]);
    assert_eq!(refusal(&resolution.streams[0]).1, Reason::NotPermitted);
    assert_eq!(whereabouts(&resolution.streams[0]), (None, None));
    assert_eq!(served(&resolution.fleets[0]), [""; 0]);
}

#[test]
fn a_stream_that_its_new_fleet_refuses_stays_where_it_is_and_is_told() {
    for (spec, reason) in [
        (json!({"fleet": {"name": "nowhere"}}), Reason::FleetNotFound),
        (json!({"fleet": {"name": "strict", "namespace": "bank"}}), Reason::NotPermitted),
    ] {
        let fleets = [open_fleet("data/old"), kafka_fleet("bank/strict", &Value::Null)];
        let resolution = World::default().run(&fleets, &[on("data/old", stream("data", "x", &spec))]);
        let decision = &resolution.streams[0];
        assert_eq!(refusal(decision).1, reason);
        assert!(refusal(decision).2.ends_with(". Until then ProxyFleet data/old serves it"), "{decision:?}");
        assert_eq!(whereabouts(decision), (Some("data/old".to_owned()), None));
        assert_eq!(served(&resolution.fleets[0]), ["data/x"]);
    }
}

#[test]
fn on_a_host_a_stream_moves_at_once() {
    let mut fleets = two();
    fleets[1].spec.listeners.http.port = 1;
    let resolution = run(&fleets, &[on("data/old", to_new("x"))]);
    assert_eq!(both(&resolution.fleets), [vec![], vec!["g/x".to_owned()]]);
}

#[test]
fn a_status_that_names_no_fleet_is_no_past() {
    for odd in ["", "old", "data/none", "/"] {
        let resolution = World::default().run(&two(), &[on(odd, to_new("x"))]);
        assert_eq!(whereabouts(&resolution.streams[0]), (Some("data/new".to_owned()), None), "{odd}");
    }
}
