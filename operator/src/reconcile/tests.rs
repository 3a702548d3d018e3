//! What a round plans against what is there, and what becomes of writes that fail.

mod credentials;
mod scaling;
mod sidecars;
mod trust;

use clap::Parser;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::plan::Plan;
use super::*;
use crate::apply::{Outcome, Write};
use crate::args::Args;
use crate::kind::ObjectKind;
use crate::observe::FaultKind;
use crate::watch::cluster::Source;

struct World {
    state: State,
    context: Context,
    version: u64,
}

impl World {
    /// Fleets of one proxy in the namespace `data`, the first being the oldest.
    fn new(fleets: &[&str]) -> Self {
        let args = Args::parse_from(["sluice-operator", "--proxy-image", "proxy:1"]);
        let state = State::new(WRITE_RATE);
        let mut world = Self { state, context: Context::new(&args), version: 0 };
        for (age, name) in fleets.iter().enumerate() {
            world.fleet(name, age, 1);
        }
        world
    }

    fn fleet(&mut self, name: &str, age: usize, replicas: i32) {
        let fleet = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
            "metadata": {
                "namespace": "data", "name": name, "uid": format!("uid-{name}"), "generation": 1,
                "creationTimestamp": format!("2026-01-01T00:00:{age:02}Z")
            },
            "spec": {
                "replicas": replicas, "sinks": [{"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}}]
            }
        });
        self.put(Source::Fleets, fleet);
    }

    fn put(&mut self, source: Source, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        self.state.store.take(Change { source, event: Event::Apply(object) });
    }

    fn plan(&mut self) -> Plan {
        plan::plan(&self.state.store, &mut self.state.memory, &self.state.queue, &self.context)
    }

    /// Puts what a plan applies into the cluster, workloads rolled out.
    fn carry_out(&mut self, plan: Plan) {
        for write in plan.writes {
            let Write::Apply { key, mut wanted, .. } = write else { continue };
            wanted["metadata"]["uid"] = key.to_string().into();
            if key.kind == ObjectKind::Deployment {
                let replicas = wanted["spec"]["replicas"].clone();
                wanted["metadata"]["generation"] = 1.into();
                wanted["status"] = json!({
                    "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
                    "readyReplicas": replicas
                });
            }
            self.put(Source::Children(key.kind), wanted);
        }
    }
}

/// The fleets whose Deployment a plan applies.
fn rolled(plan: &Plan) -> Vec<&str> {
    let deployments = plan.writes.iter().filter_map(|write| match write {
        Write::Apply { key, .. } if key.kind == ObjectKind::Deployment => Some(key.name.as_str()),
        _ => None,
    });
    deployments.filter_map(|name| name.strip_prefix("sluice-")).collect()
}

fn condition(plan: &Plan, fleet: &str, kind: &str) -> Condition {
    let told = plan.writes.iter().find_map(|write| match write {
        Write::FleetStatus { name, status, .. } if name.1 == fleet => Some(&status.conditions),
        _ => None,
    });
    told.unwrap().iter().find(|condition| condition.type_ == kind).unwrap().clone()
}

fn publication(plan: &Plan) -> Option<&Write> {
    plan.writes.iter().find(|write| matches!(write, Write::Publish(_)))
}

fn taken() -> SendError {
    let key = ChildKey { kind: ObjectKind::ConfigMap, namespace: "data".to_owned(), name: "x".to_owned() };
    SendError::NameTaken(key)
}

#[test]
fn what_is_there_as_wanted_is_not_written_again() {
    let mut world = World::new(&["a"]);
    let first = world.plan();
    assert_eq!(rolled(&first), ["a"]);
    world.carry_out(first);
    let second = world.plan();
    assert!(!second.writes.iter().any(|write| matches!(write, Write::Apply { .. } | Write::Delete { .. })));
}

#[test]
fn a_publication_that_is_refused_stays_planned_and_told() {
    let mut world = World::new(&["a"]);
    let first = world.plan();
    let refused = publication(&first).unwrap();
    world.state.note_fault(refused, &taken());
    for _ in 0..2 {
        let next = world.plan();
        assert!(publication(&next).is_some());
        assert_eq!(condition(&next, "a", "Degraded").reason, "NameTaken");
    }
}

