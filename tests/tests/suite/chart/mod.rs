//! The Helm chart: what it installs, as `helm template` renders it.
//! Nothing is installed here; the test cluster's suite does that.

mod long_polling;
mod network;
mod rights;
mod trust;
mod values;
mod webhooks;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use sluice_tests::chart::{self, NAMESPACE, template};
use sluice_tests::paths;

/// The object of a kind and name.
fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found =
        objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let object = found.next().unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(found.next().is_none(), "there are two of {kind} {name}");
    object
}

fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects.iter().map(|object| object["kind"].as_str().unwrap()).collect()
}

/// The operator's Deployment.
fn deployment(args: &[&str]) -> Value {
    object(&template(args).unwrap(), "Deployment", "sluice-operator").clone()
}

/// What the default fleet is made of.
fn default_fleet(args: &[&str]) -> Value {
    let objects = template(args).unwrap();
    let text = object(&objects, "ConfigMap", "sluice-default-fleet")["data"]["fleet.yaml"].as_str().unwrap();
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    for args in [&[][..], &["--set", "serviceMonitor.enabled=true,image.pullSecrets[0].name=pull"]] {
        let output =
            chart::helm().args(["lint", "--strict"]).arg(chart::folder()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_chart_has_the_version_of_the_product() {
    let text = fs::read_to_string(chart::folder().join("Chart.yaml")).unwrap();
    let chart: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_default_install_is_these_objects_and_no_custom_resource() {
    let objects = template(&[]).unwrap();
    let wanted = BTreeSet::from([
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
        "Deployment",
        "MutatingWebhookConfiguration",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "ValidatingWebhookConfiguration",
    ]);
    assert_eq!(kinds(&objects), wanted);
    for object in template(&["--set", "serviceMonitor.enabled=true"]).unwrap() {
        assert!(!object["apiVersion"].as_str().unwrap().starts_with("sluice.dev/"), "{object}");
    }
}

#[test]
fn everything_in_a_namespace_is_in_the_release_s() {
    let cluster_wide = [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ];
    for object in template(&["--set", "serviceMonitor.enabled=true"]).unwrap() {
        if !cluster_wide.contains(&object["kind"].as_str().unwrap()) {
            assert_eq!(object["metadata"]["namespace"], NAMESPACE, "{object}");
        }
    }
}

#[test]
fn two_operators_run_and_one_may_leave_at_a_time() {
    let objects = template(&[]).unwrap();
    let deployment = object(&objects, "Deployment", "sluice-operator");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"], json!({"maxUnavailable": 0, "maxSurge": 1}));
    let budget = &object(&objects, "PodDisruptionBudget", "sluice-operator")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    assert_eq!(budget["selector"], deployment["spec"]["selector"]);
    for spread in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"].as_array().unwrap() {
        assert_eq!(spread["whenUnsatisfiable"], "ScheduleAnyway");
        assert_eq!(spread["labelSelector"], deployment["spec"]["selector"]);
    }
}

#[test]
fn the_operator_keeps_the_restricted_pod_security_standard() {
    let deployment = deployment(&[]);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        pod["securityContext"],
        json!({
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    for of_host in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
        assert!(pod.get(of_host).is_none(), "{of_host}");
    }
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let allowed = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(containers[0]["securityContext"], allowed);
}

#[test]
fn the_operator_is_told_who_it_is_and_what_to_run() {
    let deployment = deployment(&["--set", "image.pullSecrets[0].name=a,image.pullSecrets[1].name=b"]);
    let pod = &deployment["spec"]["template"]["spec"];
    let version = env!("CARGO_PKG_VERSION");
    let proxy = format!("sluice-proxy:{version}");
    let wanted = [
        "--proxy-image",
        &proxy,
        "--proxy-pull-policy",
        "IfNotPresent",
        "--proxy-pull-secret",
        "a",
        "--proxy-pull-secret",
        "b",
        "--default-fleet-config",
        "sluice-default-fleet",
        "--lease",
        "sluice-operator",
        "--admin",
        "0.0.0.0:9102",
        "--write-rate",
        "100",
        "--tls",
        "0.0.0.0:8443",
        "--service",
        "sluice-operator",
        "--operator-url",
        "https://sluice-operator-replicas.sluice-system.svc:8443",
        "--webhooks",
        "0.0.0.0:9443",
        "--webhook-configuration",
        "sluice-operator",
        "--network-policies",
        "--log",
        "json",
    ];
    let container = &pod["containers"][0];
    assert_eq!(container["args"], json!(wanted));
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "a"}, {"name": "b"}]));
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    let fields = [("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace")];
    for (name, path) in fields {
        let wanted = json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        assert!(container["env"].as_array().unwrap().contains(&wanted), "{name}");
    }
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "metrics"}), "{probe}");
    }
    let ports = [("metrics", 9_102), ("proxies", 8_443), ("polling", 8_083), ("webhooks", 9_443)];
    assert_eq!(
        container["ports"],
        json!(ports.map(|(name, port)| json!({"name": name, "containerPort": port})))
    );
}

