//! How a status changes, and how it stays.

use sluice_wire::status::HttpsStatus;

use super::*;
use crate::resolve::Refusal;

fn again(status: &DataStreamStatus) -> DataStream {
    DataStream { status: Some(status.clone()), ..orders() }
}

fn reason<'a>(status: &'a DataStreamStatus, condition: &str) -> (&'a str, &'a str) {
    let condition = of(&status.conditions, condition);
    (&condition.status, &condition.reason)
}

#[test]
fn a_status_tells_what_is_in_effect() {
    let status = tell(&orders(), &served(), &seen([good()]));
    assert_eq!(
        (status.group_id.as_deref(), status.stream_id.as_deref(), status.topic.as_deref()),
        (Some("shop"), Some("orders"), Some("shop.orders"))
    );
    assert_eq!(status.fleet.as_deref(), Some("sluice-system/default"));
    assert_eq!(status.url.as_deref(), Some("http://default.sluice-system.svc:46802"));
    assert_eq!(status.observed_generation, Some(GENERATION));
    let types: Vec<&str> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(types, ["Accepted", "Programmed", "SinkReady", "AuthReady", "Durability", "Ready"]);
}

#[test]
fn nothing_changed_is_the_same_status() {
    let first = tell(&orders(), &served(), &seen([good(), good()]));
    let view = seen([good(), good()]);
    let same = Seen { fleet: Some(&view), url: first.url.clone(), ..Seen::default() };
    let second = super::super::stream(&again(&first), &served(), same, &at(100));
    assert_eq!(first, second);
    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    let first = tell_fleet(&fleet, &seen([good()]));
    let fleet = ProxyFleet { status: Some(first.clone()), ..fleet };
    assert_eq!(first, tell_fleet(&fleet, &seen([good()])));
}

#[test]
fn the_time_is_that_of_the_last_change_of_status() {
    let first = tell(&orders(), &served(), &seen([good()]));
    let missing = seen([not_ready(NotReady::TopicMissing, "no topic")]);
    let second = super::super::stream(&again(&first), &served(), on(&missing), &at(50));
    let forbidden = seen([not_ready(NotReady::TopicForbidden, "no right")]);
    let third = super::super::stream(&again(&second), &served(), on(&forbidden), &at(70));
    let time = |status: &DataStreamStatus, condition: &str| {
        of(&status.conditions, condition).last_transition_time.clone()
    };
    assert_eq!((time(&second, "SinkReady"), time(&second, "Programmed")), (at(50), at(0)));
    assert_eq!(time(&third, "SinkReady"), at(50), "another reason of the same status");
    assert_eq!(time(&third, "Ready"), at(50));
}

#[test]
fn ready_sums_up_the_first_that_does_not_hold() {
    let status = tell(&orders(), &served(), &seen([not_ready(NotReady::TopicMissing, "no topic")]));
    let ready = of(&status.conditions, "Ready");
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "TopicMissing"));
    assert_eq!(ready.message, "on 1 of 1 node: no topic");
    let checking = tell(&orders(), &served(), &seen([not_ready(NotReady::Checking, "")]));
    assert_eq!(reason(&checking, "Ready"), ("Unknown", "Checking"));
    let weak = seen([says(|status| status.streams[0].replicas = Some(1))]);
    assert_eq!(
        reason(&tell(&orders(), &served(), &weak), "Ready"),
        ("True", "Ready"),
        "Durability does not count"
    );
}

#[test]
fn a_paused_stream_with_another_trouble_tells_that() {
    let paused = data_stream("orders", &json!({"paused": true}));
    let missing = seen([not_ready(NotReady::TopicMissing, "no topic")]);
    assert_eq!(reason(&tell(&paused, &served(), &missing), "Ready"), ("False", "TopicMissing"));
}

#[test]
fn a_refused_stream_that_is_served_all_the_same_tells_both() {
    let refusal = Refusal {
        field: "spec.fleet",
        reason: crate::Reason::GroupElsewhere,
        message: "elsewhere".to_owned(),
    };
    let decision = Decision { refusal: Some(refusal), ..served() };
    let status = tell(&orders(), &decision, &seen([good()]));
    assert_eq!(reason(&status, "Accepted"), ("False", "GroupElsewhere"));
    assert_eq!(of(&status.conditions, "Accepted").message, "spec.fleet: elsewhere");
    assert_eq!(reason(&status, "Programmed"), ("True", "Programmed"));
    assert_eq!(reason(&status, "Ready"), ("False", "GroupElsewhere"));
    assert_eq!(status.fleet.as_deref(), Some("sluice-system/default"));
}