#[test]
fn a_fault_of_what_is_wanted_no_more_is_untold_at_once() {
    let mut world = World::new(&["a"]);
    let key = ChildKey { kind: ObjectKind::Service, namespace: "data".to_owned(), name: "old".to_owned() };
    let fault = Fault { kind: FaultKind::ApplyRefused, message: "no".to_owned() };
    let subject = Subject::Fleet(("data".to_owned(), "a".to_owned()));
    world.state.memory.faults.entry(subject).or_default().insert(About::Child(key), fault);
    assert_eq!(condition(&world.plan(), "a", "Degraded").reason, "AsExpected");
}

#[test]
fn a_new_image_comes_to_two_fleets_and_the_third_is_only_scaled() {
    let mut world = World::new(&["a", "b", "c"]);
    let first = world.plan();
    world.carry_out(first);
    world.context.image = "proxy:2".to_owned();
    world.fleet("c", 2, 3);
    let plan = world.plan();
    assert_eq!(rolled(&plan), ["a", "b"]);
    assert_eq!(condition(&plan, "c", "Progressing").reason, "Waiting");
    let scaled = plan.writes.iter().find_map(|write| match write {
        Write::Scale { key, replicas, .. } => Some((key.name.as_str(), *replicas)),
        _ => None,
    });
    assert_eq!(scaled, Some(("sluice-c", 3)));
    world.carry_out(plan);
    // Both have it, and are well.
    assert_eq!(rolled(&world.plan()), ["c"]);
}

#[test]
fn a_number_of_pods_that_is_kept_otherwise_is_not_asked_for_again() {
    let mut world = World::new(&["a", "b", "c"]);
    let first = world.plan();
    world.carry_out(first);
    world.context.image = "proxy:2".to_owned();
    world.fleet("c", 2, 3);
    let plan = world.plan();
    let scale = plan.writes.iter().find(|write| matches!(write, Write::Scale { .. })).unwrap();
    let Write::Scale { key, .. } = scale else { panic!("{scale:?}") };
    let answered = world.state.store.children[key].version;
    plan::note_kept(&world.state.store, &mut world.state.memory, scale, answered);
    assert!(!world.plan().writes.iter().any(|write| matches!(write, Write::Scale { .. })));
}

#[test]
fn a_paused_fleet_holds_up_no_other() {
    let mut world = World::new(&["a", "b", "c"]);
    let first = world.plan();
    world.carry_out(first);
    world.context.image = "proxy:2".to_owned();
    for name in ["a", "b"] {
        let key = ("data".to_owned(), name.to_owned());
        let mut fleet = serde_json::to_value(&*world.state.store.fleets[&key]).unwrap();
        fleet["metadata"]["annotations"] = json!({"sluice.dev/paused": "true"});
        world.put(Source::Fleets, fleet);
    }
    assert_eq!(rolled(&world.plan()), ["c"]);
}

/// A stream of the namespace `data` on fleet `a`, whose nodes are listed with these loads.
fn listing(world: &mut World, loads: &[(&str, u8)], warm: bool) {
    use crate::registry::placement::Candidate;
    use crate::registry::roll::Listing;
    let nodes = loads.iter().map(|(name, load)| {
        let ip = std::net::IpAddr::from([10, 0, 0, name.as_bytes()[0]]);
        Candidate { load: *load, ..Candidate::new((*name).into(), (*name).into(), ip) }
    });
    let listing = Listing { nodes: nodes.collect(), ready: loads.len(), silent: None };
    let fleets = [(("data".to_owned(), "a".to_owned()), Arc::new(listing))].into();
    world.state.rolled(Arc::new(Roll { warm, fleets }));
}

fn with_stream() -> World {
    let mut world = World::new(&["a"]);
    let stream = json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": "data", "name": "orders", "uid": "uid-orders", "generation": 1},
        "spec": {"fleet": {"name": "a"}}
    });
    world.put(Source::Streams, stream);
    world
}

/// The addresses in the endpoint ConfigMap that a plan writes.
fn addresses(plan: &Plan) -> Option<&str> {
    plan.writes.iter().find_map(|write| match write {
        Write::Apply { key, wanted, .. } if key.name == "orders-endpoints" => {
            wanted["data"]["SLUICE_ADDRESSES"].as_str()
        }
        _ => None,
    })
}

#[test]
fn the_emptiest_node_is_written_first() {
    let mut world = with_stream();
    listing(&mut world, &[("a", 40), ("b", 10), ("c", 120)], true);
    assert_eq!(addresses(&world.plan()), Some("10.0.0.98:46802,10.0.0.97:46802"));
}

