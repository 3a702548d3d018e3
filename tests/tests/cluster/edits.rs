//! However resources came to be what they are, what stands in the cluster is what a fresh apply of them gives.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sluice_tests::cluster::product::{CHILDREN, KUBELET, OURS};
use sluice_tests::cluster::{Cluster, Namespace, eventually};
use sluice_tests::http;

const EDITS: usize = 50;
const SEED: u64 = 20_261_121;

/// A rollout, a move of a stream and what the kubelet takes, one after the other.
const SETTLED: Duration = Duration::from_secs(KUBELET.as_secs() * 2);

/// Annotations that say when or under which uid something was written.
const HISTORY: [&str; 9] = [
    "deployment.kubernetes.io/revision",
    "sluice.dev/groups",
    "sluice.dev/hash",
    "sluice.dev/listed",
    "sluice.dev/listed-at",
    "sluice.dev/members",
    "sluice.dev/part",
    "sluice.dev/parts",
    "sluice.dev/revision",
];

/// Stands for the namespace, in manifests and in what is compared.
const HERE: &str = "NAMESPACE";

/// What is applied, by name.
type Resources = BTreeMap<&'static str, Value>;

/// What stands in a namespace, by what it is.
type State = BTreeMap<String, Value>;

fn resource(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "sluice.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn fleet(name: &str) -> Value {
    let sink = |name: &str| json!({"name": name, "kafka": {"bootstrapServers": "kafka.kafka:9092"}});
    let spec = json!({
        "replicas": 1,
        "drain": {"notify": "0s"},
        "sinks": [sink("kafka"), sink("second")],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}
    });
    resource("ProxyFleet", name, &spec)
}

fn stream(name: &str) -> Value {
    // A group of its own, so that it may move to the other fleet alone.
    let group = format!("{HERE}.{name}");
    let sink = json!({"create": {"partitions": 1, "replicas": 1}});
    resource("DataStream", name, &json!({"groupId": group, "fleet": {"name": "edge"}, "sink": sink}))
}

fn beginning() -> Resources {
    let mut all: Resources = ["edge", "other"].map(|name| (name, fleet(name))).into();
    all.extend(["a", "b", "c"].map(|name| (name, stream(name))));
    set(all.get_mut("c").unwrap(), "/spec/output", &json!("InLongMsg"));
    all
}

/// Fields that may be changed, each with values it may have; null: it is left out.
fn fields() -> Vec<(&'static str, &'static str, Value)> {
    let selected = json!({"from": "Selector", "selector": {"matchLabels": {"team": "data"}}});
    let scheduled =
        json!({"spec": {"terminationGracePeriodSeconds": 90, "nodeSelector": {"kubernetes.io/os": "linux"}}});
    vec![
        ("edge", "/spec/replicas", json!([1, 2])),
        ("edge", "/spec/overload", json!([null, {"maxConnections": 500}, {"maxInflightBytes": "128Mi"}])),
        ("edge", "/spec/drain/notify", json!(["0s", "1s", "2s"])),
        ("edge", "/spec/allowedStreams", json!([null, {"createTopics": true}, {"namespaces": selected}])),
        ("edge", "/spec/sinks/0/kafka/deliveryTimeout", json!([null, "5s", "12s"])),
        (
            "edge",
            "/spec/sinks/0/kafka/properties",
            json!([null, {"linger.ms": "5"}, {"compression.type": "lz4"}]),
        ),
        (
            "edge",
            "/spec/sinks/1/kafka/properties",
            json!([null, {"linger.ms": "2", "compression.type": "gzip"}]),
        ),
        ("edge", "/spec/resources/requests/memory", json!(["32Mi", "40Mi"])),
        ("edge", "/spec/podTemplate", json!([null, {"metadata": {"labels": {"team": "data"}}}, scheduled])),
        ("other", "/spec/drain/notify", json!(["0s", "1s"])),
        ("other", "/spec/podTemplate", json!([null, {"metadata": {"annotations": {"team": "data"}}}])),
        ("a", "/spec/output", json!([null, "Raw", "CloudEvents"])),
        ("a", "/spec/split", json!([null, "Auto", "Never"])),
        (
            "a",
            "/spec/key",
            json!([null, {"fromHeader": "X-Tenant"}, {"fromJson": "/id"}, {"fromParameter": "k"}]),
        ),
        ("a", "/spec/headers", json!([null, ["X-Tenant"], ["X-Trace", "X-Tenant"]])),
        ("b", "/spec/successCode", json!([null, 0, 1])),
        ("b", "/spec/limits", json!([null, {"maxBodyBytes": "128Ki"}, {"recordsPerSecond": 100}])),
        ("b", "/spec/paused", json!([null, false, true])),
        ("b", "/spec/sink/name", json!([null, "kafka", "second"])),
        ("b", "/spec/sink/topic", json!([null, format!("{HERE}.elsewhere")])),
        ("c", "/spec/fleet/name", json!(["edge", "other"])),
        ("c", "/spec/inLongMsg", json!([null, {"compression": "None"}])),
    ]
}

