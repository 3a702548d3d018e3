//! Who may attach to a fleet, and what a stream may name there.

use super::*;

/// The one decision on a stream of namespace shop that names `data/shared`.
fn decide(allowed: &Value, spec: &Value) -> Decision {
    let mut spec = spec.clone();
    spec["fleet"] = json!({"name": "shared", "namespace": "data"});
    let resolution =
        World::default().run(&[kafka_fleet("data/shared", allowed)], &[stream("shop", "orders", &spec)]);
    resolution.streams[0].clone()
}

fn is_let_in(allowed: &Value, spec: &Value) -> bool {
    let decision = decide(allowed, spec);
    assert_eq!(decision.refusal.is_some(), decision.fleet.is_none());
    decision.refusal.is_none()
}

const ALL: &str = "All";

#[test]
fn a_fleet_that_says_nothing_takes_streams_of_its_own_namespace_only() {
    let decision = decide(&Value::Null, &json!({}));
    assert_eq!(
        refusal(&decision),
        (
            "spec.fleet",
            Reason::NotPermitted,
            "ProxyFleet data/shared takes no streams of namespace shop (allowedStreams.namespaces: from Same); \
             attach to one that does, or ask the fleet's owner to allow the namespace"
        )
    );
    let own = stream(
        "data",
        "a",
        &json!({"groupId": "any", "fleet": {"name": "shared"},
        "sink": {"topic": "anything", "create": {}}}),
    );
    let resolution = World::default().run(&[kafka_fleet("data/shared", &Value::Null)], &[own]);
    assert_eq!(resolution.problems, [], "nothing binds the fleet's own namespace");
}

#[test]
fn namespaces_are_let_in_by_all_of_the_labels_named() {
    let by = |labels: Value| json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": labels}}});
    assert!(is_let_in(&by(json!({"team": "sales"})), &json!({})));
    for other in [
        by(json!({"team": "money"})),
        by(json!({"team": "sales", "tier": "1"})),
        by(json!({"kubernetes.io/metadata.name": "shop"})),
        by(json!({})),
        json!({"namespaces": {"from": "Selector"}}),
    ] {
        assert!(!is_let_in(&other, &json!({})), "{other}");
    }
    let decision = decide(&by(json!({"team": "money", "tier": "1"})), &json!({}));
    assert!(refusal(&decision).2.contains("(allowedStreams.namespaces: only those with team=money, tier=1)"));
}

#[test]
fn a_namespace_that_is_not_known_has_no_labels() {
    let allowed = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}});
    let unknown = stream("new", "a", &json!({"fleet": {"name": "shared", "namespace": "data"}}));
    let resolution = World::default().run(&[kafka_fleet("data/shared", &allowed)], &[unknown]);
    assert_eq!(refusal(&resolution.streams[0]).1, Reason::NotPermitted);
}

#[test]
fn by_default_a_namespace_has_its_own_groups_and_topics_and_creates_none() {
    let allowed = json!({"namespaces": {"from": ALL}});
    assert!(is_let_in(&allowed, &json!({})));
    assert!(is_let_in(&allowed, &json!({"sink": {"name": "second", "topic": "shop.anything"}})));
    for (spec, field, words) in [
        (
            json!({"groupId": "billing"}),
            "spec.groupId",
            "groupId billing is not among the groupIds that ProxyFleet data/shared allows for namespace shop \
             (allowedStreams.groupIds: {namespace}); choose one that is, or ask the fleet's owner to allow it",
        ),
        (
            json!({"sink": {"topic": "billing.x"}}),
            "spec.sink.topic",
            "topic billing.x is not among the topics that ProxyFleet data/shared allows for namespace shop \
             (allowedStreams.topics: {namespace}.*); choose one that is, or ask the fleet's owner to allow it",
        ),
        (
            json!({"sink": {"topic": "shopadmin.orders"}}),
            "spec.sink.topic",
            "topic shopadmin.orders is not among the topics that ProxyFleet data/shared allows for namespace \
             shop (allowedStreams.topics: {namespace}.*); choose one that is, or ask the fleet's owner to allow it",
        ),
        (
            json!({"sink": {"create": {}}}),
            "spec.sink.create",
            "ProxyFleet data/shared creates no topics for namespace shop (allowedStreams.createTopics: false); \
             take sink.create out and have topic shop.orders made, or ask the fleet's owner to allow it",
        ),
    ] {
        assert_eq!(refusal(&decide(&allowed, &spec)), (field, Reason::NotPermitted, words));
    }
}