#[test]
fn a_stream_that_no_fleet_serves_has_no_address() {
    let decision = resolved(&[], &[orders()]).streams.remove(0);
    let status = tell(&orders(), &decision, &FleetView::default());
    assert_eq!((status.fleet, status.url, status.topic), (None, None, None));
    assert_eq!(status.group_id.as_deref(), Some("shop"));
}

#[test]
fn a_moving_stream_is_pending_until_the_new_fleet_runs_it() {
    let told = |target: &FleetView| {
        let here = seen([good()]);
        let both = Seen { target: Some(target), ..on(&here) };
        let status = super::super::stream(&orders(), &moving(), both, &at(0));
        let programmed = of(&status.conditions, "Programmed").clone();
        (programmed.reason, programmed.message)
    };
    let tail = "; it moves there, with all streams of groupId shop, and is served by ProxyFleet \
                sluice-system/default until then";
    for (target, reason, words) in [
        (FleetView::default(), "NoNodes", "no node of ProxyFleet data/new is ready; its conditions say why"),
        (seen([good()]), "Pending", "ProxyFleet data/new runs it"),
        (
            seen([good(), says(|status| status.streams.clear())]),
            "Pending",
            "it runs on 1 of 2 nodes of ProxyFleet data/new as yet",
        ),
    ] {
        assert_eq!(told(&target), (reason.to_owned(), format!("{words}{tail}")));
    }
}

#[test]
fn a_node_that_was_not_asked_yet_takes_nothing_back() {
    let first = tell(&orders(), &served(), &seen([good()]));
    let unasked = FleetView { nodes: vec![node(None)], ..seen([]) };
    assert_eq!(tell(&again(&first), &served(), &unasked).conditions, first.conditions, "a cold start");
    let one_more = FleetView { nodes: vec![node(Some(good())), node(None)], ..seen([]) };
    assert_eq!(tell(&again(&first), &served(), &one_more).conditions, first.conditions, "one more node");

    let fresh = tell(&orders(), &served(), &one_more);
    assert_eq!(reason(&fresh, "Programmed"), ("False", "Pending"), "nothing was told before");
    assert_eq!(reason(&fresh, "SinkReady"), ("Unknown", "NotReported"));
    let mut newer = again(&first);
    newer.metadata.generation = Some(GENERATION + 1);
    assert_eq!(reason(&tell(&newer, &served(), &unasked), "Programmed"), ("False", "Pending"));
    let elsewhere = Decision { fleet: Some(key("data/new")), ..served() };
    assert_eq!(reason(&tell(&again(&first), &elsewhere, &unasked), "Programmed"), ("False", "Pending"));
}

#[test]
fn a_node_that_was_asked_is_believed() {
    let first = tell(&orders(), &served(), &seen([good()]));
    let missing = not_ready(NotReady::TopicMissing, "no topic");
    let view = FleetView { nodes: vec![node(None), node(Some(missing))], ..seen([]) };
    assert_eq!(reason(&tell(&again(&first), &served(), &view), "SinkReady"), ("False", "TopicMissing"));
}

#[test]
fn nodes_that_are_not_ready_or_leave_do_not_count() {
    let mut view =
        seen([good(), says(|status| status.streams.clear()), says(|status| status.streams.clear())]);
    view.nodes[1].ready = false;
    view.nodes[2].terminating = true;
    assert_eq!(reason(&tell(&orders(), &served(), &view), "Programmed"), ("True", "Programmed"));
}

#[test]
fn of_several_nodes_the_gravest_trouble_is_told_whatever_their_order() {
    let unreachable = || not_ready(NotReady::SinkUnreachable, "b");
    let missing = || not_ready(NotReady::TopicMissing, "a");
    let message =
        |view: &FleetView| of(&tell(&orders(), &served(), view).conditions, "SinkReady").message.clone();
    let told = message(&seen([good(), missing(), unreachable()]));
    assert_eq!(told, "on 2 of 3 nodes: b");
    assert_eq!(told, message(&seen([unreachable(), good(), missing()])));
}

