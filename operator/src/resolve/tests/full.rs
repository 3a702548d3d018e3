//! Streams for which a configuration has no room.

use std::collections::BTreeSet;

use super::*;

fn references(names: &[&str]) -> BTreeSet<ObjectRef> {
    let one = |name: &&str| ObjectRef {
        kind: sluice_crds::Kind::DataStream,
        namespace: "data".to_owned(),
        name: (*name).to_owned(),
    };
    names.iter().map(one).collect()
}

fn on_fleet(name: &str, fleet: &str) -> DataStream {
    stream("data", name, &json!({"groupId": name, "fleet": {"name": fleet}}))
}

#[test]
fn a_stream_without_room_is_refused_and_counted() {
    let streams = [on_fleet("x", "a"), on_fleet("y", "a")];
    let mut resolution = World::default().run(&[open_fleet("data/a")], &streams);
    resolution.turn_away(&named("data/a"), &references(&["y"]));
    assert_eq!(served(&resolution.fleets[0]), ["x/x"]);
    assert_eq!(resolution.streams[0].refusal, None);
    let decision = &resolution.streams[1];
    assert_eq!(
        refusal(decision),
        (
            "spec.fleet",
            Reason::FleetFull,
            "the configuration of ProxyFleet data/a has no room for another stream; attach to another fleet"
        )
    );
    assert_eq!((whereabouts(decision), &decision.topic, &decision.sink), ((None, None), &None, &None));
    let refused = &resolution.fleets[0].refused[0];
    assert_eq!((refused.reason.as_str(), refused.count), ("FleetFull", 1));
}

#[test]
fn a_stream_that_was_moving_to_a_full_fleet_stays() {
    let fleets = [open_fleet("data/a"), open_fleet("data/b")];
    let mut resolution = World::default().run(&fleets, &[on("data/a", on_fleet("x", "b"))]);
    resolution.turn_away(&named("data/b"), &references(&["x"]));
    let decision = &resolution.streams[0];
    assert_eq!(refusal(decision).1, Reason::FleetFull);
    assert_eq!(whereabouts(decision), (Some("data/a".to_owned()), None));
}

#[test]
fn a_stream_that_leaves_a_full_fleet_is_only_sent_on() {
    let fleets = [open_fleet("data/a"), open_fleet("data/b")];
    let mut resolution = World::default().run(&fleets, &[on("data/a", on_fleet("x", "b"))]);
    resolution.turn_away(&named("data/a"), &references(&["x"]));
    let decision = &resolution.streams[0];
    assert_eq!((whereabouts(decision), &decision.refusal), ((Some("data/b".to_owned()), None), &None));
    assert_eq!(decision.topic.as_deref(), Some("x.x"));
}
