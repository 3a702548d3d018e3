//! What is in effect, and what is not and why. Here on one host; a cluster's own rules are in the modules.

mod full;
mod groups;
mod moves;
mod permission;
mod scale;
mod sidecars;

use serde_json::{Value, json};

use super::*;

fn fleet(namespace: &str, name: &str, port: u16) -> ProxyFleet {
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "listeners": {"http": {"port": port}},
            "sinks": [{"name": "first", "file": {}}, {"name": "second", "file": {}}],
            "overload": {"maxInflightBytes": "1Mi"}
        }
    }))
    .unwrap()
}

fn stream(namespace: &str, name: &str, spec: &Value) -> DataStream {
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec
    }))
    .unwrap()
}

fn run(fleets: &[ProxyFleet], streams: &[DataStream]) -> Resolution {
    on_host(fleets, streams, None)
}

/// Resolves on one host where these namespaces are known.
fn on_host(fleets: &[ProxyFleet], streams: &[DataStream], known: Option<&Namespaces>) -> Resolution {
    let fleets: Vec<_> = fleets.iter().map(|resource| Written { file: "f.yaml", resource }).collect();
    let streams: Vec<_> = streams.iter().map(|resource| Written { file: "s.yaml", resource }).collect();
    resolve(&fleets, &streams, Place::Host(known))
}

/// Resolves files that are to go to a cluster of which these namespaces are known.
fn for_cluster(fleets: &[ProxyFleet], streams: &[DataStream], known: &Namespaces) -> Resolution {
    let fleets: Vec<_> = fleets.iter().map(|resource| Written { file: "f.yaml", resource }).collect();
    let streams: Vec<_> = streams.iter().map(|resource| Written { file: "s.yaml", resource }).collect();
    resolve(&fleets, &streams, Place::Files(known))
}

/// Resolves `streams` on one default fleet.
fn on_default(streams: &[DataStream]) -> Resolution {
    run(&[fleet("default", "default", 1)], streams)
}

/// What a cluster knows besides fleets and streams.
struct World {
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    default_fleet: FleetKey,
    no_default_fleet: Option<&'static str>,
    /// Namespace and name of streams, each with a fleet that runs it.
    runs: Vec<(String, FleetKey)>,
}

impl Default for World {
    fn default() -> Self {
        let team = |name: &str| BTreeMap::from([("team".to_owned(), name.to_owned())]);
        Self {
            namespaces: BTreeMap::from([
                ("shop".to_owned(), team("sales")),
                ("bank".to_owned(), team("money")),
                ("data".to_owned(), BTreeMap::new()),
            ]),
            default_fleet: named("sluice-system/default"),
            no_default_fleet: None,
            runs: Vec::new(),
        }
    }
}

impl World {
    fn run(&self, fleets: &[ProxyFleet], streams: &[DataStream]) -> Resolution {
        let fleets: Vec<_> = fleets.iter().map(|resource| Written { file: "", resource }).collect();
        let streams: Vec<_> = streams.iter().map(|resource| Written { file: "", resource }).collect();
        let runs = |stream: &ObjectRef, fleet: &FleetKey| {
            let stream = format!("{}/{}", stream.namespace, stream.name);
            self.runs.iter().any(|(known, on)| *known == stream && on == fleet)
        };
        let cluster = Cluster {
            namespaces: &self.namespaces,
            default_fleet: &self.default_fleet,
            no_default_fleet: self.no_default_fleet,
            runs: &runs,
        };
        resolve(&fleets, &streams, Place::Cluster(cluster))
    }
}

fn named(fleet: &str) -> FleetKey {
    let (namespace, name) = fleet.split_once('/').unwrap();
    (namespace.to_owned(), name.to_owned())
}