fn set(object: &mut Value, path: &str, value: &Value) {
    let (above, field) = path.rsplit_once('/').unwrap();
    let above = object.pointer_mut(above).and_then(Value::as_object_mut).unwrap();
    if value.is_null() {
        above.remove(field);
    } else {
        above.insert(field.to_owned(), value.clone());
    }
}

/// Numbers in an order that the seed alone decides (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn apply<'a>(space: &Namespace<'_>, resources: impl IntoIterator<Item = &'a Value>) {
    let texts: Vec<_> = resources.into_iter().map(Value::to_string).collect();
    space.apply(&texts.join("\n---\n").replace(HERE, space.name()));
}

/// What kubectl lists, without its namespace's name.
fn list(space: &Namespace<'_>, arguments: &[&str]) -> Result<Vec<Value>, String> {
    let text = space.try_kubectl(&[&["get", "-o", "json"][..], arguments].concat())?;
    let list: Value =
        serde_json::from_str(&text.replace(space.name(), HERE)).map_err(|error| error.to_string())?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

fn name(object: &Value) -> String {
    format!(
        "{} {}",
        object["kind"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    )
}

/// What the operator wants of one of its objects, without what tells when and where it was made.
fn wanted(space: &Namespace<'_>, object: &Value) -> Value {
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|key, _| !HISTORY.contains(&key.as_str()));
    }
    let mut spec = object["spec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, value| !field.starts_with("clusterIP") || *value == "None");
    }
    let data = match &object["data"] {
        data if data["endpoints.json"].is_string() => endpoints(data),
        data => data.clone(),
    };
    json!({
        "labels": object["metadata"]["labels"],
        "annotations": annotations,
        "spec": spec,
        "data": data,
        "configuration": configuration(space, object),
    })
}

/// A stream's endpoints with as many addresses as there are, but not which.
fn endpoints(data: &Value) -> Value {
    let mut data = data.clone();
    let mut list: Value = serde_json::from_str(data["endpoints.json"].as_str().unwrap()).unwrap();
    // A hash of the fleet's namespace and name; and how full its nodes are at the moment.
    (list["data"]["clusterId"], list["data"]["load"]) = (Value::Null, Value::Null);
    for node in list["data"]["nodeList"].as_array_mut().into_iter().flatten() {
        (node["id"], node["ip"], node["nodeLoad"]) = (Value::Null, Value::Null, Value::Null);
    }
    data["endpoints.json"] = list;
    data["SLUICE_ADDRESSES"] =
        data["SLUICE_ADDRESSES"].as_str().unwrap_or_default().split(',').count().into();
    data
}

/// The published document of a fleet, without revisions, generations and uids; null where the object holds none.
fn configuration(space: &Namespace<'_>, object: &Value) -> Value {
    let Some(part) = object["binaryData"]["part"].as_str() else { return Value::Null };
    let part = BASE64_STANDARD.decode(part).unwrap();
    let body = part.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut text = String::new();
    zstd::Decoder::new(&part[body..]).unwrap().read_to_string(&mut text).unwrap();
    let mut document: Value = serde_json::from_str(&text.replace(space.name(), HERE)).unwrap();
    for field in ["revision", "groups", "fleet"] {
        document.as_object_mut().unwrap().remove(field);
    }
    without_generations(&mut document["streams"]);
    document
}

fn without_generations(streams: &mut Value) {
    for stream in streams.as_array_mut().into_iter().flatten() {
        let stream = stream.as_object_mut().unwrap();
        stream.retain(|field, _| !["generation", "counts", "uid"].contains(&field.as_str()));
    }
}

