//! A fleet as Kubernetes objects.

mod golden;
mod https;
mod network;
mod sidecar;

use serde_json::json;
use sluice_crds::ProxyFleet;

use super::*;
use crate::kind::ObjectKind;
use crate::marks::{DEFAULT_IMAGE, FLEET, MANAGED_BY, MANAGER};

/// The spec of a usual fleet.
fn spec() -> Value {
    json!({"sinks": [{"name": "kafka", "kafka": {"bootstrapServers": "kafka:9092"}}]})
}

fn with(fields: &Value) -> ResolvedFleet {
    let mut spec = spec();
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ResolvedFleet {
        namespace: "sluice-system".to_owned(),
        name: "default".to_owned(),
        uid: "0f1e".to_owned(),
        spec: serde_json::from_value(spec).unwrap(),
        token_keys: None,
        streams: Vec::new(),
        refused: Vec::new(),
    }
}

fn kafka(fields: &Value) -> ResolvedFleet {
    let mut kafka = json!({"bootstrapServers": "kafka:9092"});
    kafka.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    with(&json!({"sinks": [{"name": "kafka", "kafka": kafka}]}))
}

fn context() -> Context {
    Context {
        image: "sluice-proxy:1".to_owned(),
        pull_policy: None,
        pull_secrets: Vec::new(),
        kubernetes_minor: 34,
        listen_on: std::net::Ipv4Addr::UNSPECIFIED.into(),
        log: None,
        otlp_endpoint: None,
        operator_url: None,
        trust: None,
        network: None,
        default_fleet: ("sluice-system".to_owned(), "default".to_owned()),
        settings: ("sluice-system".to_owned(), "sluice-default-fleet".to_owned()),
    }
}

fn objects(resolved: &ResolvedFleet) -> Vec<Value> {
    let made = fleet(resolved, &context());
    assert_eq!(made.faults, []);
    made.objects
}

fn one(objects: &[Value], kind: ObjectKind) -> &Value {
    objects.iter().find(|object| object["kind"] == kind.name()).unwrap()
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["kind"].as_str()).collect()
}

fn workload(resolved: &ResolvedFleet) -> Value {
    one(&objects(resolved), workload_kind(resolved.spec.mode).unwrap()).clone()
}

fn pod(resolved: &ResolvedFleet) -> Value {
    workload(resolved)["spec"]["template"].clone()
}

fn container(resolved: &ResolvedFleet) -> Value {
    pod(resolved)["spec"]["containers"][0].clone()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

const MODES: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

#[test]
fn every_mode_has_its_workload_and_what_stands_beside_it() {
    let beside = ["ServiceAccount", "Service", "Service"];
    for mode in ["Deployment", "StatefulSet"] {
        let wanted = [&beside[..], &["PodDisruptionBudget", mode]].concat();
        assert_eq!(kinds(&objects(&with(&json!({"mode": mode})))), wanted);
    }
    let wanted = [&beside[..], &["DaemonSet"]].concat();
    assert_eq!(kinds(&objects(&with(&json!({"mode": "DaemonSet"})))), wanted);
}

#[test]
fn every_object_is_the_fleets_and_says_what_it_is() {
    for mode in MODES {
        for object in objects(&with(&json!({"mode": mode}))) {
            let metadata = &object["metadata"];
            let owner = &metadata["ownerReferences"];
            let wanted = json!([{
                "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "name": "default", "uid": "0f1e",
                "controller": true, "blockOwnerDeletion": true
            }]);
            assert_eq!(owner, &wanted, "{object}");
            let kind = ObjectKind::from_name(object["kind"].as_str().unwrap()).unwrap();
            assert_eq!(object["apiVersion"], kind.api_version());
            assert_eq!(metadata["namespace"], "sluice-system");
            assert_eq!(metadata["labels"][FLEET], "default");
            assert_eq!(metadata["labels"][MANAGED_BY], MANAGER);
        }
    }
}

#[test]
fn workloads_services_and_budget_select_the_same_pods() {
    for mode in MODES {
        let resolved = with(&json!({"mode": mode}));
        let labels = pod(&resolved)["metadata"]["labels"].clone();
        for object in objects(&resolved).iter().filter(|object| object["kind"] != "ServiceAccount") {
            let selector = &object["spec"]["selector"];
            let selector = selector.get("matchLabels").unwrap_or(selector);
            let wanted = json!({"app.kubernetes.io/name": "sluice-proxy", "sluice.dev/fleet": "default"});
            assert_eq!(selector, &wanted);
            for (label, value) in selector.as_object().unwrap() {
                assert_eq!(&labels[label], value);
            }
        }
    }
}

#[test]
fn two_fleets_of_one_namespace_share_no_name() {
    let named = |name: &str| ResolvedFleet { name: name.to_owned(), ..with(&json!({})) };
    let names = |name: &str| -> Vec<_> {
        objects(&named(name)).iter().map(|o| (o["kind"].clone(), o["metadata"]["name"].clone())).collect()
    };
    for (a, b) in [("edge", "edge-nodes"), ("edge", "nodes-edge"), ("edge", "sluice-edge")] {
        let other = names(b);
        assert!(names(a).iter().all(|name| !other.contains(name)), "{a} {b}");
    }
}

#[test]
fn pods_keep_the_restricted_pod_security_standard() {
    let pod = pod(&with(&json!({})));
    let context = &pod["spec"]["securityContext"];
    assert_eq!(context["runAsNonRoot"], true);
    assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    let context = &pod["spec"]["containers"][0]["securityContext"];
    let wanted = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false,
        "readOnlyRootFilesystem": true, "runAsGroup": 65_532, "runAsNonRoot": true, "runAsUser": 65_532,
        "seccompProfile": {"type": "RuntimeDefault"}
    });
    assert_eq!(context, &wanted);
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod["spec"].get(field).is_none());
    }
}

