//! A fleet that autoscales: its workload's number is its own, and what becomes of it is told.

use sluice_wire::status::NodeState;

use super::*;
use crate::scale::Kind;
use crate::status::Event;

impl World {
    /// Fleet `a` with a spec that has more in it.
    fn fleet_with(&mut self, more: &Value) {
        let mut spec = json!({"sinks": [{"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let fleet = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
            "metadata": {
                "namespace": "data", "name": "a", "uid": "uid-a", "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z"
            },
            "spec": spec
        });
        self.put(Source::Fleets, fleet);
    }

    /// A fleet that autoscales from one to ten proxies, its objects as the first plan wanted them.
    fn scaling(replicas: i32) -> Self {
        let mut world = Self::new(&[]);
        world.fleet_with(&json!({"replicas": replicas, "autoscaling": {"min": 1, "max": 10}}));
        let first = world.plan();
        world.carry_out(first);
        world
    }

    /// Ready pods of fleet `a`, each of which says how full it is.
    fn nodes(&mut self, loads: &[Option<u8>]) {
        for (number, load) in loads.iter().enumerate() {
            let uid = format!("pod-{number}");
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "namespace": "data", "name": uid, "uid": uid, "labels": {"sluice.dev/fleet": "a"},
                    "ownerReferences": [{
                        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "sluice-a-7d9f", "uid": "r",
                        "controller": true
                    }]
                },
                "spec": {"serviceAccountName": "sluice-a", "containers": []},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]}
            });
            self.put(Source::Pods, pod);
            match load {
                Some(load) => drop(self.state.memory.loads.insert(uid, (*load, Instant::now()))),
                None => drop(self.state.memory.loads.remove(&uid)),
            }
        }
    }

    fn deployment(&self) -> &Value {
        let name = "sluice-a".to_owned();
        let key = ChildKey { kind: ObjectKind::Deployment, namespace: "data".to_owned(), name };
        &self.state.store.children[&key].value
    }

    /// Whether everything but statuses is as wanted.
    fn writes_nothing(&mut self) -> bool {
        let is_object =
            |write: &Write| matches!(write, Write::Apply { .. } | Write::Delete { .. } | Write::Scale { .. });
        !self.plan().writes.iter().any(is_object)
    }
}

/// How many pods a plan gives the Deployment of fleet `a`.
fn wanted(plan: &Plan) -> Option<i64> {
    plan.writes.iter().find_map(|write| match write {
        Write::Apply { key, wanted, .. } if key.kind == ObjectKind::Deployment => {
            wanted["spec"]["replicas"].as_i64()
        }
        _ => None,
    })
}

/// The write of fleet `a`'s status, and its Events about scaling.
fn told(plan: &Plan) -> (Option<&Write>, Vec<(bool, &str, &str)>) {
    let status = plan.writes.iter().find(|write| matches!(write, Write::FleetStatus { .. }));
    let Some(Write::FleetStatus { events, .. }) = status else { return (None, Vec::new()) };
    let about = |event: &&Event| event.reason.starts_with("Scaled") && event.reason != "ScaledToZero";
    let told = events.iter().filter(about);
    (status, told.map(|event| (event.warns, event.reason.as_str(), event.note.as_str())).collect())
}

#[test]
fn its_spec_says_only_how_many_proxies_it_starts_with() {
    for (replicas, start) in [(0, 1), (3, 3), (11, 10)] {
        let mut world = World::scaling(replicas);
        assert_eq!(world.deployment()["spec"]["replicas"], start);
        world.fleet_with(&json!({"replicas": 7, "autoscaling": {"min": 1, "max": 10}}));
        assert!(world.writes_nothing());
    }
}

#[test]
fn one_that_is_too_full_gets_more_at_once_and_an_event_says_why() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(82), Some(80), Some(84)]);
    let plan = world.plan();
    assert_eq!((wanted(&plan), told(&plan).1), (Some(5), Vec::new()));
    world.carry_out(plan);
    let plan = world.plan();
    let note = "3 to 5 proxies: mean load 82 of target 60";
    assert_eq!((wanted(&plan), told(&plan).1), (None, vec![(false, "ScaledUp", note)]));
    assert_eq!(plan.scaled, [Kind::ScaledUp]);
    assert_eq!(world.deployment()["spec"]["replicas"], 5);
}

#[test]
fn what_was_told_of_scaling_is_not_told_again_and_what_was_not_is() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(82); 3]);
    let plan = world.plan();
    world.carry_out(plan);
    // The status is not written, or its answer is not there.
    assert_eq!(told(&world.plan()).1.len(), 1);
    let plan = world.plan();
    assert_eq!(told(&plan).1.len(), 1);
    assert!(plan.scaled.is_empty());
    let status = told(&plan).0.unwrap().clone();
    world.state.wrote(&status, Outcome { objects: Vec::new() });
    assert!(told(&world.plan()).1.is_empty());
}

#[test]
fn an_event_is_told_though_the_status_stays() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(82); 3]);
    let plan = world.plan();
    world.carry_out(plan);
    let plan = world.plan();
    let Some(Write::FleetStatus { status, .. }) = told(&plan).0 else { panic!("{plan:?}") };
    let key = ("data".to_owned(), "a".to_owned());
    let mut fleet = serde_json::to_value(&*world.state.store.fleets[&key]).unwrap();
    fleet["status"] = serde_json::to_value(status).unwrap();
    world.put(Source::Fleets, fleet);
    let plan = world.plan();
    let Some(Write::FleetStatus { status, .. }) = told(&plan).0 else { panic!("{plan:?}") };
    assert_eq!(Some(&**status), world.state.store.fleets[&key].status.as_ref());
    assert_eq!(told(&plan).1.len(), 1);
}

