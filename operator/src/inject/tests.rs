//! What is added to a pod, and why a pod gets no sidecar.

mod golden;
mod pods;

use clap::Parser;
use serde_json::json;

use super::*;
use crate::args::Args;

fn context() -> Context {
    let args = [
        "sluice-operator",
        "--proxy-image=sluice-proxy:1",
        "--proxy-pull-secret=pull",
        "--operator-url=https://sluice-operator-replicas.sluice-system.svc:8443",
    ];
    Context::new(&Args::parse_from(args))
}

fn fleet(mode: &str) -> ProxyFleet {
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": "shop", "name": "beside", "uid": "u"},
        "spec": {
            "mode": mode,
            "sinks": [{"name": "kafka", "kafka": {
                "bootstrapServers": "k:9092", "sasl": {"mechanism": "PLAIN", "secret": "login"}
            }}]
        }
    }))
    .unwrap()
}

fn stream(spec: &Value) -> DataStream {
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": "shop", "name": "orders"}, "spec": spec
    }))
    .unwrap()
}

/// A pod that asks for a sidecar of fleet `beside`.
fn pod(spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "worker-", "labels": {"sluice.dev/inject": "beside"}}, "spec": spec
    })
}

fn usual() -> Value {
    pod(&json!({"containers": [{"name": "app", "image": "app:1"}]}))
}

fn reporting(mut pod: Value) -> Value {
    pod["metadata"]["annotations"] = json!({"sluice.dev/stream": "orders"});
    pod
}

fn tried(pod: &Value, fleet: Option<&ProxyFleet>, stream: Option<&DataStream>) -> Result<Patch, String> {
    inject(pod, "shop", Found { fleet, stream }, &context()).map_err(|refusal| refusal.to_string())
}

/// The pod with what is added.
fn injected(pod: &Value, stream: Option<&DataStream>) -> Value {
    let patch = tried(pod, Some(&fleet("Sidecar")), stream).unwrap();
    patched(pod, &patch)
}

fn patched(pod: &Value, patch: &Patch) -> Value {
    let mut pod = pod.clone();
    let patch: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

fn refused(pod: &Value) -> String {
    tried(pod, Some(&fleet("Sidecar")), None).unwrap_err()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().filter_map(|item| item["name"].as_str()).collect()
}

/// The variables of a container, in their order.
fn variables(container: &Value) -> Vec<(&str, &str)> {
    let env = container["env"].as_array().unwrap().iter();
    env.map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap_or("?")))
        .collect()
}

#[test]
fn a_pod_that_asks_for_nothing_is_left_alone() {
    let mut plain = usual();
    plain["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(asked(&plain), None);
    assert!(tried(&plain, None, None).unwrap().is_empty());
}

#[test]
fn what_a_pod_asks_for_is_what_its_caller_has_to_find() {
    let wanted =
        |stream: Option<&str>| Asked { fleet: "beside".to_owned(), stream: stream.map(str::to_owned) };
    assert_eq!(asked(&usual()), Some(wanted(None)));
    assert_eq!(asked(&reporting(usual())), Some(wanted(Some("orders"))));
}

#[test]
fn the_sidecar_is_the_first_of_the_init_containers_and_keeps_a_job_from_nothing() {
    let spec = json!({"initContainers": [{"name": "migrate"}], "containers": [{"name": "app"}]});
    let pod = injected(&pod(&spec), None);
    assert_eq!(names(&pod["spec"]["initContainers"]), ["sluice-proxy", "migrate"]);
    assert_eq!(pod["spec"]["initContainers"][0]["restartPolicy"], "Always");
    assert_eq!(names(&pod["spec"]["containers"]), ["app"]);
    assert_eq!(pod["metadata"]["annotations"]["sluice.dev/injected"], "sluice-proxy:1");
    assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "pull"}]));
}

#[test]
fn volumes_are_added_to_the_pod_and_mounted_into_the_sidecar_alone() {
    let spec = json!({"volumes": [{"name": "own"}], "containers": [{"name": "app"}]});
    let pod = injected(&pod(&spec), None);
    let wanted =
        ["own", "sluice-config", "sluice-secret-login", "sluice-token", "sluice-trust", "sluice-state"];
    assert_eq!(names(&pod["spec"]["volumes"]), wanted);
    let mut mounted = names(&pod["spec"]["initContainers"][0]["volumeMounts"]);
    assert_eq!(mounted.pop(), Some("sluice-config"), "over the token of the pod's service account");
    assert_eq!(mounted, wanted[1..]);
    assert!(pod["spec"]["containers"][0].get("volumeMounts").is_none());
}

#[test]
fn every_container_of_the_application_is_told_where_to_report_unless_it_says_so_itself() {
    let spec = json!({
        "initContainers": [{"name": "first"}],
        "containers": [
            {"name": "a", "env": [{"name": "OWN", "value": "$(SLUICE_URL)/x"}, {"name": "SLUICE_GROUP_ID", "value": "mine"}]},
            {"name": "b", "env": null}
        ]
    });
    let pod = injected(&pod(&spec), None);
    let (url, group) = (("SLUICE_URL", "http://127.0.0.1:46802"), ("SLUICE_GROUP_ID", "shop"));
    let [a, b] = [0, 1].map(|index| &pod["spec"]["containers"][index]);
    assert_eq!(variables(a), [url, ("OWN", "$(SLUICE_URL)/x"), ("SLUICE_GROUP_ID", "mine")]);
    assert_eq!(variables(b), [url, group]);
    assert_eq!(variables(&pod["spec"]["initContainers"][1]), [url, group]);
    let own = variables(&pod["spec"]["initContainers"][0]);
    assert!(own.iter().all(|(name, _)| ["POD_IP", "POD_UID"].contains(name)), "{own:?}");
}