#[test]
fn no_token_reaches_a_pod() {
    let resolved = with(&json!({}));
    let spec = pod(&resolved)["spec"].clone();
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["enableServiceLinks"], false);
    assert_eq!(spec["serviceAccountName"], "sluice-default");
    let objects = objects(&resolved);
    let account = one(&objects, ObjectKind::ServiceAccount);
    assert_eq!(account["automountServiceAccountToken"], false);
    assert_eq!(account["metadata"]["name"], "sluice-default");
}

#[test]
fn the_proxy_listens_on_the_fleets_port_and_is_probed_beside_it() {
    let container = container(&with(&json!({"listeners": {"http": {"port": 8080}}})));
    let args = texts(&container["args"]);
    assert!(args.contains(&"--http=0.0.0.0:8080") && args.contains(&"--admin=0.0.0.0:9102"), "{args:?}");
    let ports = json!([
        {"containerPort": 8080, "name": "http", "protocol": "TCP"},
        {"containerPort": 9102, "name": "metrics", "protocol": "TCP"}
    ]);
    assert_eq!(container["ports"], ports);
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "metrics"}), "{probe}");
    }
    assert_eq!(container["readinessProbe"]["periodSeconds"], 2);
    assert!(container.get("lifecycle").is_none(), "there is no shell for a preStop");
}

#[test]
fn where_pods_have_ipv6_addresses_the_proxy_listens_on_those() {
    let context = Context { listen_on: std::net::Ipv6Addr::UNSPECIFIED.into(), ..context() };
    let made = fleet(&with(&json!({})), &context);
    let deployment = one(&made.objects, ObjectKind::Deployment);
    let args = texts(&deployment["spec"]["template"]["spec"]["containers"][0]["args"]);
    assert!(args.contains(&"--http=[::]:46802") && args.contains(&"--admin=[::]:9102"), "{args:?}");
}

