//! Who may attach to a fleet: what is refused, what is told of it, and what then reaches Kafka, which is nothing.

use sluice_tests::cluster::product::{KUBELET, PATIENCE, try_report};
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually};
use sluice_tests::{kafka, wait};

use super::manifests::{fleet, stream};
use super::pace::{hurry, soon_ready};

/// A fleet with more in its spec, in lines.
fn fleet_that(name: &str, more: &str) -> String {
    fleet(name, 1).replace("  replicas: 1\n", &format!("  replicas: 1\n  {more}\n"))
}

/// A stream on a fleet of another namespace, with more in its spec.
fn guest(name: &str, fleet: (&Namespace<'_>, &str), more: &str) -> String {
    format!(
        "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {{name: {name}}}
spec:
  fleet: {{namespace: {}, name: {}}}
  {more}
---
",
        fleet.0.name(),
        fleet.1
    )
}

/// Waits until a stream is refused, and gives what it is told.
fn refused(space: &Namespace<'_>, stream: &str, reason: &str) -> String {
    space.until_condition(&format!("dstream/{stream}"), "Accepted", "False", reason, PATIENCE)
}

fn accepted(space: &Namespace<'_>, stream: &str) {
    space.until_condition(&format!("dstream/{stream}"), "Accepted", "True", "Accepted", PATIENCE);
}

/// A running fleet that takes reports of a stream `own`.
fn serving(space: &Namespace<'_>, fleet: &str) -> String {
    soon_ready(space, &format!("own-{fleet}"), space);
    let service = space.service(&format!("sluice-{fleet}"));
    let group = format!("{}-{fleet}", space.name());
    eventually("the fleet to take reports", PATIENCE, || try_report(&service, &group, "own", "own"));
    service
}

/// The owner's own stream on one of its fleets; what a fleet allows doesn't bind its own namespace.
fn own(space: &Namespace<'_>, fleet: &str) -> String {
    let ids = format!("  groupId: {}-{fleet}\n  streamId: own\n  fleet:", space.name());
    stream(&format!("own-{fleet}"), fleet).replace("  fleet:", &ids)
}

fn no_topic(name: &str) {
    assert_eq!(kafka::count(KAFKA, name), None, "{name} was made");
}

#[test]
fn a_namespace_that_may_not_attach_is_told_the_rule_and_nothing_of_it_reaches_kafka() {
    let cluster = Cluster::shared();
    cluster.install();
    let (owner, shop) = (cluster.namespace("owner"), cluster.unchecked_namespace("shop"));
    let selector = "allowedStreams: {createTopics: true, namespaces: {from: Selector, selector: {matchLabels: {team: data}}}}";
    owner.apply(&(fleet("same", 1) + &fleet_that("chosen", selector)));
    owner.apply(&(own(&owner, "same") + &own(&owner, "chosen")));
    let create = "sink: {create: {partitions: 1, replicas: 1}}";
    for (name, rule) in [("same", "from Same"), ("chosen", "only those with team=data")] {
        shop.apply(&guest(name, (&owner, name), &format!("groupId: {}-{name}\n  {create}", shop.name())));
        let told = refused(&shop, name, "NotPermitted");
        let wanted = format!(
            "spec.fleet: ProxyFleet {}/{name} takes no streams of namespace {} (allowedStreams.namespaces: {rule})",
            owner.name(),
            shop.name()
        );
        assert!(told.starts_with(&wanted), "{told}");
    }
    for name in ["same", "chosen"] {
        let service = serving(&owner, name);
        let group = format!("{}-{name}", shop.name());
        try_report(&service, &group, name, "smuggled").expect_err("a report of a stream that may not attach");
        no_topic(&format!("{group}.{name}"));
        let fleet = owner.get(&format!("pf/{name}"));
        let counted = &fleet["status"]["refused"][0];
        assert_eq!(counted["namespace"], shop.name(), "{fleet}");
        assert_eq!((counted["reason"].as_str(), counted["count"].as_u64()), (Some("NotPermitted"), Some(1)));
    }

    // A label is all that was missing; the groupId that the fleet allows by default is the namespace's name.
    cluster.kubectl(&["label", "namespace", shop.name(), "team=data"]);
    let told = eventually("another refusal", PATIENCE, || {
        let told = shop.condition("dstream/chosen", "Accepted").2;
        if told.starts_with("spec.groupId") { Ok(told) } else { Err(told) }
    });
    let wanted = format!("groupId {}-chosen is not among the groupIds", shop.name());
    assert!(told.contains(&wanted), "{told}");
    shop.apply(&guest("welcome", (&owner, "chosen"), create));
    soon_ready(&shop, "welcome", &owner);
    try_report(&owner.service("sluice-chosen"), shop.name(), "welcome", "hello").expect("a report");
    let stored = kafka::read(KAFKA, &format!("{}.welcome", shop.name()));
    assert_eq!(stored.into_iter().map(|record| record.value).collect::<Vec<_>>(), [b"hello"]);
}

/// What a stream names that the fleet does not allow, and what it is told.
fn forbidden_names(owner: &Namespace<'_>, shop: &Namespace<'_>) -> [(&'static str, &'static str, String); 4] {
    let (fleet, space) = (format!("ProxyFleet {}/edge", owner.name()), shop.name());
    let among = |field: &str, what: &str, name: &str, globs: &str| {
        format!(
            "{field}: {what} {name} is not among the {what}s that {fleet} allows for namespace {space} \
             (allowedStreams.{what}s: {globs})"
        )
    };
    [
        (
            "group",
            "groupId: billing\n  sink: {create: {partitions: 1, replicas: 1}}",
            among("spec.groupId", "groupId", "billing", "{namespace}"),
        ),
        ("sink", "sink: {name: second}", among("spec.sink.name", "sink", "second", "kafka")),
        (
            "topic",
            "sink: {topic: billing.x}",
            among("spec.sink.topic", "topic", "billing.x", "{namespace}.*"),
        ),
        (
            "create",
            "sink: {create: {partitions: 1, replicas: 1}}",
            format!(
                "spec.sink.create: {fleet} creates no topics for namespace {space} (allowedStreams.createTopics: false)"
            ),
        ),
    ]
}

#[test]
fn what_a_stream_may_not_name_is_told_by_field_and_heals_once_it_is_allowed() {
    let cluster = Cluster::shared();
    cluster.install();
    let (owner, shop) = (cluster.namespace("owner"), cluster.unchecked_namespace("shop"));
    let allowed = "allowedStreams: {namespaces: {from: All}, sinks: [kafka]}";
    let second = "\"}}, {name: second, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}]";
    owner.apply(&fleet_that("edge", allowed).replace("\"}}]", second));
    owner.apply(&own(&owner, "edge"));
    let names = forbidden_names(&owner, &shop);
    for (name, spec, _) in &names {
        shop.apply(&guest(name, (&owner, "edge"), spec));
    }
    for (name, _, wanted) in &names {
        let told = refused(&shop, name, "NotPermitted");
        assert!(told.starts_with(wanted), "{told}\n{wanted}");
    }
    let service = serving(&owner, "edge");
    for (name, _, _) in &names {
        let group = if *name == "group" { "billing" } else { shop.name() };
        try_report(&service, group, name, "smuggled").expect_err("a report of a stream that is refused");
        no_topic(&format!("{group}.{name}"));
    }

    let more = r#"{"spec": {"allowedStreams": {"createTopics": true}}}"#;
    owner.kubectl(&["patch", "pf/edge", "--type=merge", "-p", more]);
    soon_ready(&shop, "create", &owner);
    try_report(&service, shop.name(), "create", "allowed").expect("a report");
    assert_eq!(kafka::count(KAFKA, &format!("{}.create", shop.name())), Some(1));
}

#[test]
fn of_two_streams_of_the_same_ids_the_older_keeps_them() {
    let cluster = Cluster::shared();
    cluster.install();
    // The older comes later by name, so that age alone can have decided.
    let (young, old) = (cluster.unchecked_namespace("a-young"), cluster.namespace("z-old"));
    let open =
        "allowedStreams: {namespaces: {from: All}, groupIds: [\"*\"], topics: [\"*\"], createTopics: true}";
    old.apply(&fleet_that("edge", open));
    let group = old.name();
    let same = |name: &str| {
        let ids =
            format!("groupId: {group}\n  streamId: same\n  sink: {{create: {{partitions: 1, replicas: 1}}}}");
        guest(name, (&old, "edge"), &ids)
    };
    old.apply(&same("first"));
    accepted(&old, "first");
    let made = old.get("dstream/first")["metadata"]["creationTimestamp"].clone();
    let made: jiff::Timestamp = made.as_str().expect("a time").parse().expect("a time");
    // Kubernetes tells ages in whole seconds.
    wait::until("another second", PATIENCE, || jiff::Timestamp::now().as_second() > made.as_second());
    young.apply(&same("second"));
    let told = refused(&young, "second", "Conflict");
    let wanted =
        format!("spec.streamId: DataStream {group}/first has groupId {group} and streamId same already");
    assert!(told.starts_with(&wanted), "{told}");
    accepted(&old, "first");
    old.kubectl(&["delete", "dstream/first"]);
    accepted(&young, "second");
}

#[test]
fn a_stream_of_a_fleet_that_is_not_there_yet_is_served_once_it_is() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("early");
    space.apply(&stream("a", "late"));
    let told = refused(&space, "a", "FleetNotFound");
    let wanted =
        format!("spec.fleet: there is no ProxyFleet {}/late; make it, or name another", space.name());
    assert!(told.starts_with(&wanted), "{told}");
    space.apply(&fleet("late", 1));
    soon_ready(&space, "a", &space);
    try_report(&space.service("sluice-late"), space.name(), "a", "first").expect("a report");
}

