//! The trust bundle of every namespace with a fleet.

use super::*;

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