/// A fleet with Kafka behind it, its `allowedStreams` as given.
fn kafka_fleet(fleet: &str, allowed: &Value) -> ProxyFleet {
    let (namespace, name) = named(fleet);
    let mut spec = json!({"sinks": [
        {"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}},
        {"name": "second", "kafka": {"bootstrapServers": "l:9092"}},
        {"name": "local", "file": {}}
    ]});
    if !allowed.is_null() {
        spec["allowedStreams"] = allowed.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec
    }))
    .unwrap()
}

/// A fleet that lets everyone do everything.
fn open_fleet(fleet: &str) -> ProxyFleet {
    let all =
        json!({"namespaces": {"from": "All"}, "groupIds": ["*"], "topics": ["*"], "createTopics": true});
    kafka_fleet(fleet, &all)
}

/// `stream` as it is while `fleet` serves it.
fn on(fleet: &str, stream: DataStream) -> DataStream {
    let status = sluice_crds::DataStreamStatus { fleet: Some(fleet.to_owned()), ..Default::default() };
    DataStream { status: Some(status), ..stream }
}

fn refusal(decision: &Decision) -> (&'static str, Reason, &str) {
    let refusal = decision.refusal.as_ref().unwrap();
    (refusal.field, refusal.reason, &refusal.message)
}

/// The fleet that serves a stream and the one it moves to, as `<namespace>/<name>`.
fn whereabouts(decision: &Decision) -> (Option<String>, Option<String>) {
    let text = |key: &Option<FleetKey>| key.as_ref().map(|(namespace, name)| format!("{namespace}/{name}"));
    (text(&decision.fleet), text(&decision.moving_to))
}

fn served(fleet: &ResolvedFleet) -> Vec<String> {
    fleet.streams.iter().map(|stream| format!("{}/{}", stream.group_id, stream.stream_id)).collect()
}

fn only_problem(resolution: &Resolution) -> (Reason, String) {
    let [problem] = resolution.problems.as_slice() else { panic!("{:?}", resolution.problems) };
    (problem.reason, problem.to_string())
}

#[test]
fn what_a_stream_leaves_out_comes_from_its_name_its_namespace_and_its_fleet() {
    let resolution = on_default(&[stream("shop", "orders", &json!({}))]);
    assert_eq!(resolution.problems, []);
    let resolved = &resolution.fleets[0].streams[0];
    assert_eq!(
        (
            resolved.group_id.as_str(),
            resolved.stream_id.as_str(),
            resolved.topic.as_str(),
            resolved.sink.as_str()
        ),
        ("shop", "orders", "shop.orders", "first")
    );
    assert_eq!((resolved.max_body_bytes, resolved.success_code, &resolved.create), (65_536, 0, &None));
    assert_eq!((resolved.output, resolved.split), (Output::Raw, Split::Auto));
    assert_eq!((&resolved.key, resolved.headers.len()), (&None, 0));
    assert_eq!((resolved.records_per_second, resolved.bytes_per_second), (None, None), "no default rate");
    assert!(!resolved.paused);
}

#[test]
fn what_a_stream_says_is_in_effect() {
    let spec = json!({"groupId": "g", "streamId": "s", "successCode": 1,
        "sink": {"name": "second", "topic": "t", "create": {"partitions": 3}}});
    let resolution = on_default(&[stream("shop", "orders", &spec)]);
    let resolved = &resolution.fleets[0].streams[0];
    assert_eq!(
        (
            resolved.group_id.as_str(),
            resolved.stream_id.as_str(),
            resolved.topic.as_str(),
            resolved.sink.as_str()
        ),
        ("g", "s", "t", "second")
    );
    assert_eq!((resolved.success_code, resolved.create.as_ref().unwrap().partitions), (1, Some(3)));
}