#[test]
fn what_a_fleet_allows_beyond_that_is_let_in() {
    let allowed = json!({"namespaces": {"from": ALL}, "groupIds": ["x", "all-*"], "topics": ["*"],
        "sinks": ["sec*"], "createTopics": true});
    assert!(is_let_in(&allowed, &json!({"groupId": "all-a", "sink": {"name": "second", "create": {}}})));
    let first = decide(&allowed, &json!({"groupId": "x"}));
    assert_eq!(
        refusal(&first),
        (
            "spec.sink.name",
            Reason::NotPermitted,
            "sink kafka is not among the sinks that ProxyFleet data/shared allows for namespace shop \
             (allowedStreams.sinks: sec*); choose one that is, or ask the fleet's owner to allow it"
        ),
        "also a sink that is only the default"
    );
}

#[test]
fn a_defaulted_groupid_and_topic_are_judged_like_written_ones() {
    let allowed = json!({"namespaces": {"from": ALL}, "groupIds": ["other"]});
    assert_eq!(refusal(&decide(&allowed, &json!({}))).0, "spec.groupId");
    let allowed = json!({"namespaces": {"from": ALL}, "topics": []});
    let decision = decide(&allowed, &json!({}));
    assert_eq!(refusal(&decision).0, "spec.sink.topic");
    assert!(refusal(&decision).2.contains("(allowedStreams.topics: none)"), "{decision:?}");
}

#[test]
fn kafkas_own_topics_are_refused_whoever_asks() {
    let own =
        kafka_fleet("data/shared", &json!({"namespaces": {"from": ALL}, "groupIds": ["*"], "topics": ["*"]}));
    let there = json!({"name": "shared", "namespace": "data"});
    let streams = [
        stream("data", "a", &json!({"fleet": there, "sink": {"topic": "__offsets"}})),
        stream("shop", "b", &json!({"fleet": there, "groupId": "__x"})),
        stream("bank", "c", &json!({"fleet": there, "groupId": "_x"})),
    ];
    let resolution = World::default().run(&[own], &streams);
    let found: Vec<_> = resolution.streams.iter().map(|decision| decision.refusal.is_some()).collect();
    assert_eq!(found, [true, true, false]);
    assert!(refusal(&resolution.streams[1]).2.starts_with("topic __x.b: topics that start with __"));
    let on_host = on_default(&[stream("shop", "a", &json!({"groupId": "__x"}))]);
    assert_eq!(only_problem(&on_host).0, Reason::NotPermitted);
}

#[test]
fn a_default_topic_that_kafka_would_not_take_is_refused() {
    let long = "a".repeat(125);
    let spec = |length: usize| json!({"groupId": long, "streamId": &long[..length]});
    assert_eq!(on_default(&[stream("shop", "a", &spec(123))]).problems, [], "249 characters");
    let resolution = on_default(&[stream("shop", "a", &spec(124))]);
    assert!(only_problem(&resolution).1.contains("has 250 characters, and Kafka takes at most 249"));
}

#[test]
fn a_long_list_is_cut_in_the_message() {
    let topics: Vec<String> = (0..64).map(|index| format!("{index:02}{}", "x".repeat(47))).collect();
    let decision = decide(&json!({"namespaces": {"from": ALL}, "topics": topics}), &json!({}));
    assert!(refusal(&decision).2.contains(" and 60 more)"), "{decision:?}");
    assert!(refusal(&decision).2.len() < 600);
    let longest = json!({"namespaces": {"from": ALL}, "topics": ["x".repeat(249)]});
    assert!(refusal(&decide(&longest, &json!({}))).2.contains("topics: 1 that are too long to show)"));
}

