//! What the directory is made of.

use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::*;
use crate::watch::cluster::Change;

#[derive(Default)]
struct World {
    store: Store,
    maker: Maker,
    version: u64,
}

impl World {
    fn put(&mut self, source: Source, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        self.store.take(Change { source, event: Event::Apply(object) });
        self.maker.note(source);
    }

    fn fleet(&mut self, name: &str, mode: &str) {
        let fleet = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
            "metadata": {"namespace": "data", "name": name, "uid": name},
            "spec": {"mode": mode, "sinks": [], "listeners": {"http": {"port": 46_900}}}
        });
        self.put(Source::Fleets, fleet);
    }

    fn stream(&mut self, name: &str, second: u8, status: &Value) {
        let stream = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
            "metadata": {
                "namespace": "shop", "name": name, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")
            },
            "spec": {"limits": {"maxBodyBytes": format!("{}Ki", 100 + u32::from(second))}}, "status": status
        });
        self.put(Source::Streams, stream);
    }

    /// A stream of this group on `data/big` that asks producers for this.
    fn member(&mut self, group: &str, name: &str, auth: &Value) {
        let stream = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
            "metadata": {"namespace": "shop", "name": name}, "spec": {"auth": auth},
            "status": {"groupId": group, "fleet": "data/big", "conditions": []}
        });
        self.put(Source::Streams, stream);
    }

    fn pod(&mut self, fleet: &str, number: u8, account: &str) {
        let name = format!("sluice-{fleet}-{number}");
        let pod = json!({
            "metadata": {
                "namespace": "data", "name": name, "uid": format!("uid-{number}"),
                "labels": {"sluice.dev/fleet": fleet},
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "DaemonSet", "name": format!("sluice-{fleet}"), "uid": "2",
                    "controller": true
                }]
            },
            "spec": {"serviceAccountName": account, "containers": [], "nodeName": "m1"},
            "status": {"podIP": format!("10.0.0.{number}"), "conditions": [{"type": "Ready", "status": "True"}]}
        });
        self.put(Source::Pods, pod);
    }

    fn made(&mut self) -> Arc<Directory> {
        assert!(self.maker.is_stale(&self.store));
        let made = self.maker.make(&self.store);
        assert!(!self.maker.is_stale(&self.store));
        made
    }
}

fn key(name: &str) -> FleetKey {
    ("data".to_owned(), name.to_owned())
}

#[test]
fn a_fleets_nodes_are_its_own_pods() {
    let mut world = World::default();
    world.fleet("big", "DaemonSet");
    world.pod("big", 1, "sluice-big");
    world.pod("big", 2, "default");
    let directory = world.made();
    let fleet = &directory.fleets()[&key("big")];
    let wanted = Node {
        uid: "uid-1".into(),
        name: "sluice-big-1".into(),
        ip: Some("10.0.0.1".parse().unwrap()),
        admin: Some("10.0.0.1:9102".parse().unwrap()),
        ready: true,
        machine: Some("m1".into()),
    };
    assert_eq!((fleet.port, fleet.same_machine, &fleet.nodes), (46_900, true, &vec![wanted]));
    assert_eq!(directory.node("uid-1").unwrap().0, &key("big"));
    assert_eq!(directory.node("uid-2"), None, "it does not run under the fleet's account");
}

#[test]
fn a_group_is_where_its_streams_were_told() {
    let mut world = World::default();
    world.fleet("big", "Deployment");
    let told = |fleet: &str| json!({"groupId": "shop", "fleet": fleet, "conditions": []});
    world.stream("b", 3, &told("data/new"));
    world.stream("a", 5, &told("data/big"));
    world.stream("c", 1, &json!({"groupId": "refused", "conditions": []}));
    world.stream("d", 1, &Value::Null);
    let directory = world.made();
    let group = directory.group("shop").unwrap();
    assert_eq!(
        group,
        &Group { fleet: key("new"), longest: 105 << 10, guarded: false },
        "the oldest says where, all how long"
    );
    assert_eq!(directory.group("refused"), None);
    world.stream("b", 3, &told("data/big"));
    let directory = world.made();
    assert_eq!(directory.group("shop").unwrap().fleet, key("big"));
    assert_eq!(directory.fleets()[&key("big")].longest, 105 << 10);
}