#[test]
fn what_the_operator_is_told_reaches_every_fleet() {
    let context = Context {
        image: "registry.test/sluice-proxy:9".to_owned(),
        pull_policy: Some("Always".to_owned()),
        pull_secrets: vec!["pull".to_owned()],
        log: Some("debug".to_owned()),
        otlp_endpoint: Some("http://collector:4318".to_owned()),
        ..context()
    };
    let made = fleet(&with(&json!({})), &context);
    let spec = &one(&made.objects, ObjectKind::Deployment)["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "pull"}]));
    assert_eq!(container["image"], "registry.test/sluice-proxy:9");
    assert_eq!(container["imagePullPolicy"], "Always");
    assert!(texts(&container["args"]).contains(&"--otlp-endpoint=http://collector:4318"));
    let log = json!({"name": "SLUICE_LOG", "value": "debug"});
    assert!(container["env"].as_array().unwrap().contains(&log));
}

#[test]
fn a_fleets_own_image_and_resources_win() {
    let container = container(&with(&json!({
        "image": "mine:1", "resources": {"limits": {"memory": "32Mi", "cpu": 2}}
    })));
    assert_eq!(container["image"], "mine:1");
    assert_eq!(container["resources"], json!({"limits": {"cpu": "2", "memory": "32Mi"}}));
}

#[test]
fn a_fleet_that_says_nothing_asks_for_little() {
    let resources = container(&with(&json!({})))["resources"].clone();
    assert_eq!(resources, json!({"requests": {"cpu": "25m", "memory": "64Mi"}}));
}

#[test]
fn every_part_of_the_configuration_is_mounted_where_it_may_be_missing() {
    let spec = pod(&with(&json!({})))["spec"].clone();
    let sources = spec["volumes"][0]["projected"]["sources"].as_array().unwrap().clone();
    assert_eq!(sources.len(), sluice_wire::parts::MAX_PARTS);
    let last = json!({"configMap": {
        "items": [{"key": "part", "path": "3.part"}], "name": "default-config-3", "optional": true
    }});
    assert_eq!(sources[3], last);
    let mount = &spec["containers"][0]["volumeMounts"][0];
    assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!("/etc/sluice/config"), &json!(true)));
    assert!(texts(&spec["containers"][0]["args"]).contains(&"--config=/etc/sluice/config"));
}

