//! A scenario for each reason of each condition.

use std::collections::BTreeSet;

use super::*;

/// What brings a reason about, and the condition that came of it.
pub(super) struct Scenario {
    pub(super) kind: Kind,
    pub(super) reason: &'static str,
    pub(super) condition: Condition,
}

pub(super) fn all() -> Vec<Scenario> {
    [
        accepted(),
        programmed(),
        sink_ready(),
        auth_ready(),
        durability(),
        ready(),
        available(),
        progressing(),
        degraded(),
    ]
    .concat()
    .into_iter()
    .map(|(kind, reason, condition)| Scenario { kind, reason, condition })
    .collect()
}

type Told = (Kind, &'static str, Condition);

/// The condition of a stream.
fn stream_is(condition: &str, reason: &'static str, decision: &Decision, view: &FleetView) -> Told {
    (Kind::DataStream, reason, of(&tell(&orders(), decision, view).conditions, condition).clone())
}

/// The condition of a fleet.
fn fleet_is(condition: &str, reason: &'static str, more: &Value, view: &FleetView) -> Told {
    let fleet = proxy_fleet("sluice-system/default", more);
    (Kind::ProxyFleet, reason, of(&tell_fleet(&fleet, view).conditions, condition).clone())
}

fn accepted() -> Vec<Told> {
    let default = || proxy_fleet("sluice-system/default", &json!({}));
    let refused = |reason: &'static str, fleets: &[ProxyFleet], streams: &[DataStream]| {
        let decision = resolved(fleets, streams).streams.pop().unwrap();
        stream_is("Accepted", reason, &decision, &FleetView::default())
    };
    let with = |spec: Value| [data_stream("orders", &spec)];
    let mut full = resolved(&[default()], &[orders()]);
    let reference = full.streams[0].stream.clone();
    full.turn_away(&key("sluice-system/default"), &BTreeSet::from([reference]));
    let own = proxy_fleet("shop/own", &json!({}));
    vec![
        stream_is("Accepted", "Accepted", &served(), &FleetView::default()),
        refused("NoDefaultFleet", &[], &[orders()]),
        refused("FleetNotFound", &[], &with(json!({"fleet": {"name": "big", "namespace": "data"}}))),
        refused("SinkNotFound", &[default()], &with(json!({"sink": {"name": "kafak"}}))),
        refused("SinkNotDurable", &[default()], &with(json!({"sink": {"name": "local"}}))),
        refused("NoClientCa", &[default()], &with(json!({"sources": {"clientNames": ["orders.shop.svc"]}}))),
        refused("NotPermitted", &[default()], &with(json!({"sink": {"topic": "billing.x"}}))),
        refused(
            "LimitTooLarge",
            &[proxy_fleet("sluice-system/default", &json!({"overload": {"maxInflightBytes": "1Mi"}}))],
            &with(json!({"limits": {"maxBodyBytes": "1Mi"}})),
        ),
        refused(
            "Conflict",
            &[default()],
            &[orders(), data_stream("orders-2", &json!({"streamId": "orders"}))],
        ),
        refused(
            "GroupElsewhere",
            &[default(), own],
            &[orders(), data_stream("payments", &json!({"fleet": {"name": "own"}}))],
        ),
        stream_is("Accepted", "FleetFull", &full.streams[0], &FleetView::default()),
    ]
}

fn programmed() -> Vec<Told> {
    let is = |reason, view: &FleetView| stream_is("Programmed", reason, &served(), view);
    let behind = || says(|status| status.streams[0].generation = GENERATION - 1);
    let refuses = says(|status| {
        status.streams.clear();
        status.config_error = Some("sink kafka: property linger.ms must be a number".to_owned());
    });
    let nowhere = resolved(&[], &[orders()]).streams.remove(0);
    vec![
        is("Programmed", &seen([good(), good()])),
        stream_is("Programmed", "NotAccepted", &nowhere, &FleetView::default()),
        is("NoNodes", &FleetView::default()),
        is("ConfigRefused", &seen([good(), refuses])),
        is("FleetPaused", &FleetView { paused: true, ..seen([behind()]) }),
        is("Pending", &seen([good(), behind()])),
    ]
}

