//! Fleets of sidecars, and the pods that ask for one.

use super::*;
use crate::nodes::Pace;
use sluice_crds::fleet::Sidecars;

/// A fleet `beside` of mode `mode`, and a stream on it.
fn world(mode: &str) -> World {
    let mut world = World::new(&[]);
    let fleet = json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": "data", "name": "beside", "uid": "uid-beside", "generation": 1},
        "spec": {"mode": mode, "sinks": [{"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}}]}
    });
    world.put(Source::Fleets, fleet);
    let stream = json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": "data", "name": "orders", "uid": "uid-orders", "generation": 1},
        "spec": {"fleet": {"name": "beside"}}
    });
    world.put(Source::Streams, stream);
    world.context.trust = Some("PEM".into());
    world.state.rolled(Arc::new(Roll { warm: true, fleets: BTreeMap::new() }));
    world
}

/// Has a pod that asks for a sidecar; with an image it has one, which runs or not.
fn pod(world: &mut World, name: &str, image: Option<&str>, runs: bool) {
    let mut pod = json!({
        "metadata": {
            "namespace": "data", "name": name, "uid": format!("uid-{name}"), "labels": {"sluice.dev/inject": "beside"}
        },
        "spec": {"containers": [{"name": "app"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1"}
    });
    if let Some(image) = image {
        pod["metadata"]["annotations"] = json!({"sluice.dev/injected": image});
        pod["spec"]["initContainers"] =
            json!([{"name": "sluice-proxy", "image": image, "restartPolicy": "Always"}]);
        pod["status"]["initContainerStatuses"] = json!([{
            "name": "sluice-proxy", "image": image, "imageID": "", "ready": runs, "restartCount": 0, "started": runs,
            "state": {"running": {}}
        }]);
    }
    world.put(Source::Sidecars, pod);
}

/// What the plan tells of the fleet.
fn told(plan: &Plan) -> sluice_crds::ProxyFleetStatus {
    let status = plan.writes.iter().find_map(|write| match write {
        Write::FleetStatus { status, .. } => Some((**status).clone()),
        _ => None,
    });
    status.unwrap()
}

/// Which objects a plan applies, by kind and name.
fn applied(plan: &Plan) -> Vec<(ObjectKind, &str)> {
    let applied = plan.writes.iter().filter_map(|write| match write {
        Write::Apply { key, .. } => Some((key.kind, key.name.as_str())),
        _ => None,
    });
    applied.collect()
}

#[test]
fn a_fleet_of_sidecars_has_a_configuration_the_trust_bundle_and_its_streams_endpoints() {
    let mut world = world("Sidecar");
    let plan = world.plan();
    assert!(publication(&plan).is_some());
    let wanted = [(ObjectKind::ConfigMap, "sluice-trust"), (ObjectKind::ConfigMap, "orders-endpoints")];
    assert_eq!(applied(&plan), wanted);
    let url = plan.writes.iter().find_map(|write| match write {
        Write::Apply { wanted, .. } => wanted["data"]["SLUICE_URL"].as_str(),
        _ => None,
    });
    assert_eq!(url, Some("http://127.0.0.1:46802"));
    assert_eq!(told(&plan).selector.as_deref(), Some("sluice.dev/inject=beside"));
}

#[test]
fn pods_are_counted_by_what_became_of_their_sidecars() {
    let mut world = world("Sidecar");
    pod(&mut world, "a", Some("proxy:1"), true);
    pod(&mut world, "b", Some("proxy:0"), true);
    pod(&mut world, "c", Some("proxy:1"), false);
    pod(&mut world, "d", None, false);
    let plan = world.plan();
    let status = told(&plan);
    let counts = Sidecars { running: 2, waiting: 1, missing: 1, outdated: 1 };
    assert_eq!((status.sidecars, status.replicas, status.ready_replicas), (Some(counts), Some(3), Some(2)));
    let degraded = condition(&plan, "beside", "Degraded");
    assert!(degraded.message.contains("have none: d; "), "{degraded:?}");
    let events = plan.writes.iter().find_map(|write| match write {
        Write::FleetStatus { events, .. } => Some(events),
        _ => None,
    });
    assert!(events.unwrap().iter().any(|event| event.warns && event.reason == "SidecarsMissing"));
}

#[test]
fn a_sidecar_is_asked_how_it_is_and_seldom_once_it_has_what_is_published() {
    let mut world = world("Sidecar");
    pod(&mut world, "a", Some("proxy:1"), true);
    pod(&mut world, "d", None, false);
    let plan = world.plan();
    assert_eq!(plan.targets.keys().collect::<Vec<_>>(), ["uid-a"]);
    assert_eq!(plan.targets["uid-a"].pace, Pace::Later);
}

#[test]
fn a_pod_whose_fleet_gives_no_sidecars_is_told_so_once() {
    for (mode, words) in [("Deployment", "is of mode Deployment"), ("", "is not there")] {
        let mut world = if mode.is_empty() { World::new(&[]) } else { world(mode) };
        pod(&mut world, "d", None, false);
        let plan = world.plan();
        let event = plan.writes.iter().find(|write| matches!(write, Write::PodEvent { .. })).unwrap();
        let Write::PodEvent { name, event: told, .. } = event else { panic!("{event:?}") };
        assert_eq!(name, &("data".to_owned(), "d".to_owned()));
        assert!(told.warns && told.note.contains(words), "{told:?}");
        plan::note_told(&mut world.state.memory, event);
        assert!(!world.plan().writes.iter().any(|write| matches!(write, Write::PodEvent { .. })));
    }
}