/// Sends a report to where the stream's endpoints say, as a producer does that asks anew each time.
fn report_where_told(space: &Namespace<'_>, services: &[(&str, String)], stream: &str, body: &str) {
    let url = space.get(&format!("configmap/{stream}-endpoints"))["data"]["SLUICE_URL"].clone();
    let url = url.as_str().expect("a URL");
    let named = |(name, _): &&(&str, String)| url.starts_with(&format!("http://{name}."));
    let (_, address) = services.iter().find(named).expect("a Service of the two");
    try_report(address, space.name(), stream, body).unwrap_or_else(|error| panic!("{url}: {error}"));
}

#[test]
fn a_group_moves_to_another_fleet_as_a_whole_and_no_report_is_refused() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("move");
    space.apply(&(fleet("one", 1) + &fleet("two", 1)));
    space.apply(&(stream("a", "one") + &stream("b", "one")));
    soon_ready(&space, "a", &space);
    soon_ready(&space, "b", &space);
    let services = ["sluice-one", "sluice-two"].map(|name| (name, space.service(name)));
    let go = r#"{"spec": {"fleet": {"name": "two"}}}"#;
    space.kubectl(&["patch", "dstream/a", "--type=merge", "-p", go]);
    let told = refused(&space, "a", "GroupElsewhere");
    let (one, two) = (format!("{}/one", space.name()), format!("{}/two", space.name()));
    let wanted = format!("spec.fleet: the other streams of groupId {} are on ProxyFleet {one}", space.name());
    assert!(
        told.starts_with(&wanted) && told.ends_with(&format!("Until then ProxyFleet {one} serves it")),
        "{told}"
    );
    let mut sent = 0;
    let mut report = || {
        report_where_told(&space, &services, "a", &format!("report {sent}"));
        sent += 1;
    };
    report();
    space.kubectl(&["patch", "dstream/b", "--type=merge", "-p", go]);
    eventually("both streams to be on the new fleet", KUBELET, || {
        report();
        let seen =
            ["a", "b"].map(|stream| space.get(&format!("dstream/{stream}"))["status"]["fleet"].clone());
        if seen.iter().all(|fleet| *fleet == two.as_str()) {
            return Ok(());
        }
        hurry(&space);
        Err(format!("{seen:?}"))
    });
    soon_ready(&space, "a", &space);
    soon_ready(&space, "b", &space);
    eventually("the old fleet to have let go", KUBELET, || {
        report();
        hurry(&space);
        let still = try_report(&services[0].1, space.name(), "b", "late");
        still.err().map(|_| ()).ok_or_else(|| "it still takes reports".to_owned())
    });
    report();
    let told = space.condition("dstream/a", "Accepted").2;
    assert_eq!(told, format!("ProxyFleet {two} serves it"));
    assert_eq!(kafka::count(KAFKA, &format!("{}.a", space.name())), Some(sent));
}