fn sink_ready() -> Vec<Told> {
    let is = |reason, view: &FleetView| stream_is("SinkReady", reason, &served(), view);
    let bad = |reason: &'static str, cause: NotReady, message: &str| {
        is(reason, &seen([good(), not_ready(cause, message)]))
    };
    let nowhere = resolved(&[], &[orders()]).streams.remove(0);
    vec![
        is("SinkReady", &seen([good()])),
        bad("SecretUnusable", NotReady::SecretUnusable, "Secret kafka-login has no key password"),
        bad("SinkUnreachable", NotReady::SinkUnreachable, "no broker of k:9092 answers"),
        bad(
            "TopicMissing",
            NotReady::TopicMissing,
            "topic shop.orders is missing; create it or set sink.create",
        ),
        bad("TopicForbidden", NotReady::TopicForbidden, "the user may not write to topic shop.orders"),
        bad("TopicUnfit", NotReady::TopicUnfit, "topic shop.orders takes no record longer than 1Ki"),
        bad("SinkNotReady", NotReady::Other, "the broker does not speak a protocol that is known"),
        bad("Checking", NotReady::Checking, "the topic has not been checked yet"),
        is("NotReported", &seen([good(), says(|status| status.streams.clear())])),
        is("NoNodes", &FleetView::default()),
        stream_is("SinkReady", "NotAccepted", &nowhere, &FleetView::default()),
    ]
}

fn auth_ready() -> Vec<Told> {
    let of_proof = |reason, proof: &Proof, view: &FleetView| {
        let status = tell_guarded(&orders(), view, proof);
        (Kind::DataStream, reason, of(&status.conditions, "AuthReady").clone())
    };
    let is =
        |reason, trouble: Trouble| of_proof(reason, &proof(&[("a", None)], trouble), &seen([holds("new")]));
    let nowhere = resolved(&[], &[orders()]).streams.remove(0);
    let two = || proof(&[("a", None), ("b", None)], Trouble::None);
    vec![
        stream_is("AuthReady", "NotRequired", &served(), &seen([good()])),
        of_proof("Ready", &two(), &seen([holds("new"), holds("new")])),
        is("TokensMissing", Trouble::Missing),
        is("TokensUnfit", Trouble::Unfit("its type is \"Opaque\"; make it one of type sluice.dev/tokens".to_owned())),
        is(
            "TokensForbidden",
            Trouble::Forbidden("secrets \"producers\" is forbidden: User \"system:serviceaccount:sluice-system:sluice-operator\" cannot get resource \"secrets\"".to_owned()),
        ),
        of_proof("Pending", &two(), &seen([holds("new"), holds("old")])),
        of_proof("NoNodes", &two(), &FleetView::default()),
        stream_is("AuthReady", "NotAccepted", &nowhere, &FleetView::default()),
    ]
}

fn durability() -> Vec<Told> {
    let is = |reason, view: &FleetView| stream_is("Durability", reason, &served(), view);
    let topic = |replicas: Option<u32>, in_sync: Option<u32>| {
        seen([says(|status| {
            status.streams[0].replicas = replicas;
            status.streams[0].min_insync_replicas = in_sync;
        })])
    };
    let nowhere = resolved(&[], &[orders()]).streams.remove(0);
    vec![
        is("Durable", &topic(Some(3), Some(2))),
        is("BelowThreeReplicas", &topic(Some(2), Some(2))),
        is("BelowTwoInSync", &topic(Some(3), Some(1))),
        is("NotReported", &topic(None, None)),
        is("NoNodes", &FleetView::default()),
        stream_is("Durability", "NotAccepted", &nowhere, &FleetView::default()),
    ]
}

fn ready() -> Vec<Told> {
    let paused = data_stream("orders", &json!({"paused": true}));
    let status = tell(&paused, &served(), &seen([good()]));
    vec![
        stream_is("Ready", "Ready", &served(), &seen([good()])),
        (Kind::DataStream, "Paused", of(&status.conditions, "Ready").clone()),
    ]
}

fn available() -> Vec<Told> {
    let none = WorkloadView { observed: true, desired: 2, replicas: 2, updated: 2, ready: 0 };
    let unready = FleetView { workload: Some(none), ..FleetView::default() };
    vec![
        fleet_is("Available", "NodesReady", &json!({}), &seen([good(), good()])),
        fleet_is("Available", "NoNodesReady", &json!({}), &unready),
        fleet_is("Available", "NoSidecars", &json!({"mode": "Sidecar"}), &beside(Sidecars::default(), &[])),
        fleet_is("Available", "ScaledToZero", &json!({"replicas": 0}), &seen([])),
    ]
}

/// A fleet of sidecars whose configuration is published.
fn beside(counts: Sidecars, without: &[&str]) -> FleetView {
    let without = without.iter().map(|name| (*name).to_owned()).collect();
    FleetView { revision: Some(7), sidecars: Some(SidecarsView { counts, without }), ..FleetView::default() }
}