#[test]
fn what_a_stream_makes_of_reports_is_in_effect_as_written() {
    let spec = json!({"output": "InLongMsg", "inLongMsg": {"compression": "None"}, "split": "Never",
        "key": {"fromJson": "/id"}, "headers": ["X-A", "x-b"], "paused": true,
        "limits": {"recordsPerSecond": 1_000_000_000, "bytesPerSecond": "1Mi"}});
    let resolution = on_default(&[stream("shop", "orders", &spec)]);
    assert_eq!(resolution.problems, []);
    let resolved = &resolution.fleets[0].streams[0];
    assert_eq!(
        (resolved.output, resolved.compression, resolved.split),
        (Output::InLongMsg, Compression::None, Split::Never)
    );
    let key = Key { from_json: Some("/id".to_owned()), ..Key::default() };
    assert_eq!((&resolved.key, &resolved.headers), (&Some(key), &vec!["X-A".to_owned(), "x-b".to_owned()]));
    assert_eq!(
        (resolved.records_per_second, resolved.bytes_per_second, resolved.paused),
        (Some(1_000_000_000), Some(1 << 20), true)
    );
}

#[test]
fn an_envelope_left_undescribed_is_compressed() {
    let resolution = on_default(&[stream("shop", "orders", &json!({"output": "InLongMsg"}))]);
    assert_eq!(resolution.fleets[0].streams[0].compression, Compression::Snappy);
}

#[test]
fn a_fleet_named_without_a_namespace_is_in_the_streams_own() {
    let fleets = [fleet("default", "default", 1), fleet("shop", "own", 2), fleet("data", "own", 3)];
    let streams = [
        stream("shop", "a", &json!({"groupId": "a", "fleet": {"name": "own"}})),
        stream("shop", "b", &json!({"groupId": "b", "fleet": {"name": "own", "namespace": "data"}})),
        stream("shop", "c", &json!({"groupId": "c"})),
    ];
    let resolution = run(&fleets, &streams);
    assert_eq!(resolution.problems, []);
    let all: Vec<_> = resolution.fleets.iter().map(served).collect();
    assert_eq!(all, [["c/c"], ["a/a"], ["b/b"]]);
}

#[test]
fn a_fleet_that_is_not_there_is_told_by_name() {
    let (reason, line) = only_problem(&run(&[], &[stream("shop", "a", &json!({}))]));
    assert_eq!(reason, Reason::NoDefaultFleet);
    assert!(
        line.starts_with(
            "s.yaml: DataStream shop/a: spec.fleet: there is no valid ProxyFleet default/default"
        )
    );
    let (reason, line) = only_problem(&on_default(&[stream("shop", "a", &json!({"fleet": {"name": "x"}}))]));
    assert_eq!(reason, Reason::FleetNotFound);
    assert!(line.contains("ProxyFleet shop/x"), "{line}");
}

#[test]
fn a_sink_that_the_fleet_does_not_have_is_told_with_those_it_has() {
    let (reason, line) = only_problem(&on_default(&[stream("shop", "a", &json!({"sink": {"name": "x"}}))]));
    assert_eq!(reason, Reason::SinkNotFound);
    assert!(
        line.ends_with("spec.sink.name: the fleet has no sink \"x\"; name one of first, second"),
        "{line}"
    );
}

#[test]
fn of_two_streams_with_the_same_ids_the_first_keeps_them() {
    let streams = [stream("a", "x", &json!({"groupId": "g"})), stream("b", "x", &json!({"groupId": "g"}))];
    let resolution = on_default(&streams);
    assert_eq!(resolution.fleets[0].streams[0].namespace, "a");
    let (reason, line) = only_problem(&resolution);
    assert_eq!(reason, Reason::Conflict);
    assert!(
        line.starts_with("s.yaml: DataStream b/x: spec.streamId: DataStream a/x has groupId g"),
        "{line}"
    );
}

#[test]
fn all_streams_of_a_group_are_on_the_fleet_of_its_first() {
    let fleets = [fleet("default", "default", 1), fleet("default", "other", 2)];
    let other = json!({"groupId": "g", "fleet": {"name": "other"}});
    let streams = [stream("default", "a", &json!({"groupId": "g"})), stream("default", "b", &other)];
    let resolution = run(&fleets, &streams);
    let (reason, line) = only_problem(&resolution);
    assert_eq!(reason, Reason::GroupElsewhere);
    assert!(line.contains("are on ProxyFleet default/default"), "{line}");
    assert_eq!(served(&resolution.fleets[1]), [""; 0]);
}