#[test]
fn a_stream_of_the_same_ids_that_is_anothers_is_none_of_its_own() {
    let other = says(|status| status.streams[0].name = "orders-2".to_owned());
    assert_eq!(reason(&tell(&orders(), &served(), &seen([other])), "Programmed"), ("False", "Pending"));
}

#[test]
fn a_stream_without_a_reason_has_that_of_its_sink() {
    let mut status = bad_sink(NotReady::SecretUnusable, "no key password");
    status.streams[0].ready = false;
    let told = tell(&orders(), &served(), &seen([status]));
    assert_eq!(reason(&told, "SinkReady"), ("False", "SecretUnusable"));
    assert_eq!(of(&told.conditions, "SinkReady").message, "on 1 of 1 node: no key password");
}

#[test]
fn a_certificate_that_can_not_be_served_with_is_the_fleets_trouble_and_no_streams() {
    let node = says(|status| {
        status.https = Some(HttpsStatus {
            reason: Some(NotReady::SecretUnusable),
            message: "secret \"own\" has no key \"tls.crt\", or is not mounted".to_owned(),
            ..HttpsStatus::default()
        });
    });
    let view = seen([node, good()]);
    let fleet = tell_fleet(&proxy_fleet("sluice-system/default", &json!({})), &view);
    let degraded = of(&fleet.conditions, "Degraded");
    assert_eq!((degraded.status.as_str(), degraded.reason.as_str()), ("True", "SecretUnusable"));
    let wanted = "https on 1 of 2 nodes: secret \"own\" has no key \"tls.crt\", or is not mounted";
    assert_eq!(degraded.message, wanted);
    assert_eq!(reason(&tell(&orders(), &served(), &view), "SinkReady"), ("True", "SinkReady"));
}

#[test]
fn a_file_has_no_durability() {
    let decision = Decision { topic: None, ..served() };
    let status = tell(&orders(), &decision, &seen([good()]));
    assert!(status.conditions.iter().all(|condition| condition.type_ != "Durability"));
}

#[test]
fn a_message_is_one_line_and_bounded() {
    let long = format!("a\nb{}", "é".repeat(2_000));
    let status = tell(&orders(), &served(), &seen([not_ready(NotReady::Other, &long)]));
    let message = &of(&status.conditions, "SinkReady").message;
    assert!(
        message.len() <= condition::MESSAGE_MAX && message.len() > condition::MESSAGE_MAX - 4,
        "{}",
        message.len()
    );
    assert!(message.starts_with("on 1 of 1 node: a b") && message.ends_with('…'), "{message}");
}

#[test]
fn a_fleets_revision_never_goes_back() {
    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    let first = tell_fleet(&fleet, &seen([good()]));
    assert_eq!((first.revision, first.replicas, first.ready_replicas), (Some(7), Some(1), Some(1)));
    assert_eq!((first.streams, first.selector.as_deref()), (Some(1), Some("a=b")));
    let fleet = ProxyFleet { status: Some(first), ..fleet };
    assert_eq!(tell_fleet(&fleet, &FleetView { revision: None, ..seen([good()]) }).revision, Some(7));
}

#[test]
fn a_fleet_with_several_troubles_tells_all_under_the_first() {
    let mut view = seen([bad_sink(NotReady::SinkUnreachable, "no broker answers"), good()]);
    view.nodes[1].trouble = Some("CrashLoopBackOff".to_owned());
    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    let status = tell_fleet(&fleet, &view);
    let degraded = of(&status.conditions, "Degraded");
    assert_eq!(degraded.reason, "PodsFailing");
    assert_eq!(
        degraded.message,
        "1 of 2 pods: CrashLoopBackOff. sink kafka on 1 of 2 nodes: no broker answers"
    );
}

#[test]
fn a_fleet_that_never_had_a_configuration_it_can_use_tells_why() {
    let mut view = seen([says(|status| status.config_error = Some("linger.ms must be a number".to_owned()))]);
    view.nodes[0].ready = false;
    let status = tell_fleet(&proxy_fleet("sluice-system/default", &json!({})), &view);
    let degraded = of(&status.conditions, "Degraded");
    assert_eq!(degraded.reason, "ConfigRefused");
    assert_eq!(degraded.message, "on 1 of 1 node the configuration is refused: linger.ms must be a number");
}