#[test]
fn an_operator_that_starts_leaves_the_number_as_it_is() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(82); 3]);
    let plan = world.plan();
    world.carry_out(plan);
    // It asks its nodes again, of which it knows nothing yet, or that they are idle.
    for load in [None, Some(0)] {
        world.state.memory = Memory::default();
        world.nodes(&[load; 5]);
        assert!(world.writes_nothing());
        assert_eq!(world.deployment()["spec"]["replicas"], 5);
    }
}

#[test]
fn a_number_outside_of_the_bounds_is_put_right_at_once() {
    let mut world = World::scaling(8);
    world.fleet_with(&json!({"autoscaling": {"min": 1, "max": 4}}));
    let plan = world.plan();
    assert_eq!(wanted(&plan), Some(4));
    world.carry_out(plan);
    let plan = world.plan();
    assert_eq!(told(&plan).1, [(false, "ScaledDown", "8 to 4 proxies: spec.autoscaling.max is 4")]);
}

#[test]
fn a_paused_fleet_is_not_scaled() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(200); 3]);
    let key = ("data".to_owned(), "a".to_owned());
    let mut fleet = serde_json::to_value(&*world.state.store.fleets[&key]).unwrap();
    fleet["metadata"]["annotations"] = json!({"sluice.dev/paused": "true"});
    world.put(Source::Fleets, fleet);
    assert!(world.writes_nothing());
    assert_eq!(world.plan().again, None);
}

#[test]
fn a_fleet_that_waits_for_a_new_image_is_scaled_all_the_same() {
    let mut world = World::scaling(3);
    for name in ["b", "c"] {
        world.fleet(name, 0, 1);
    }
    let plan = world.plan();
    world.carry_out(plan);
    // Both are older, so they come first.
    let fleet =
        serde_json::to_value(&*world.state.store.fleets[&("data".to_owned(), "a".to_owned())]).unwrap();
    let mut younger = fleet;
    younger["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z".into();
    world.put(Source::Fleets, younger);
    world.nodes(&[Some(82); 3]);
    world.context.image = "proxy:2".to_owned();
    let plan = world.plan();
    assert_eq!(rolled(&plan), ["b", "c"]);
    let scaled = plan.writes.iter().find_map(|write| match write {
        Write::Scale { key, replicas, .. } => Some((key.name.as_str(), *replicas)),
        _ => None,
    });
    assert_eq!(scaled, Some(("sluice-a", 5)));
}

#[test]
fn taking_autoscaling_out_puts_the_spec_in_charge_again() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(82); 3]);
    let plan = world.plan();
    world.carry_out(plan);
    world.fleet_with(&json!({"replicas": 2}));
    assert_eq!(wanted(&world.plan()), Some(2));
}

#[test]
fn a_fleet_that_autoscales_is_looked_at_every_few_seconds() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(60); 3]);
    let plan = world.plan();
    assert!(plan.again.unwrap() <= Instant::now() + Duration::from_secs(5));
    assert_eq!(World::new(&["a"]).plan().again, None);
}

#[test]
fn a_load_alone_plans_nothing_holds_for_a_while_and_is_forgotten_with_its_pod() {
    let mut world = World::scaling(1);
    world.nodes(&[None]);
    let status = |load: Option<u8>| NodeStatus {
        https: None,
        version: String::new(),
        uid: String::new(),
        started: 0,
        load,
        band: 0,
        state: NodeState::Ready,
        fleet: None,
        revision: 1,
        config_error: None,
        config_source: None,
        inflight_bytes: 0,
        connections: 0,
        sinks: Vec::new(),
        streams: Vec::new(),
    };
    let mut answer = |uid: &str, status: Option<NodeStatus>| {
        world.state.due = None;
        world.state.answer(Answer { uid: uid.to_owned(), status });
        (world.state.due.is_some(), world.state.memory.load(uid, Instant::now()))
    };
    assert_eq!(answer("pod-0", Some(status(Some(7)))), (true, Some(7)));
    assert_eq!(answer("pod-0", Some(status(Some(70)))), (false, Some(70)));
    assert_eq!(answer("pod-0", Some(status(Some(255)))), (false, Some(200)));
    assert_eq!(answer("pod-0", None), (false, Some(200)));
    assert_eq!(answer("gone", Some(status(Some(7)))), (true, Some(7)));
    assert_eq!(world.state.memory.load("pod-0", Instant::now() + LOAD_HOLDS * 2), None);
    world.plan();
    assert!(!world.state.memory.loads.contains_key("gone"));
}

#[test]
fn an_operator_that_leads_again_knows_nothing_of_its_former_term_but_who_is_listed() {
    let mut world = World::scaling(3);
    world.nodes(&[Some(82); 3]);
    world.plan();
    world.state.memory.roll = Arc::new(Roll { warm: true, ..Roll::default() });
    world.state.memory.forget_all();
    assert!(world.state.memory.loads.is_empty() && world.state.memory.scales.is_empty());
    assert!(world.state.memory.roll.warm);
    assert!(world.writes_nothing(), "a load of the former term is no reason to scale");
}