#[test]
fn who_may_not_attach_learns_nothing_of_the_fleets_sinks() {
    let allowed = json!({"namespaces": {"from": ALL}, "sinks": ["second"]});
    let decision = decide(&allowed, &json!({"sink": {"name": "x"}}));
    assert_eq!(refusal(&decision).2, "the fleet has no sink \"x\"; name one of second");
    let decision = decide(&Value::Null, &json!({"sink": {"name": "x"}}));
    assert_eq!(refusal(&decision).1, Reason::NotPermitted);
}

#[test]
fn a_file_sink_is_refused_in_a_cluster_and_says_why() {
    let files = stream("data", "a", &json!({"fleet": {"name": "shared"}, "sink": {"name": "local"}}));
    let resolution = World::default().run(&[kafka_fleet("data/shared", &Value::Null)], &[files]);
    assert_eq!(
        refusal(&resolution.streams[0]),
        (
            "spec.sink.name",
            Reason::SinkNotDurable,
            "sink local writes files, and the disk of a pod goes with the pod: what was acknowledged would be \
             lost; name a sink of kind kafka"
        )
    );
}

#[test]
fn on_a_host_a_fleet_binds_only_where_it_says_so() {
    let spec =
        json!({"groupId": "g", "fleet": {"name": "shared", "namespace": "data"}, "sink": {"topic": "t"}});
    let problems =
        |allowed: &Value| run(&[kafka_fleet("data/shared", allowed)], &[stream("shop", "a", &spec)]).problems;
    assert_eq!(problems(&Value::Null), []);
    assert_eq!(problems(&json!({}))[0].field, "spec.fleet");
    assert_eq!(problems(&json!({"namespaces": {"from": ALL}}))[0].field, "spec.groupId");
    let labels = |labels: Value| json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": labels}}, "groupIds": ["g"], "topics": ["t"]});
    assert_eq!(problems(&labels(json!({"kubernetes.io/metadata.name": "shop"}))), []);
    assert_eq!(problems(&labels(json!({"kubernetes.io/metadata.name": "data"})))[0].field, "spec.fleet");
    assert_eq!(problems(&labels(json!({"team": "sales"})))[0].field, "spec.fleet");
}

#[test]
fn files_for_a_cluster_are_judged_by_its_rules() {
    let known = World::default().namespaces;
    let there = json!({"fleet": {"name": "shared", "namespace": "data"}});
    let closed = kafka_fleet("data/shared", &Value::Null);
    let resolution = for_cluster(std::slice::from_ref(&closed), &[stream("shop", "a", &there)], &known);
    assert_eq!(only_problem(&resolution).0, Reason::NotPermitted);
    let resolution = for_cluster(std::slice::from_ref(&closed), &[stream("data", "a", &there)], &known);
    assert_eq!(resolution.problems, []);
    let file = json!({"fleet": {"name": "shared"}, "sink": {"name": "local"}});
    let resolution = for_cluster(&[closed], &[stream("data", "a", &file)], &known);
    assert_eq!(only_problem(&resolution).0, Reason::SinkNotDurable);

    let two = [fleet("default", "default", 1), fleet("default", "other", 1)];
    assert_eq!(for_cluster(&two, &[], &known).problems, [], "each has its own host");
    let resolution = for_cluster(&two, &[stream("shop", "a", &json!({}))], &known);
    assert_eq!(only_problem(&resolution).0, Reason::NoDefaultFleet, "default/default is not the operator's");
    assert!(!resolution.default_fleet_wanted);

    let by = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "sales"}}}});
    let resolution = for_cluster(&[kafka_fleet("data/shared", &by)], &[stream("new", "a", &there)], &known);
    assert_eq!((resolution.problems.len(), resolution.doubts.len()), (0, 1), "{resolution:?}");
}