#[test]
fn loads_alone_are_not_written_again_at_once_but_another_node_is() {
    let mut world = with_stream();
    listing(&mut world, &[("a", 40), ("b", 10)], true);
    let first = world.plan();
    world.carry_out(first);
    assert_eq!(addresses(&world.plan()), None);
    listing(&mut world, &[("a", 10), ("b", 40)], true);
    let plan = world.plan();
    assert_eq!(addresses(&plan), None);
    let again = plan.again.unwrap() - Instant::now();
    assert!(again > Duration::from_secs(55) && again <= Duration::from_secs(60), "{again:?}");
    // More than a second later.
    age(&mut world, 1_500);
    listing(&mut world, &[("b", 40)], true);
    assert_eq!(addresses(&world.plan()), Some("10.0.0.98:46802"));
}

/// Has the endpoint ConfigMap been written so many milliseconds earlier.
fn age(world: &mut World, millis: u64) {
    let (key, child) =
        world.state.store.children.iter().find(|(key, _)| key.name == "orders-endpoints").unwrap();
    let mut value = child.value.clone();
    let at: u64 = child.annotation("sluice.dev/listed-at").unwrap().parse().unwrap();
    value["metadata"]["annotations"]["sluice.dev/listed-at"] = (at - millis).to_string().into();
    let child = Child { value, ..child.clone() };
    world.state.store.children.insert(key.clone(), child);
}

#[test]
fn an_operator_that_starts_writes_no_list_again() {
    let mut world = with_stream();
    listing(&mut world, &[("a", 40), ("b", 10)], true);
    let first = world.plan();
    world.carry_out(first);
    // It knows nothing yet, then which nodes there are, then how they are.
    world.state.memory = Memory::default();
    assert_eq!(addresses(&world.plan()), None);
    listing(&mut world, &[("a", 0), ("b", 0)], false);
    assert_eq!(addresses(&world.plan()), None);
    listing(&mut world, &[("a", 40), ("b", 10)], true);
    let plan = world.plan();
    assert_eq!((addresses(&plan), plan.again), (None, None));
}

#[test]
fn what_somebody_wrote_into_a_list_is_put_right_at_once() {
    let mut world = with_stream();
    listing(&mut world, &[("a", 40), ("b", 10)], true);
    let first = world.plan();
    world.carry_out(first);
    listing(&mut world, &[("a", 10), ("b", 40)], true);
    let key = world.state.store.children.keys().find(|key| key.name == "orders-endpoints").unwrap().clone();
    world.state.store.children.get_mut(&key).unwrap().value["data"]["SLUICE_ADDRESSES"] = "x".into();
    assert_eq!(addresses(&world.plan()), Some("10.0.0.97:46802,10.0.0.98:46802"));
}

#[test]
fn before_nodes_are_known_no_list_is_made_for_a_stream_that_has_none() {
    let mut world = with_stream();
    assert_eq!(addresses(&world.plan()), None);
    listing(&mut world, &[("a", 0)], false);
    assert_eq!(addresses(&world.plan()), Some("10.0.0.97:46802"));
}

#[test]
fn most_nodes_silent_is_told_and_stays_told_until_it_is_known_better() {
    let mut world = World::new(&["a"]);
    listing(&mut world, &[("a", 0)], true);
    let mut roll = (*world.state.memory.roll).clone();
    let key = ("data".to_owned(), "a".to_owned());
    let mut silent = (*roll.fleets[&key]).clone();
    silent.silent = Some(1);
    roll.fleets.insert(key, Arc::new(silent));
    world.state.rolled(Arc::new(roll));
    let plan = world.plan();
    assert_eq!(condition(&plan, "a", "Degraded").reason, "NodesSilent");
    let told = plan.writes.into_iter().find_map(|write| match write {
        Write::FleetStatus { name, status, .. } => Some((name, status)),
        _ => None,
    });
    let (name, status) = told.unwrap();
    let mut fleet = serde_json::to_value(&*world.state.store.fleets[&name]).unwrap();
    fleet["status"] = serde_json::to_value(status).unwrap();
    world.put(Source::Fleets, fleet);
    world.state.memory.roll = Arc::default();
    let untold = world.plan().writes.iter().all(|write| !matches!(write, Write::FleetStatus { .. }));
    assert!(untold, "a cold start writes nothing");
    listing(&mut world, &[("a", 0)], true);
    assert_eq!(condition(&world.plan(), "a", "Degraded").reason, "AsExpected");
}
