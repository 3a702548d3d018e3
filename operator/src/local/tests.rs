//! A directory's objects over time.

use serde_json::{Value, json};
use sluice_crds::Kind;

use super::*;

fn source(file: &str, kind: Kind, name: &str, spec: &Value) -> Source {
    let id = ObjectRef { kind, namespace: "default".to_owned(), name: name.to_owned() };
    let value = json!({"apiVersion": "sluice.dev/v1alpha1", "kind": kind.name(), "metadata": {"name": name}, "spec": spec});
    Source { file: file.to_owned(), id, value }
}

fn fleet() -> Source {
    source("fleet.yaml", Kind::ProxyFleet, "default", &json!({"sinks": [{"name": "local", "file": {}}]}))
}

fn stream(name: &str, spec: &Value) -> Source {
    source(&format!("{name}.yaml"), Kind::DataStream, name, spec)
}

fn written(objects: &[Source]) -> Snapshot {
    Snapshot { objects: objects.to_vec(), ..Snapshot::default() }
}

fn served(resolution: &Resolution) -> Vec<&str> {
    resolution
        .fleets
        .iter()
        .flat_map(|fleet| &fleet.streams)
        .map(|stream| stream.stream_id.as_str())
        .collect()
}

fn lines(resolution: &Resolution) -> Vec<String> {
    resolution.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_broken_object_stays_in_effect_as_it_was_last() {
    let mut local = Local::new().unwrap();
    let good = local.apply(&written(&[
        fleet(),
        stream("a", &json!({"sink": {"topic": "t"}})),
        stream("b", &json!({})),
    ]));
    let broken = local.apply(&written(&[
        fleet(),
        stream("a", &json!({"sink": {"topic": "a b"}})),
        stream("b", &json!({})),
    ]));
    assert_eq!(broken.fleets, good.fleets);
    let line = "a.yaml: DataStream default/a: spec.sink.topic: \"a b\" can't be a topic; use 1 to 249 of A-Z, a-z, 0-9, ., _ and -";
    assert_eq!(lines(&broken), [line]);
}

#[test]
fn an_object_that_is_broken_from_the_start_leaves_the_others_alone() {
    let mut local = Local::new().unwrap();
    let resolution =
        local.apply(&written(&[fleet(), stream("a", &json!({"output": "x"})), stream("b", &json!({}))]));
    assert_eq!(served(&resolution), ["b"]);
    assert_eq!(resolution.problems.len(), 1);
}

#[test]
fn an_object_that_is_no_longer_written_is_gone() {
    let mut local = Local::new().unwrap();
    local.apply(&written(&[fleet(), stream("a", &json!({"groupId": "x"}))]));
    assert_eq!(served(&local.apply(&written(&[fleet()]))), [""; 0]);
    let again = local.apply(&written(&[fleet(), stream("a", &json!({"groupId": "y"}))]));
    assert_eq!((served(&again), lines(&again)), (vec!["a"], Vec::new()), "a new object has no past");
}

#[test]
fn what_cannot_be_changed_is_compared_with_the_last_good_version() {
    let mut local = Local::new().unwrap();
    local.apply(&written(&[fleet(), stream("a", &json!({"groupId": "x"}))]));
    for _ in 0..2 {
        let changed = local.apply(&written(&[fleet(), stream("a", &json!({"groupId": "y"}))]));
        assert_eq!(
            lines(&changed),
            [
                "a.yaml: DataStream default/a: spec.groupId: groupId can't be changed; delete the stream and make a new one"
            ]
        );
        assert_eq!(changed.fleets[0].streams[0].group_id, "x");
    }
    assert_eq!(lines(&local.apply(&written(&[fleet(), stream("a", &json!({"groupId": "x"}))]))), [""; 0]);
}

#[test]
fn an_object_that_is_written_twice_counts_as_it_stands_first() {
    let mut local = Local::new().unwrap();
    let twice = Source { file: "b.yaml".to_owned(), ..stream("a", &json!({"groupId": "second"})) };
    let resolution = local.apply(&written(&[fleet(), stream("a", &json!({"groupId": "first"})), twice]));
    assert_eq!(
        lines(&resolution),
        ["b.yaml: DataStream default/a: stands in a.yaml already; remove one of the two"]
    );
    assert_eq!(resolution.fleets[0].streams[0].group_id, "first");
}

fn fleet_on(name: &str, port: u16) -> Source {
    let spec = json!({"sinks": [{"name": "local", "file": {}}], "listeners": {"http": {"port": port}}});
    source(&format!("{name}.yaml"), Kind::ProxyFleet, name, &spec)
}

fn ports(resolution: &Resolution) -> Vec<u16> {
    resolution.fleets.iter().map(|fleet| fleet.spec.listeners.http.port).collect()
}

#[test]
fn a_fleets_port_stays_what_it_was() {
    let mut local = Local::new().unwrap();
    local.apply(&written(&[fleet_on("a", 1)]));
    let changed = local.apply(&written(&[fleet_on("a", 2)]));
    assert_eq!(ports(&changed), [1]);
    assert!(
        lines(&changed)[0].contains("spec.listeners.http.port: the port can't be changed"),
        "{changed:?}"
    );
    local.apply(&written(&[]));
    assert_eq!(ports(&local.apply(&written(&[fleet_on("a", 2)]))), [2], "a new fleet has no past");
}

#[test]
fn a_fleet_that_never_had_its_port_may_choose_another() {
    let mut local = Local::new().unwrap();
    let taken = local.apply(&written(&[fleet_on("a", 1), fleet_on("b", 1)]));
    assert_eq!((ports(&taken), taken.problems[0].reason), (vec![1], Reason::PortTaken));
    let chosen = local.apply(&written(&[fleet_on("a", 1), fleet_on("b", 2)]));
    assert_eq!((ports(&chosen), lines(&chosen)), (vec![1, 2], Vec::new()));
    let changed = local.apply(&written(&[fleet_on("a", 1), fleet_on("b", 3)]));
    assert_eq!(ports(&changed), [1, 2], "from then on it has one");
}