#[test]
fn every_secret_that_sinks_name_is_mounted_once_where_it_may_be_missing() {
    let login = json!({"mechanism": "SCRAM-SHA-512", "secret": "login"});
    let sinks = json!([
        {"name": "a", "kafka": {
            "bootstrapServers": "a:1", "tls": {"caSecret": "ca", "certSecret": "tls.cert"}, "sasl": login
        }},
        {"name": "b", "kafka": {"bootstrapServers": "b:1", "tls": {"caSecret": "ca"}, "sasl": login}}
    ]);
    let spec = pod(&with(&json!({"sinks": sinks})))["spec"].clone();
    let secrets: Vec<&Value> =
        spec["volumes"].as_array().unwrap().iter().filter_map(|volume| volume.get("secret")).collect();
    let names: Vec<&str> = secrets.iter().filter_map(|secret| secret["secretName"].as_str()).collect();
    assert_eq!(names, ["ca", "login", "tls.cert"]);
    assert!(secrets.iter().all(|secret| secret["optional"] == true));
    let mounts: Vec<&str> = spec["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|mount| mount["mountPath"].as_str())
        .collect();
    let wanted = ["config", "secrets/ca", "secrets/login", "secrets/tls.cert"];
    assert_eq!(mounts, wanted.map(|path| format!("/etc/sluice/{path}")));
}

/// With an operator that proxies are told of.
fn operated() -> Context {
    let url = "https://sluice-operator-replicas.sluice-system.svc:8443".to_owned();
    Context { operator_url: Some(url), network: Some(Network::default()), ..context() }
}

#[test]
fn a_pod_is_told_of_the_operator_and_has_what_both_know_each_other_by() {
    let made = fleet(&with(&json!({})), &operated());
    let spec = &one(&made.objects, ObjectKind::Deployment)["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    for arg in [
        "--operator=https://sluice-operator-replicas.sluice-system.svc:8443",
        "--operator-token=/var/run/secrets/sluice.dev/operator/token",
        "--operator-ca=/etc/sluice/trust/ca.crt",
        "--fleet=sluice-system/default",
        "--state=/var/lib/sluice",
    ] {
        assert!(texts(&container["args"]).contains(&arg), "{arg}: {container}");
    }
    let uid = json!({"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}});
    assert!(container["env"].as_array().unwrap().contains(&uid));
    let named = |list: &Value, name: &str| {
        list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone()
    };
    let token = json!({"audience": "sluice-operator", "expirationSeconds": 3600, "path": "token"});
    assert_eq!(
        named(&spec["volumes"], "sluice-token")["projected"]["sources"],
        json!([{"serviceAccountToken": token}])
    );
    let trust = named(&spec["volumes"], "sluice-trust")["configMap"].clone();
    assert_eq!((&trust["name"], &trust["optional"]), (&json!("sluice-trust"), &json!(true)));
    assert_eq!(named(&spec["volumes"], "sluice-state")["emptyDir"], json!({}));
    let mounts = &container["volumeMounts"];
    for (volume, path, read_only) in [
        ("sluice-token", "/var/run/secrets/sluice.dev/operator", json!(true)),
        ("sluice-trust", "/etc/sluice/trust", json!(true)),
        ("sluice-state", "/var/lib/sluice", Value::Null),
    ] {
        let mount = named(mounts, volume);
        assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!(path), &read_only), "{volume}");
    }
    assert_eq!(spec["automountServiceAccountToken"], false, "no token for the API server");
}

#[test]
fn a_pod_without_an_operator_to_speak_to_has_nothing_of_it() {
    let pod = pod(&with(&json!({}))).to_string();
    for word in
        ["--operator", "--fleet", "--state", "POD_UID", "sluice-token", "sluice-trust", "sluice-state"]
    {
        assert!(!pod.contains(word), "{word}");
    }
}

#[test]
fn what_proxies_reload_leaves_the_pod_template_as_it_is() {
    let before = pod(&with(&json!({})));
    let changes = [
        json!({"overload": {"maxConnections": 5, "maxInflightBytes": "128Mi"}}),
        json!({"drain": {"notify": "20s"}}),
        json!({"allowedStreams": {"namespaces": {"from": "All"}}}),
        json!({"replicas": 9}),
        json!({"listeners": {"trustedProxies": ["10.0.0.0/8"]}}),
        json!({"sinks": [
            {"name": "other", "kafka": {"bootstrapServers": "o:1", "properties": {"linger.ms": "9"}}},
            {"name": "files", "file": {}}
        ]}),
    ];
    for change in changes {
        assert_eq!(pod(&with(&change)), before, "{change}");
    }
    assert_eq!(pod(&kafka(&json!({"tls": {}, "deliveryTimeout": "20s"}))), before);
    let login = |mechanism| json!({"tls": {}, "sasl": {"mechanism": mechanism, "secret": "login"}});
    assert_eq!(pod(&kafka(&login("PLAIN"))), pod(&kafka(&login("SCRAM-SHA-256"))));
}

#[test]
fn the_order_of_sinks_leaves_the_pod_template_as_it_is() {
    let sink = |name: &str| json!({"name": name, "kafka": {"bootstrapServers": "k:1", "tls": {"caSecret": format!("{name}-ca")}}});
    let of = |names: [&str; 2]| pod(&with(&json!({"sinks": names.map(sink)})));
    assert_eq!(of(["a", "b"]), of(["b", "a"]));
}

#[test]
fn a_pod_has_time_for_its_notice_and_its_longest_delivery() {
    let grace = |resolved: &ResolvedFleet| pod(resolved)["spec"]["terminationGracePeriodSeconds"].clone();
    assert_eq!(grace(&with(&json!({}))), 60);
    assert_eq!(grace(&with(&json!({"drain": {"notify": "32s"}}))), 60);
    assert_eq!(grace(&with(&json!({"drain": {"notify": "33s"}}))), 120);
    assert_eq!(grace(&with(&json!({"drain": {"notify": "5m"}}))), 360);
    assert_eq!(grace(&kafka(&json!({"deliveryTimeout": "60s"}))), 120);
}

#[test]
fn pods_are_spread_but_never_wait_for_it() {
    let spread = |mode| pod(&with(&json!({"mode": mode})))["spec"].get("topologySpreadConstraints").cloned();
    for mode in ["Deployment", "StatefulSet"] {
        let spread = spread(mode).unwrap();
        let keys: Vec<&str> =
            spread.as_array().unwrap().iter().filter_map(|item| item["topologyKey"].as_str()).collect();
        assert_eq!(keys, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
        assert!(spread.as_array().unwrap().iter().all(|item| item["whenUnsatisfiable"] == "ScheduleAnyway"));
    }
    assert_eq!(spread("DaemonSet"), None);
}

#[test]
fn no_rollout_takes_a_node_before_its_successor_is_ready() {
    let surge = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}, "type": "RollingUpdate"});
    assert_eq!(workload(&with(&json!({})))["spec"]["strategy"], surge);
    assert_eq!(workload(&with(&json!({"mode": "DaemonSet"})))["spec"]["updateStrategy"], surge);
}