fn progressing() -> Vec<Told> {
    let is = |reason, workload: WorkloadView| {
        let view = FleetView { workload: Some(workload), ..FleetView::default() };
        fleet_is("Progressing", reason, &json!({}), &view)
    };
    let done = WorkloadView { observed: true, desired: 2, replicas: 2, updated: 2, ready: 2 };
    let held = FleetView {
        held: Some(
            "waits with the proxy image sluice-proxy:1.2.3 until ProxyFleet data/big is well with it"
                .to_owned(),
        ),
        ..seen([good()])
    };
    vec![
        is("RollingOut", WorkloadView { updated: 1, replicas: 3, ..done }),
        is("Starting", WorkloadView { ready: 1, ..done }),
        fleet_is("Progressing", "Waiting", &json!({}), &held),
        is("UpToDate", done),
        fleet_is("Progressing", "Paused", &json!({}), &FleetView { paused: true, ..seen([good()]) }),
    ]
}

fn degraded() -> Vec<Told> {
    let is = |reason, view: &FleetView| fleet_is("Degraded", reason, &json!({}), view);
    let fault = |kind: FaultKind, message: &str| FleetView {
        faults: vec![Fault { kind, message: message.to_owned() }],
        ..seen([good()])
    };
    let mut failing = seen([good(), good()]);
    failing.nodes[1].trouble = Some("ImagePullBackOff: image sluice-proxy:9.9 is not there".to_owned());
    let refuses = says(|status| {
        status.config_error = Some("sink kafka: property linger.ms must be a number".to_owned());
    });
    vec![
        is(
            "InvalidPodTemplate",
            &fault(
                FaultKind::InvalidPodTemplate,
                "spec.podTemplate.spec.hostNetwork can't be set; take it out",
            ),
        ),
        is(
            "NameTaken",
            &fault(
                FaultKind::NameTaken,
                "Service default exists and is not this fleet's; delete it, or name the fleet differently",
            ),
        ),
        is("ApplyRefused", &fault(FaultKind::ApplyRefused, "Deployment default: exceeded quota: objects")),
        is("PodsFailing", &failing),
        is(
            "SidecarsMissing",
            &beside(Sidecars { missing: 2, ..Sidecars::default() }, &["orders-1", "orders-2"]),
        ),
        is("ConfigRefused", &seen([good(), refuses])),
        is(
            "SecretUnusable",
            &seen([bad_sink(NotReady::SecretUnusable, "Secret kafka-login has no key password")]),
        ),
        is(
            "SinkUnreachable",
            &seen([bad_sink(NotReady::SinkUnreachable, "no broker of k:9092 answers"), good()]),
        ),
        is(
            "NodesSilent",
            &FleetView { silent: Some(Silent { silent: 2, ready: 3 }), listened: true, ..seen([good()]) },
        ),
        is("AsExpected", &seen([good()])),
    ]
}

#[test]
fn each_scenario_has_its_reason_with_the_status_it_means() {
    for Scenario { kind, reason, condition } in all() {
        let known = table().into_iter().find(|row| {
            row.kind == kind && row.condition == condition.type_ && row.reason == condition.reason
        });
        assert_eq!(condition.reason, reason, "{condition:?}");
        assert_eq!(known.unwrap().status.name(), condition.status, "{condition:?}");
        assert_eq!(condition.observed_generation, Some(GENERATION));
    }
}

#[test]
fn every_reason_has_a_scenario() {
    let scenarios = all();
    for row in table() {
        let count = scenarios
            .iter()
            .filter(|scenario| {
                scenario.kind == row.kind
                    && scenario.condition.type_ == row.condition
                    && scenario.condition.reason == row.reason
            })
            .count();
        assert_eq!(count, 1, "{row:?}");
    }
}

#[test]
fn reasons_are_as_kubernetes_wants_them() {
    for row in table() {
        let is_name = row.reason.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(is_name && row.reason.starts_with(|c: char| c.is_ascii_uppercase()), "{row:?}");
    }
}

#[test]
fn every_reason_of_a_node_has_one_of_the_condition() {
    use crate::status::reason::{Reason, SinkReady};
    let all = [
        NotReady::SecretUnusable,
        NotReady::SinkUnreachable,
        NotReady::TopicMissing,
        NotReady::TopicForbidden,
        NotReady::TopicUnfit,
        NotReady::Checking,
        NotReady::Other,
    ];
    let names: BTreeSet<&str> = all.into_iter().map(|reason| SinkReady::of(reason).name()).collect();
    assert_eq!(names.len(), all.len());
}
