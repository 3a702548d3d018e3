//! Streams on fleets of sidecars, which nobody is sent to.

use sluice_crds::access::Sources;

use super::*;

/// Such a fleet that takes streams of its own namespace.
fn beside(fleet: &str) -> ProxyFleet {
    let mut fleet = kafka_fleet(fleet, &Value::Null);
    fleet.spec.mode = Mode::Sidecar;
    fleet
}

fn member(name: &str, fleet: &str) -> DataStream {
    stream("data", name, &json!({"groupId": "g", "fleet": {"name": fleet}}))
}

fn fleet_of(decision: &Decision) -> Option<&str> {
    decision.fleet.as_ref().map(|(_, name)| name.as_str())
}

#[test]
fn only_streams_of_its_own_namespace_attach_whatever_it_allows() {
    let mut open = beside("data/beside");
    open.spec.allowed_streams = serde_json::from_value(json!({"namespaces": {"from": "All"}})).unwrap();
    let foreign = stream("shop", "orders", &json!({"fleet": {"name": "beside", "namespace": "data"}}));
    let resolution = World::default().run(&[open], &[foreign, member("own", "beside")]);
    let refused = resolution.streams[0].refusal.as_ref().unwrap();
    assert_eq!((refused.field, refused.reason), ("spec.fleet", Reason::NotPermitted));
    assert!(refused.message.contains("attach to one of that mode in namespace shop"), "{}", refused.message);
    assert_eq!(fleet_of(&resolution.streams[1]), Some("beside"));
}

#[test]
fn a_groups_streams_on_sidecars_hold_none_of_the_others() {
    let fleets = [kafka_fleet("data/a", &Value::Null), beside("data/b"), beside("data/c")];
    let streams = [member("w", "b"), member("x", "a"), member("y", "c"), member("z", "a")];
    let resolution = World::default().run(&fleets, &streams);
    let on: Vec<_> = resolution.streams.iter().map(fleet_of).collect();
    assert_eq!(on, [Some("b"), Some("a"), Some("c"), Some("a")]);
    assert_eq!(resolution.problems, []);
}

#[test]
fn no_two_streams_share_their_ids_there_either() {
    let ids = |name: &str, fleet: &str| {
        stream("data", name, &json!({"groupId": "g", "streamId": "s", "fleet": {"name": fleet}}))
    };
    let fleets = [kafka_fleet("data/a", &Value::Null), beside("data/b")];
    let resolution = World::default().run(&fleets, &[ids("x", "a"), ids("y", "b")]);
    assert_eq!(resolution.streams[1].refusal.as_ref().unwrap().reason, Reason::Conflict);
}

#[test]
fn a_stream_comes_to_sidecars_when_one_runs_it() {
    let fleets = [kafka_fleet("data/a", &Value::Null), beside("data/b")];
    let moves = || {
        let mut stream = member("x", "b");
        stream.status = serde_json::from_value(json!({"fleet": "data/a", "conditions": []})).unwrap();
        stream
    };
    let before = World::default().run(&fleets, &[moves()]);
    assert_eq!(fleet_of(&before.streams[0]), Some("a"));
    assert_eq!(before.streams[0].moving_to, Some(named("data/b")));
    let runs = vec![("data/x".to_owned(), named("data/b"))];
    let after = World { runs, ..World::default() }.run(&fleets, &[moves()]);
    assert_eq!((fleet_of(&after.streams[0]), &after.streams[0].moving_to), (Some("b"), &None));
}

#[test]
fn nobody_is_told_apart_on_loopback() {
    let guarded = json!({
        "groupId": "g", "fleet": {"name": "b"}, "auth": {"type": "Token", "tokensSecret": {"name": "producers"}},
        "sources": {"deny": ["127.0.0.0/8"], "clientNames": ["a"]}
    });
    let resolution = World::default().run(&[beside("data/b")], &[stream("data", "x", &guarded)]);
    let served = &resolution.fleets[0].streams[0];
    assert!(served.sources == Sources::default() && served.auth.is_none() && served.tokens_secret.is_none());
    assert_eq!(resolution.problems, []);
}
