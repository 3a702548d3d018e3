//! What a fleet of sidecars is told.

use super::*;

fn told(counts: Sidecars, without: &[&str]) -> ProxyFleetStatus {
    let without = without.iter().map(|name| (*name).to_owned()).collect();
    let sidecars = Some(SidecarsView { counts, without });
    let view = FleetView { revision: Some(7), sidecars, ..FleetView::default() };
    tell_fleet(&proxy_fleet("sluice-system/default", &json!({"mode": "Sidecar"})), &view)
}

fn words(status: &ProxyFleetStatus, condition: &str) -> (String, String) {
    let told = of(&status.conditions, condition);
    (told.reason.clone(), told.message.clone())
}

#[test]
fn sidecars_are_counted_and_are_the_fleets_proxies() {
    let counts = Sidecars { running: 2, waiting: 1, missing: 0, outdated: 1 };
    let status = told(counts, &[]);
    assert_eq!((status.replicas, status.ready_replicas, status.sidecars), (Some(3), Some(2), Some(counts)));
    let (reason, message) = words(&status, "Available");
    assert_eq!(
        (reason.as_str(), message.as_str()),
        ("NodesReady", "of 3 pods that ask for a sidecar 2 have one that runs")
    );
    let (reason, message) = words(&status, "Progressing");
    assert_eq!(reason, "UpToDate");
    assert!(message.starts_with("1 of 3 sidecars have another image than a new pod gets"), "{message}");
    assert_eq!(words(&status, "Degraded").0, "AsExpected");
}

#[test]
fn of_pods_that_went_without_some_are_named_and_all_are_counted() {
    let names: Vec<String> = (0..9).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let status = told(Sidecars { missing: 9, ..Sidecars::default() }, &names);
    let (reason, message) = words(&status, "Degraded");
    assert_eq!(reason, "SidecarsMissing");
    assert!(message.contains(": p0, p1, p2, p3, p4 and 4 more; "), "{message}");
    let (reason, message) = words(&status, "Available");
    assert_eq!(reason, "NoNodesReady");
    assert!(message.starts_with("of 9 pods that ask for a sidecar none has one that runs"), "{message}");
}

#[test]
fn without_a_configuration_there_is_nothing_to_be_had() {
    let view = FleetView { sidecars: Some(SidecarsView::default()), ..FleetView::default() };
    let status = tell_fleet(&proxy_fleet("sluice-system/default", &json!({"mode": "Sidecar"})), &view);
    assert_eq!(words(&status, "Available").0, "NoNodesReady");
    assert_eq!(words(&status, "Progressing").0, "Starting");
}