#[test]
fn what_nodes_said_of_a_fleet_holds_until_they_are_asked() {
    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    let first = tell_fleet(&fleet, &seen([bad_sink(NotReady::SinkUnreachable, "no broker answers")]));
    let fleet = ProxyFleet { status: Some(first.clone()), ..fleet };
    let mut unasked = seen([good()]);
    unasked.nodes[0].status = None;
    assert_eq!(tell_fleet(&fleet, &unasked).conditions, first.conditions);
    assert_eq!(of(&tell_fleet(&fleet, &seen([good()])).conditions, "Degraded").reason, "AsExpected");
}

#[test]
fn what_the_api_server_refused_holds_until_it_is_asked_again() {
    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    let fault = Fault { kind: FaultKind::ApplyRefused, message: "exceeded quota".to_owned() };
    let first = tell_fleet(&fleet, &FleetView { faults: vec![fault], ..seen([good()]) });
    let fleet = ProxyFleet { status: Some(first.clone()), ..fleet };
    let untried = FleetView { unwritten: true, ..seen([good()]) };
    assert_eq!(tell_fleet(&fleet, &untried).conditions, first.conditions);
    assert_eq!(of(&tell_fleet(&fleet, &seen([good()])).conditions, "Degraded").reason, "AsExpected");
}

#[test]
fn a_stream_without_its_endpoints_takes_reports_and_says_so() {
    let view = seen([good()]);
    let told = Seen { endpoints: Some("ConfigMap shop/orders-endpoints is there already"), ..on(&view) };
    let status = super::super::stream(&orders(), &served(), told, &at(0));
    let ready = of(&status.conditions, "Ready");
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "Ready"));
    assert!(ready.message.ends_with("nothing tells where: ConfigMap shop/orders-endpoints is there already"));
}

#[test]
fn pods_that_cant_be_made_are_told() {
    let view = FleetView { unmade: Some("exceeded quota: compute".to_owned()), ..seen([]) };
    let degraded = tell_fleet(&proxy_fleet("sluice-system/default", &json!({})), &view).conditions;
    let degraded = of(&degraded, "Degraded");
    assert_eq!(
        (&*degraded.reason, &*degraded.message),
        ("PodsFailing", "no pod can be made: exceeded quota: compute")
    );
}

#[test]
fn a_daemon_set_is_not_scaled_to_zero() {
    let fleet = proxy_fleet("sluice-system/default", &json!({"mode": "DaemonSet"}));
    let status = tell_fleet(&fleet, &seen([]));
    assert_eq!(of(&status.conditions, "Available").reason, "NoNodesReady");
    assert!(of(&status.conditions, "Available").message.starts_with("no machine may run a proxy"));
}

#[test]
fn events_tell_transitions_once() {
    let emitted = |kind: Kind, old: &[Condition], new: &[Condition]| -> Vec<(bool, String)> {
        events(kind, old, new).into_iter().map(|event| (event.warns, event.reason)).collect()
    };
    let one = |warns: bool, reason: &str| vec![(warns, reason.to_owned())];
    let stream = Kind::DataStream;
    let good_one = tell(&orders(), &served(), &seen([good()])).conditions;
    let missing = seen([not_ready(NotReady::TopicMissing, "no topic")]);
    let bad_one = tell(&orders(), &served(), &missing).conditions;
    assert_eq!(emitted(stream, &[], &good_one), one(false, "Ready"));
    assert_eq!(emitted(stream, &good_one, &bad_one), one(true, "TopicMissing"));
    assert_eq!(events(stream, &good_one, &bad_one)[0].note, "on 1 of 1 node: no topic");
    assert_eq!(emitted(stream, &bad_one, &good_one), one(false, "Ready"));
    assert_eq!(emitted(stream, &bad_one, &bad_one), []);
    let refused = resolved(&[], &[orders()]).streams.remove(0);
    let refused = tell(&orders(), &refused, &FleetView::default()).conditions;
    assert_eq!(emitted(stream, &good_one, &refused), one(false, "NoDefaultFleet"));

    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    let none = tell_fleet(&fleet, &FleetView::default()).conditions;
    let some = tell_fleet(&fleet, &seen([good()])).conditions;
    assert_eq!(emitted(Kind::ProxyFleet, &[], &none), [], "a new fleet is not a broken one");
    assert_eq!(emitted(Kind::ProxyFleet, &none, &some), one(false, "NodesReady"));
    assert_eq!(emitted(Kind::ProxyFleet, &some, &none), one(true, "NoNodesReady"));
}