#[test]
fn of_two_fleets_on_one_port_of_a_host_the_first_keeps_it() {
    let fleets = [fleet("default", "default", 1), fleet("default", "other", 1), fleet("default", "third", 1)];
    let resolution = run(&fleets, &[]);
    assert_eq!(resolution.fleets.len(), 1);
    let lines: Vec<String> = resolution.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines[0],
        "f.yaml: ProxyFleet default/other: spec.listeners.http.port: 1 is taken by ProxyFleet default/default; choose another port"
    );
    assert!(lines[1].contains("default/third"), "{lines:?}");
    let in_a_cluster = World::default().run(&fleets, &[]);
    assert_eq!(in_a_cluster.problems, [], "pods of a cluster have ports of their own");
}

#[test]
fn a_port_over_tls_is_a_port_too() {
    let mut fleets = [fleet("default", "default", 1), fleet("default", "other", 2)];
    let https = serde_json::from_value(json!({"port": 1, "secret": "own"})).unwrap();
    fleets[1].spec.listeners.https = Some(https);
    let problems = run(&fleets, &[]).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].field, "spec.listeners.https.port");
    assert!(problems[0].message.starts_with("1 is taken by ProxyFleet default/default"), "{}", problems[0]);
}

#[test]
fn names_of_clients_want_a_fleet_that_asks_for_certificates() {
    let wanting = stream("shop", "a", &json!({"sources": {"clientNames": ["orders.shop.svc"]}}));
    let refused = run(&[fleet("default", "default", 1)], std::slice::from_ref(&wanting));
    assert_eq!(refused.streams[0].refusal.as_ref().unwrap().field, "spec.sources.clientNames");
    assert_eq!(refused.streams[0].refusal.as_ref().unwrap().reason, Reason::NoClientCa);
    let mut asking = fleet("default", "default", 1);
    let https = serde_json::from_value(json!({"secret": "own", "clientCa": {"secret": "clients"}})).unwrap();
    asking.spec.listeners.https = Some(https);
    let served = run(&[asking], &[wanting]);
    assert_eq!(served.problems, []);
    assert_eq!(served.fleets[0].streams[0].sources.client_names, ["orders.shop.svc"]);
}

#[test]
fn a_body_that_three_times_over_does_not_fit_the_fleets_memory_is_refused() {
    let largest = (1 << 20) - (64 << 10);
    let fits = json!({"limits": {"maxBodyBytes": largest / 3}});
    assert_eq!(on_default(&[stream("shop", "a", &fits)]).problems, []);
    let exceeds = json!({"limits": {"maxBodyBytes": largest / 3 + 1}});
    let (reason, line) = only_problem(&on_default(&[stream("shop", "a", &exceeds)]));
    assert_eq!(reason, Reason::LimitTooLarge);
    assert!(line.contains("spec.limits.maxBodyBytes") && line.contains("maxInflightBytes of 1Mi"), "{line}");
}

#[test]
fn one_streams_trouble_leaves_the_others_alone() {
    let streams = [
        stream("shop", "a", &json!({"sink": {"name": "x"}})),
        stream("shop", "c", &json!({})),
        stream("shop", "b", &json!({})),
    ];
    assert_eq!(served(&on_default(&streams).fleets[0]), ["shop/b", "shop/c"]);
}

#[test]
fn a_refused_stream_claims_nothing() {
    let streams = [
        stream("a", "x", &json!({"groupId": "g", "sink": {"name": "none"}})),
        stream("b", "x", &json!({"groupId": "g"})),
    ];
    let resolution = on_default(&streams);
    assert_eq!(only_problem(&resolution).0, Reason::SinkNotFound);
    assert_eq!(resolution.fleets[0].streams[0].namespace, "b");
}
