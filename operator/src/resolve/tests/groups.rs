//! The default fleet, and on which fleet a group is.

use super::*;

fn two() -> [ProxyFleet; 2] {
    [open_fleet("data/a"), open_fleet("data/b")]
}

/// A stream of namespace data and group g that names a fleet of the same namespace.
fn member(name: &str, fleet: &str) -> DataStream {
    stream("data", name, &json!({"groupId": "g", "fleet": {"name": fleet}}))
}

#[test]
fn without_a_fleet_a_stream_is_on_the_default_one() {
    let all = json!({"namespaces": {"from": "All"}});
    let resolution = World::default()
        .run(&[kafka_fleet("sluice-system/default", &all)], &[stream("shop", "orders", &json!({}))]);
    let decision = &resolution.streams[0];
    assert_eq!(whereabouts(decision), (Some("sluice-system/default".to_owned()), None));
    assert_eq!((decision.topic.as_deref(), decision.sink.as_deref()), (Some("shop.orders"), Some("kafka")));
    assert!(!resolution.default_fleet_wanted);
}

#[test]
fn a_default_fleet_that_can_be_made_is_asked_for() {
    let resolution = World::default().run(&[], &[stream("shop", "orders", &json!({}))]);
    assert!(resolution.default_fleet_wanted);
    assert_eq!(
        refusal(&resolution.streams[0]),
        (
            "spec.fleet",
            Reason::NoDefaultFleet,
            "ProxyFleet sluice-system/default, the default, is being made; nothing is to be done"
        )
    );
    assert_eq!(whereabouts(&resolution.streams[0]), (None, None));
    let named = stream("shop", "a", &json!({"fleet": {"name": "x"}}));
    assert!(!World::default().run(&[], &[named]).default_fleet_wanted, "nobody needs it");
}

#[test]
fn a_default_fleet_that_cannot_be_made_is_told_in_the_words_given() {
    let world = World { no_default_fleet: Some("set defaultFleet"), ..World::default() };
    let resolution = world.run(&[], &[stream("shop", "orders", &json!({}))]);
    assert_eq!(refusal(&resolution.streams[0]), ("spec.fleet", Reason::NoDefaultFleet, "set defaultFleet"));
}

#[test]
fn a_fleet_that_is_not_there_is_named_with_what_to_do() {
    let resolution = World::default().run(&[], &[stream("shop", "a", &json!({"fleet": {"name": "x"}}))]);
    assert_eq!(
        refusal(&resolution.streams[0]),
        (
            "spec.fleet",
            Reason::FleetNotFound,
            "there is no ProxyFleet shop/x; make it, or name another in spec.fleet"
        )
    );
}

#[test]
fn a_group_that_was_nowhere_is_where_its_oldest_wants_it() {
    let resolution = World::default().run(&two(), &[member("x", "b"), member("y", "a")]);
    assert_eq!(whereabouts(&resolution.streams[0]).0.as_deref(), Some("data/b"));
    assert_eq!(
        refusal(&resolution.streams[1]),
        (
            "spec.fleet",
            Reason::GroupElsewhere,
            "the other streams of groupId g are on ProxyFleet data/b, and a group is on one fleet; name that \
             one, or name another in all of its streams: then the group moves"
        )
    );
    assert_eq!(whereabouts(&resolution.streams[1]), (None, None));
}

#[test]
fn a_group_stays_where_it_is_while_one_of_it_wants_that() {
    let streams = [member("x", "b"), on("data/a", member("y", "a")), on("data/a", member("z", "a"))];
    let resolution = World::default().run(&two(), &streams);
    assert_eq!(refusal(&resolution.streams[0]).1, Reason::GroupElsewhere, "also of an older newcomer");
    assert_eq!(whereabouts(&resolution.streams[1]).0.as_deref(), Some("data/a"));
}

#[test]
fn one_that_wants_to_leave_its_group_stays_served_and_is_told() {
    let streams = [on("data/a", member("x", "b")), on("data/a", member("y", "a"))];
    let resolution = World::default().run(&two(), &streams);
    let decision = &resolution.streams[0];
    assert_eq!(refusal(decision).1, Reason::GroupElsewhere);
    assert!(refusal(decision).2.ends_with(". Until then ProxyFleet data/a serves it"), "{decision:?}");
    assert_eq!(whereabouts(decision), (Some("data/a".to_owned()), None));
    assert_eq!(decision.topic.as_deref(), Some("g.x"));
    assert_eq!(served(&resolution.fleets[0]), ["g/x", "g/y"]);
    assert_eq!(served(&resolution.fleets[1]), [""; 0]);
    assert_eq!(resolution.fleets[1].refused[0].reason, "GroupElsewhere", "the fleet that it names counts it");
}

#[test]
fn a_refused_stream_does_not_hold_its_group() {
    let nowhere = on(
        "data/a",
        stream("data", "x", &json!({"groupId": "g", "fleet": {"name": "a"}, "sink": {"name": "x"}})),
    );
    let resolution = World::default().run(&two(), &[nowhere, on("data/a", member("y", "b"))]);
    assert_eq!(refusal(&resolution.streams[0]).1, Reason::SinkNotFound);
    assert_eq!(whereabouts(&resolution.streams[1]), (Some("data/a".to_owned()), Some("data/b".to_owned())));
}

#[test]
fn of_two_with_the_same_ids_the_older_keeps_them_also_against_one_that_is_served() {
    let ids = json!({"groupId": "g", "streamId": "s", "fleet": {"name": "a", "namespace": "data"}});
    let streams = [stream("data", "x", &ids), on("data/a", stream("data", "y", &ids))];
    let resolution = World::default().run(&two(), &streams);
    assert_eq!(resolution.streams[0].refusal, None);
    assert_eq!(
        refusal(&resolution.streams[1]),
        (
            "spec.streamId",
            Reason::Conflict,
            "DataStream data/x has groupId g and streamId s already; choose others"
        )
    );
    assert_eq!(resolution.fleets[0].streams.len(), 1);
}