#[test]
fn images_are_registry_name_and_tag() {
    let images = |args: &[&str]| {
        let container = deployment(args)["spec"]["template"]["spec"]["containers"][0].clone();
        (container["image"].as_str().unwrap().to_owned(), container["args"][1].as_str().unwrap().to_owned())
    };
    let both = |operator: &str, proxy: &str| (operator.to_owned(), proxy.to_owned());
    for registry in ["image.registry=r.example:5000/team", "image.registry=r.example:5000/team/"] {
        assert_eq!(
            images(&["--set", registry, "--set", "image.tag=1.2"]),
            both("r.example:5000/team/sluice-operator:1.2", "r.example:5000/team/sluice-proxy:1.2")
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        images(&["--set", "operator.image=op@sha256:00,proxy.image=px"]),
        both("op@sha256:00", &format!("px:{version}"))
    );
}

#[test]
fn the_definitions_are_those_of_the_repository_and_outlive_the_chart() {
    let objects = template(&[]).unwrap();
    let folder = paths::repository().join("crds/yaml");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let rendered = objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition");
    assert_eq!(rendered.count(), files.len());
    for file in files {
        let mut wanted: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let name = wanted["metadata"]["name"].as_str().unwrap().to_owned();
        wanted["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        assert_eq!(*object(&objects, "CustomResourceDefinition", &name), wanted, "{name}");
    }
}

#[test]
fn definitions_can_be_left_to_others() {
    let objects = template(&["--set", "crds.enabled=false"]).unwrap();
    assert!(!kinds(&objects).contains("CustomResourceDefinition"));
}

#[test]
fn the_default_fleet_has_the_fields_of_a_fleet_s_kafka() {
    let kafka = json!({"bootstrapServers": "", "deliveryTimeout": "8s"});
    assert_eq!(default_fleet(&[]), json!({"createTopics": true, "replicas": 2, "kafka": kafka}));
    let given = json!({
        "createTopics": false, "replicas": 3, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "kafka": {
            "bootstrapServers": "a:9092,[::1]:9093", "deliveryTimeout": "20s",
            "tls": {"caSecret": "ca", "certSecret": "cert"},
            "sasl": {"mechanism": "SCRAM-SHA-512", "secret": "login"},
            "properties": {"linger.ms": "5"},
        },
    });
    assert_eq!(default_fleet(&["--set-json", &format!("defaultFleet={given}")]), given);
}

#[test]
fn tls_with_the_system_s_authorities_is_an_empty_object() {
    let fleet = default_fleet(&["--set-json", "defaultFleet.kafka.tls={}"]);
    assert_eq!(fleet["kafka"]["tls"], json!({}));
}

#[test]
fn prometheus_is_told_only_when_asked_to() {
    let objects = template(&["--set", "serviceMonitor.enabled=true,serviceMonitor.labels.team=a"]).unwrap();
    let service = object(&objects, "Service", "sluice-operator");
    let operator = object(&objects, "ServiceMonitor", "sluice-operator");
    assert_eq!(operator["spec"]["selector"]["matchLabels"], service["spec"]["selector"]);
    assert_eq!(operator["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    let proxies = object(&objects, "PodMonitor", "sluice-proxy");
    assert_eq!(proxies["spec"]["namespaceSelector"], json!({"any": true}));
    for monitor in [operator, proxies] {
        assert_eq!(monitor["metadata"]["labels"]["team"], "a");
    }
}

#[test]
fn the_notes_name_the_next_command() {
    let without = chart::notes(&[]);
    assert!(without.contains("--set defaultFleet.kafka.bootstrapServers=HOST:PORT"), "{without}");
    assert!(!without.contains("kubectl apply"), "{without}");
    let with = chart::notes(&["--set", "defaultFleet.kafka.bootstrapServers=kafka:9092"]);
    assert!(with.contains("Kafka at kafka:9092") && with.contains("kubectl apply -f -"), "{with}");
    assert!(with.contains("sink: {create: {}}"), "{with}");
    let bound = "defaultFleet.kafka.bootstrapServers=kafka:9092,defaultFleet.createTopics=false";
    assert!(chart::notes(&["--set", bound]).contains("sink: {topic: default.orders}"));
}

#[test]
fn an_older_chart_can_be_made_for_upgrades() {
    let directory = tempfile::tempdir().unwrap();
    let packed = chart::old(directory.path());
    let output = chart::helm().arg("template").arg(&packed).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("sluice-0.0.1") && !text.contains("paused:"));
}