#[test]
fn what_depends_on_labels_that_are_not_known_is_let_in_and_told() {
    let there = json!({"fleet": {"name": "shared", "namespace": "data"}});
    let known = World::default().namespaces;
    let by = |labels: Value| {
        let allowed = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": labels}}});
        kafka_fleet("data/shared", &allowed)
    };
    let decided = |fleet: ProxyFleet, namespace: &str| {
        let resolution = on_host(&[fleet], &[stream(namespace, "a", &there)], Some(&known));
        let reason = |problems: &[Problem]| problems.first().map(|problem| problem.reason);
        (reason(&resolution.problems), reason(&resolution.doubts))
    };
    let (no, unknown) = (Some(Reason::NotPermitted), Some(Reason::LabelsUnknown));
    assert_eq!(decided(by(json!({"team": "sales"})), "shop"), (None, None));
    assert_eq!(decided(by(json!({"team": "sales"})), "bank"), (no, None));
    assert_eq!(decided(by(json!({"team": "sales"})), "new"), (None, unknown));
    let name = "kubernetes.io/metadata.name";
    assert_eq!(decided(by(json!({name: "new"})), "new"), (None, None), "every namespace has its name");
    assert_eq!(decided(by(json!({name: "new", "team": "sales"})), "new"), (None, unknown));
    assert_eq!(decided(by(json!({name: "other", "team": "sales"})), "new"), (no, None));
    assert_eq!(decided(by(json!({})), "new"), (no, None), "nobody is let in");
    assert_eq!(decided(by(json!({"team": "sales"})), "data"), (None, None), "the fleet's own");

    let topic = json!({"fleet": there["fleet"], "sink": {"topic": "billing.x"}});
    let fleet = by(json!({"team": "sales"}));
    let resolution = on_host(std::slice::from_ref(&fleet), &[stream("new", "a", &topic)], Some(&known));
    assert_eq!(resolution.problems[0].field, "spec.sink.topic", "all else is judged");
    let resolution = on_host(&[fleet], &[stream("new", "a", &there)], Some(&known));
    assert_eq!(
        resolution.doubts[0].to_string(),
        "s.yaml: DataStream new/a: spec.fleet: whether ProxyFleet data/shared takes streams of namespace new \
         depends on the namespace's labels (allowedStreams.namespaces: only those with team=sales), which are not \
         known here; give its Namespace too"
    );
}

#[test]
fn a_fleet_counts_those_it_turns_away_by_namespace_and_reason() {
    let there = json!({"name": "shared", "namespace": "data"});
    let streams = [
        stream("shop", "a", &json!({"fleet": there})),
        stream("shop", "b", &json!({"fleet": there})),
        stream("bank", "c", &json!({"fleet": there})),
        stream("data", "d", &json!({"fleet": there, "sink": {"name": "x"}})),
        stream("data", "e", &json!({"fleet": there})),
        stream("data", "f", &json!({"fleet": {"name": "none"}})),
    ];
    let resolution = World::default().run(&[kafka_fleet("data/shared", &Value::Null)], &streams);
    let refused: Vec<_> = resolution.fleets[0]
        .refused
        .iter()
        .map(|refused| (refused.namespace.as_str(), refused.reason.as_str(), refused.count))
        .collect();
    assert_eq!(
        refused,
        [("bank", "NotPermitted", 1), ("data", "SinkNotFound", 1), ("shop", "NotPermitted", 2)]
    );
    assert_eq!(resolution.fleets[0].streams.len(), 1);
}

#[test]
fn counts_of_those_turned_away_are_bounded() {
    let there = json!({"fleet": {"name": "shared", "namespace": "data"}});
    let streams: Vec<_> = (0..70).map(|index| stream(&format!("n{index:02}"), "a", &there)).collect();
    let resolution = World::default().run(&[kafka_fleet("data/shared", &Value::Null)], &streams);
    let refused = &resolution.fleets[0].refused;
    assert_eq!((refused.len(), refused[0].namespace.as_str()), (64, "n00"));
}