#[test]
fn a_group_and_its_fleet_are_guarded_while_each_of_their_streams_is() {
    let token = json!({"type": "Token", "tokensSecret": {"name": "producers"}});
    let account = json!({"type": "ServiceAccount", "serviceAccounts": ["orders"]});
    let mut world = World::default();
    world.fleet("big", "Deployment");
    assert!(!world.made().fleets()[&key("big")].guarded, "there is nothing to guard");
    world.member("shut", "a", &token);
    world.member("shut", "b", &account);
    world.member("other", "c", &token);
    let directory = world.made();
    assert_eq!(["shut", "other"].map(|group| directory.group(group).unwrap().guarded), [true, true]);
    assert!(directory.fleets()[&key("big")].guarded);
    // One that is open counts, wherever it stands among the others.
    for (first, last) in [(&token, &json!({"type": "None"})), (&Value::Null, &account)] {
        world.member("mixed", "d", first);
        world.member("mixed", "e", last);
        let directory = world.made();
        let guarded = ["shut", "other", "mixed"].map(|group| directory.group(group).unwrap().guarded);
        assert_eq!(guarded, [true, true, false]);
        assert!(!directory.fleets()[&key("big")].guarded);
    }
}

#[test]
fn zones_are_those_of_machines() {
    let mut world = World::default();
    let node =
        |zone: &str| json!({"metadata": {"name": "m1", "labels": {"topology.kubernetes.io/zone": zone}}});
    world.put(Source::Nodes, node("east"));
    assert_eq!(world.made().map().zone("m1").as_deref(), Some("east"));
    world.put(Source::Nodes, node("east"));
    assert!(!world.maker.is_stale(&world.store));
    world.put(Source::Nodes, node("west"));
    assert_eq!(world.made().map().zone("m1").as_deref(), Some("west"));
}

/// A pod of namespace `data` that has a sidecar of this fleet.
fn beside(world: &mut World, fleet: &str, number: u8) {
    let pod = json!({
        "metadata": {
            "namespace": "data", "name": format!("app-{number}"), "uid": format!("uid-app-{number}"),
            "labels": {"sluice.dev/inject": fleet}, "annotations": {"sluice.dev/injected": "proxy:1"}
        },
        "spec": {
            "containers": [], "initContainers": [{"name": "sluice-proxy", "restartPolicy": "Always"}]
        },
        "status": {"podIP": format!("10.0.1.{number}")}
    });
    world.put(Source::Sidecars, pod);
}

#[test]
fn a_pod_with_a_sidecar_is_known_and_nobody_is_sent_there() {
    let mut world = World::default();
    world.fleet("beside", "Sidecar");
    world.fleet("big", "Deployment");
    beside(&mut world, "beside", 1);
    beside(&mut world, "big", 2);
    beside(&mut world, "none", 3);
    world.stream("a", 1, &json!({"groupId": "shop", "fleet": "data/beside", "conditions": []}));
    world.stream("b", 2, &json!({"groupId": "shop", "fleet": "data/big", "conditions": []}));
    let directory = world.made();
    let (_, found) = directory.sidecar("uid-app-1").unwrap();
    assert_eq!((&found.fleet, &*found.name), (&key("beside"), "app-1"));
    assert_eq!(directory.sidecar("uid-app-2"), None, "its fleet gives none");
    assert_eq!(directory.sidecar("uid-app-3"), None, "its fleet is not there");
    assert_eq!(directory.cluster("data.beside"), None);
    assert_eq!(directory.group("shop").unwrap().fleet, key("big"), "though the other stream is older");
}

#[test]
fn a_node_that_has_a_sidecar_too_is_not_listed() {
    let mut world = World::default();
    world.fleet("big", "DaemonSet");
    world.fleet("beside", "Sidecar");
    world.pod("big", 1, "sluice-big");
    let pod = json!({
        "metadata": {
            "namespace": "data", "name": "sluice-big-1", "uid": "uid-1",
            "labels": {"sluice.dev/inject": "beside"}, "annotations": {"sluice.dev/injected": "proxy:1"}
        },
        "spec": {
            "containers": [], "initContainers": [{"name": "sluice-proxy", "restartPolicy": "Always"}]
        }
    });
    world.put(Source::Sidecars, pod);
    let directory = world.made();
    assert_eq!(directory.fleets()[&key("big")].nodes, []);
    assert!(directory.sidecar("uid-1").is_some());
}