#[test]
fn an_application_that_names_its_stream_is_told_its_ids() {
    let on = |spec: Value| {
        let stream = stream(&spec);
        let pod = injected(&reporting(usual()), Some(&stream));
        let told = variables(&pod["spec"]["containers"][0]).into_iter().skip(1);
        told.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(on(json!({"fleet": {"name": "beside"}})), ["SLUICE_GROUP_ID=shop", "SLUICE_STREAM_ID=orders"]);
    let own = json!({"fleet": {"name": "beside", "namespace": "shop"}, "groupId": "g", "streamId": "s"});
    assert_eq!(on(own), ["SLUICE_GROUP_ID=g", "SLUICE_STREAM_ID=s"]);
}

#[test]
fn a_pod_that_has_its_sidecar_gets_no_second_one() {
    let pod = injected(&usual(), None);
    assert!(tried(&pod, Some(&fleet("Sidecar")), None).unwrap().is_empty());
    assert!(tried(&pod, None, None).unwrap().is_empty(), "whatever became of its fleet");
}

#[test]
fn a_container_that_another_webhook_adds_later_is_told_too_and_may_take_no_port_of_the_sidecars() {
    let mut pod = injected(&usual(), None);
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "late", "image": "late:1"}));
    let told = injected(&pod, None);
    assert_eq!(told["spec"]["initContainers"], pod["spec"]["initContainers"]);
    let url = ("SLUICE_URL", "http://127.0.0.1:46802");
    assert!(variables(&told["spec"]["containers"][1]).contains(&url), "{told:#}");
    pod["spec"]["containers"][1]["ports"] = json!([{"containerPort": 46_802}]);
    assert!(refused(&pod).contains("container late takes port 46802"));
}

#[test]
fn a_fleet_that_gives_no_sidecars_is_refused_with_what_to_do() {
    let told = tried(&usual(), None, None).unwrap_err();
    assert!(
        told.contains("there is no ProxyFleet shop/beside") && told.contains("make it with mode: Sidecar"),
        "{told}"
    );
    let told = tried(&usual(), Some(&fleet("DaemonSet")), None).unwrap_err();
    assert!(told.contains("is of mode DaemonSet") && told.contains("take the label off"), "{told}");
    let mut empty = usual();
    empty["metadata"]["labels"]["sluice.dev/inject"] = json!("");
    assert!(refused(&empty).contains("the label sluice.dev/inject is empty"));
    let mut leaving = fleet("Sidecar");
    leaving.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert!(tried(&usual(), Some(&leaving), None).unwrap_err().contains("there is no ProxyFleet"));
}

#[test]
fn a_stream_that_the_sidecar_does_not_take_is_refused_with_what_to_do() {
    let pod = reporting(usual());
    let told = refused(&pod);
    assert!(
        told.contains("there is no DataStream shop/orders") && told.contains("take the annotation"),
        "{told}"
    );
    for spec in [
        json!({}),
        json!({"fleet": {"name": "other"}}),
        json!({"fleet": {"name": "beside", "namespace": "data"}}),
    ] {
        let told = tried(&pod, Some(&fleet("Sidecar")), Some(&stream(&spec))).unwrap_err();
        assert!(
            told.contains("is not on ProxyFleet shop/beside; set its spec.fleet to {name: beside}"),
            "{told}"
        );
    }
}

#[test]
fn what_leaves_no_place_for_a_sidecar_is_refused_with_what_to_do() {
    let app = |more: Value| {
        let mut container = json!({"name": "app"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container
    };
    let port = |port: u16| app(json!({"ports": [{"containerPort": port}]}));
    for (spec, words) in [
        (json!({"hostNetwork": true, "containers": [app(json!({}))]}), "take hostNetwork out"),
        (json!({"os": {"name": "windows"}, "containers": [app(json!({}))]}), "runs on Linux alone"),
        (
            json!({"containers": [{"name": "sluice-proxy"}]}),
            "is called sluice-proxy, as the sidecar is; rename it",
        ),
        (
            json!({"initContainers": [{"name": "sluice-proxy", "restartPolicy": "Always"}], "containers": []}),
            "rename it",
        ),
        (json!({"containers": [port(46_802)]}), "container app takes port 46802"),
        (json!({"containers": [port(9_102)]}), "container app takes port 9102"),
        (json!({"initContainers": [port(46_802)], "containers": []}), "container app takes port 46802"),
        (
            json!({"containers": [app(json!({}))], "volumes": [{"name": "sluice-token"}]}),
            "a volume of the pod is called sluice-token",
        ),
    ] {
        let told = refused(&pod(&spec));
        assert!(told.contains(words) && !told.contains('\n'), "{told}");
    }
    let udp = app(json!({"ports": [{"containerPort": 46_802, "protocol": "UDP"}]}));
    assert!(tried(&pod(&json!({"containers": [udp]})), Some(&fleet("Sidecar")), None).is_ok());
    let mut mirror = usual();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    assert!(refused(&mirror).contains("runs the pod from a file"));
}

#[test]
fn everything_that_is_in_the_way_is_told_at_once() {
    let spec = json!({
        "hostNetwork": true,
        "containers": [{"name": "app", "ports": [{"containerPort": 46_802}, {"containerPort": 9_102}]}]
    });
    assert_eq!(refused(&pod(&spec)).matches("; ").count(), 5, "{}", refused(&pod(&spec)));
}
