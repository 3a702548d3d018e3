//! What a round plans against what is there, and what becomes of writes that fail.

use clap::Parser;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::plan::Plan;
use super::*;
use crate::args::Args;
use crate::kind::ObjectKind;
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
        let state = State {
            store: Store::default(),
            memory: Memory::default(),
            queue: Queue::default(),
            writes: JoinSet::new(),
            due: None,
            not_before: Instant::now(),
        };
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
        plan::plan(&self.state.store, &mut self.state.memory, self.state.queue.on_the_way(), &self.context)
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

/// The trust bundle that a plan applies in a namespace.
fn bundle<'a>(plan: &'a Plan, namespace: &str) -> Option<&'a Value> {
    plan.writes.iter().find_map(|write| match write {
        Write::Apply { key, wanted, .. } if key.name == "sluice-trust" && key.namespace == namespace => {
            Some(wanted)
        }
        _ => None,
    })
}

#[test]
fn every_namespace_with_a_fleet_gets_the_trust_bundle_and_it_is_told_when_all_have_it() {
    let mut world = World::new(&["a", "b"]);
    let plan = world.plan();
    assert!(bundle(&plan, "data").is_none() && plan.trusted.is_none(), "it is not known yet");
    world.context.trust = Some("one".into());
    let plan = world.plan();
    let wanted = bundle(&plan, "data").unwrap();
    let uids: Vec<_> = wanted["metadata"]["ownerReferences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| owner["uid"].as_str().unwrap())
        .collect();
    assert_eq!((&wanted["data"]["ca.crt"], uids), (&json!("one"), vec!["uid-a", "uid-b"]));
    assert_eq!(plan.trusted, None, "it is not there yet");
    world.carry_out(plan);
    let plan = world.plan();
    assert!(bundle(&plan, "data").is_none());
    assert_eq!(plan.trusted.as_deref(), Some("one"));
    // Another authority: told again only when it is everywhere.
    world.context.trust = Some("two".into());
    let plan = world.plan();
    assert_eq!(
        (&bundle(&plan, "data").unwrap()["data"]["ca.crt"], plan.trusted.is_none()),
        (&json!("two"), true)
    );
    world.carry_out(plan);
    assert_eq!(world.plan().trusted.as_deref(), Some("two"));
}

#[test]
fn where_there_is_no_fleet_the_trust_bundle_is_everywhere_at_once() {
    let mut world = World::new(&[]);
    world.context.trust = Some("one".into());
    let plan = world.plan();
    assert_eq!((plan.writes.len(), plan.trusted.as_deref()), (0, Some("one")));
}

#[test]
fn a_trust_bundle_that_somebody_changed_is_put_right() {
    let mut world = World::new(&["a"]);
    world.context.trust = Some("one".into());
    let plan = world.plan();
    let mut changed = bundle(&plan, "data").unwrap().clone();
    world.carry_out(plan);
    changed["data"]["ca.crt"] = "mine".into();
    changed["metadata"]["uid"] = "any".into();
    world.put(Source::Children(ObjectKind::ConfigMap), changed);
    let plan = world.plan();
    assert!(bundle(&plan, "data").is_some() && plan.trusted.is_none());
}

#[test]
fn a_fleet_that_goes_leaves_the_trust_bundle_to_the_others() {
    let mut world = World::new(&["a", "b"]);
    world.context.trust = Some("one".into());
    let plan = world.plan();
    world.carry_out(plan);
    let key = ("data".to_owned(), "a".to_owned());
    let mut leaving = serde_json::to_value(&*world.state.store.fleets[&key]).unwrap();
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z".into();
    world.put(Source::Fleets, leaving);
    let plan = world.plan();
    let owners = &bundle(&plan, "data").unwrap()["metadata"]["ownerReferences"];
    assert_eq!((owners.as_array().unwrap().len(), &owners[0]["uid"]), (1, &json!("uid-b")));
    assert!(
        !plan
            .writes
            .iter()
            .any(|write| matches!(write, Write::Delete { key, .. } if key.name == "sluice-trust"))
    );
}

#[test]
fn a_trust_bundle_whose_name_is_taken_is_told_by_a_fleet() {
    let mut world = World::new(&["a"]);
    world.context.trust = Some("one".into());
    let plan = world.plan();
    let refused = plan
        .writes
        .iter()
        .find(|write| matches!(write, Write::Apply { key, .. } if key.name == "sluice-trust"));
    world.state.note_fault(refused.unwrap(), &taken());
    assert_eq!(condition(&world.plan(), "a", "Degraded").reason, "NameTaken");
}