#[test]
fn a_stateful_set_starts_and_ends_its_pods_together_under_names_of_their_own() {
    let spec = workload(&with(&json!({"mode": "StatefulSet"})))["spec"].clone();
    assert_eq!(
        (&spec["podManagementPolicy"], &spec["serviceName"]),
        (&json!("Parallel"), &json!("nodes-sluice-default"))
    );
    assert_eq!(spec["replicas"], 2);
}

#[test]
fn a_daemon_set_has_no_replicas() {
    assert!(workload(&with(&json!({"mode": "DaemonSet", "replicas": 3})))["spec"].get("replicas").is_none());
}

#[test]
fn reports_stay_near_and_with_a_daemon_set_on_their_node() {
    let distribution = |mode: &str, kubernetes_minor| {
        let made = fleet(&with(&json!({"mode": mode})), &Context { kubernetes_minor, ..context() });
        one(&made.objects, ObjectKind::Service)["spec"]["trafficDistribution"].clone()
    };
    assert_eq!(distribution("Deployment", 34), "PreferClose");
    assert_eq!(distribution("StatefulSet", 34), "PreferClose");
    assert_eq!(distribution("DaemonSet", 34), "PreferSameNode");
    assert_eq!(distribution("DaemonSet", 33), "PreferClose");
}

#[test]
fn the_service_is_where_the_url_points() {
    let objects = objects(&with(&json!({"listeners": {"http": {"port": 8080}}})));
    let service = one(&objects, ObjectKind::Service);
    let mut fleet = ProxyFleet::new("default", with(&json!({"listeners": {"http": {"port": 8080}}})).spec);
    fleet.metadata.namespace = Some("sluice-system".to_owned());
    assert_eq!(url(&fleet), "http://sluice-default.sluice-system.svc:8080");
    assert_eq!(service["metadata"]["name"], "sluice-default");
    let port =
        json!({"appProtocol": "http", "name": "http", "port": 8080, "protocol": "TCP", "targetPort": "http"});
    assert_eq!(service["spec"]["ports"], json!([port]));
    assert_eq!(service["spec"]["type"], "ClusterIP");
}

#[test]
fn a_drained_node_takes_one_pod_at_a_time_and_one_that_does_not_serve_at_any_time() {
    let objects = objects(&with(&json!({})));
    let spec = &one(&objects, ObjectKind::PodDisruptionBudget)["spec"];
    assert_eq!(
        (&spec["maxUnavailable"], &spec["unhealthyPodEvictionPolicy"]),
        (&json!(1), &json!("AlwaysAllow"))
    );
}

#[test]
fn a_pod_template_that_is_refused_holds_back_the_workload_alone() {
    let made = fleet(&with(&json!({"podTemplate": {"spec": {"hostNetwork": true}}})), &context());
    assert_eq!(made.faults.len(), 1);
    assert_eq!(made.faults[0].field, "spec.podTemplate.spec.hostNetwork");
    assert_eq!(kinds(&made.objects), ["ServiceAccount", "Service", "Service", "PodDisruptionBudget"]);
}

#[test]
fn a_pod_template_reaches_every_kind_of_workload() {
    for mode in MODES {
        let template = json!({"metadata": {"labels": {"team": "data"}}});
        let pod = pod(&with(&json!({"mode": mode, "podTemplate": template})));
        assert_eq!(pod["metadata"]["labels"]["team"], "data");
    }
}

#[test]
fn equal_fleets_give_equal_objects() {
    for mode in MODES {
        let resolved = with(&json!({"mode": mode}));
        assert_eq!(objects(&resolved), objects(&resolved.clone()));
    }
}

#[test]
fn a_workload_with_the_operators_image_says_so_and_one_with_its_own_does_not() {
    let mark =
        |fields: Value| workload(&with(&fields))["metadata"]["annotations"].get(DEFAULT_IMAGE).cloned();
    assert_eq!(mark(json!({})), Some(json!("sluice-proxy:1")));
    assert_eq!(mark(json!({"image": "mine:1"})), None);
}