/// What a resource is told, once that is about its newest generation and final.
fn told(resource: &Value) -> Result<Value, String> {
    let status = &resource["status"];
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let newest = status["observedGeneration"] == resource["metadata"]["generation"];
    let is = |kind: &str, status: &str| {
        conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == status)
    };
    let settled = match resource["kind"].as_str() {
        Some("DataStream") => is("Programmed", "True") && is("SinkReady", "True"),
        _ => is("Progressing", "False") && is("Available", "True"),
    };
    if !newest || !settled {
        return Err(format!("{} is not settled: {status}", name(resource)));
    }
    let mut status = status.clone();
    let fields = status.as_object_mut().unwrap();
    fields.retain(|field, _| !["observedGeneration", "revision"].contains(&field.as_str()));
    for condition in fields["conditions"].as_array_mut().unwrap() {
        let condition = condition.as_object_mut().unwrap();
        condition.retain(|field, _| !["lastTransitionTime", "observedGeneration"].contains(&field.as_str()));
    }
    Ok(status)
}

/// What a proxy says that it runs.
fn runs(space: &Namespace<'_>, pod: &Value) -> Result<Value, String> {
    let ip = pod["status"]["podIP"].as_str().unwrap_or_default();
    let answer = http::try_exchange(&format!("{ip}:9102"), &http::get("/status"), Duration::from_secs(5));
    let answer = answer.ok_or_else(|| format!("{} does not answer", name(pod)))?;
    let text = answer.text().replace(space.name(), HERE);
    let mut status: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    without_generations(&mut status["streams"]);
    let sorted = |list: &Value| {
        let mut list = list.as_array().cloned().unwrap_or_default();
        list.sort_by_key(Value::to_string);
        list
    };
    let (sinks, streams) = (sorted(&status["sinks"]), sorted(&status["streams"]));
    Ok(json!({"state": status["state"], "error": status["configError"], "sinks": sinks, "streams": streams}))
}

/// All that can be seen of a namespace's resources, or why it is not final yet.
fn state(space: &Namespace<'_>) -> Result<State, String> {
    let mut state = State::new();
    for resource in list(space, &["datastreams,proxyfleets"])? {
        state.insert(name(&resource), json!({"spec": resource["spec"], "told": told(&resource)?}));
    }
    for object in list(space, &[CHILDREN, "-l", OURS])? {
        state.insert(name(&object), wanted(space, &object));
    }
    let mut proxies: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for pod in list(space, &["pods", "-l", OURS])? {
        let fleet = pod["metadata"]["labels"]["sluice.dev/fleet"].as_str().unwrap_or_default();
        proxies.entry(format!("proxies of {fleet}")).or_default().push(runs(space, &pod)?);
    }
    state.extend(proxies.into_iter().map(|(fleet, proxies)| (fleet, proxies.into())));
    Ok(state)
}

fn same(edited: &State, fresh: &State) -> Result<(), String> {
    let names: BTreeSet<_> = edited.keys().chain(fresh.keys()).collect();
    let differing: Vec<_> = names.into_iter().filter(|name| edited.get(*name) != fresh.get(*name)).collect();
    let both =
        |name: &&String| format!("{name}:\nedited {:?}\nfresh  {:?}", edited.get(*name), fresh.get(*name));
    if differing.is_empty() { Ok(()) } else { Err(differing.iter().map(both).collect::<Vec<_>>().join("\n")) }
}

#[test]
fn fifty_edits_in_any_order_end_in_the_state_of_a_fresh_apply() {
    let cluster = Cluster::shared();
    cluster.install();
    let edited = cluster.namespace("edits");
    let (mut resources, fields, mut random) = (beginning(), fields(), Random(SEED));
    apply(&edited, resources.values());
    println!("edits by seed {SEED}");
    for number in 0..EDITS {
        let (name, path, values) = &fields[random.below(fields.len())];
        let values = values.as_array().unwrap();
        let value = &values[random.below(values.len())];
        println!("{number}: {name}{path} = {value}");
        let resource = resources.get_mut(name).unwrap();
        set(resource, path, value);
        apply(&edited, [&*resource]);
    }
    let fresh = cluster.namespace("edits");
    apply(&fresh, resources.values());
    eventually("the same state", SETTLED, || same(&state(&edited)?, &state(&fresh)?));
}
