//! Proxies beside applications, in their pods: what a pod gets, that nothing acknowledged is lost however pods and sidecars
//! end, and that new configuration needs no restart.

mod asked;
mod ending;
pub(crate) mod pods;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually, image};
use sluice_tests::kafka;

use pods::{application, sidecars};

/// A fleet of sidecars, and a stream on it whose topic is made.
const BESIDE: &str = "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {name: beside}
spec:
  mode: Sidecar
  sinks: [{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}]
  resources: {requests: {cpu: 10m, memory: 32Mi}}
---
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: orders}
spec:
  fleet: {name: beside}
  sink: {create: {partitions: 1, replicas: 1}}
---
";

/// A namespace with them, whose configuration is published.
fn space<'a>(cluster: &'a Cluster, name: &str) -> Namespace<'a> {
    cluster.install();
    let space = cluster.namespace(name);
    space.apply(BESIDE);
    space.wait("pf/beside", "Available", PATIENCE);
    space
}

/// The values in the topic of the stream.
fn stored(space: &Namespace<'_>) -> Vec<Vec<u8>> {
    kafka::read(KAFKA, &format!("{}.orders", space.name())).into_iter().map(|record| record.value).collect()
}

#[test]
fn a_job_completes_and_all_that_was_acknowledged_is_in_kafka() {
    const REPORTS: usize = 1_000;
    let cluster = Cluster::shared();
    let space = space(&cluster, "job");
    let lines: Vec<String> = (0..REPORTS).map(|number| format!("order {number}")).collect();
    let text = lines.iter().fold(String::new(), |mut text, line| {
        write!(text, "{line}\\n").expect("a string takes all");
        text
    });
    space.apply(&format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: input}}
data: {{lines: \"{text}\"}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: producer}}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {{sluice.dev/inject: beside}}
      annotations: {{sluice.dev/stream: orders}}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: producer
        image: {image}
        args: [send, $(SLUICE_GROUP_ID), $(SLUICE_STREAM_ID), --file, /input/lines, --batch, \"1\"]
        volumeMounts: [{{name: input, mountPath: /input}}]
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumes: [{{name: input, configMap: {{name: input}}}}]
",
        image = image("sluice"),
    ));
    space.wait("job/producer", "Complete", PATIENCE);
    let said = space.kubectl(&["logs", "job/producer", "-c", "producer", "--tail=-1"]);
    assert!(said.contains(&format!("read {REPORTS}, stored {REPORTS}, refused 0, unknown 0")), "{said}");
    let values: Vec<_> = stored(&space).into_iter().map(|value| String::from_utf8(value).unwrap()).collect();
    assert_eq!(values, lines);
}

#[test]
fn a_configuration_reaches_sidecars_without_a_restart() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "anew");
    space.apply(&application("app", "Deployment", 2, "beside"));
    let before = pods::until_running(&space, 2);
    let patch = r#"{"spec": {"limits": {"recordsPerSecond": 1234}}}"#;
    space.kubectl(&["patch", "dstream/orders", "--type=merge", "-p", patch]);
    let generation = space.get("dstream/orders")["metadata"]["generation"].as_i64();
    for pod in &before {
        // The kubelet alone would need a minute and more.
        eventually("the sidecar to have it", Duration::from_secs(10), || {
            let status = sluice_tests::cluster::pods::node_status(&pod.ip)?;
            let has = status.streams.iter().find(|stream| stream.name == "orders").map(|one| one.generation);
            if has == generation { Ok(()) } else { Err(format!("{has:?}, not {generation:?}")) }
        });
    }
    space.until_condition("dstream/orders", "Programmed", "True", "Programmed", PATIENCE);
    space.until_condition("dstream/orders", "Ready", "True", "Ready", PATIENCE);
    assert_eq!(sidecars(&space), before, "the same pods, no container of which was started again");
}

#[test]
fn sidecars_are_counted_by_what_became_of_them() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "counted");
    space.until_condition("pf/beside", "Available", "True", "NoSidecars", PATIENCE);
    space.apply(&application("app", "Deployment", 2, "beside"));
    pods::until_running(&space, 2);
    let counts = |wanted: [i64; 4]| {
        eventually(&format!("counts of {wanted:?}"), PATIENCE, || {
            let fleet = space.get("pf/beside");
            let of = |field: &str| fleet["status"]["sidecars"][field].as_i64().unwrap_or(-1);
            let found = ["running", "waiting", "missing", "outdated"].map(of);
            if found == wanted { Ok(fleet) } else { Err(format!("{found:?}")) }
        })
    };
    let fleet = counts([2, 0, 0, 0]);
    assert_eq!(
        (&fleet["status"]["replicas"], &fleet["status"]["readyReplicas"]),
        (&Value::from(2), &Value::from(2))
    );
    // Another name of the same program.
    let patch = r#"{"spec": {"image": "test.local/another:1"}}"#;
    space.kubectl(&["patch", "pf/beside", "--type=merge", "-p", patch]);
    counts([2, 0, 0, 2]);
    // A pod that nobody could give one.
    space.apply(&application("plain", "Pod", 1, ""));
    space.kubectl(&["label", "pod/plain", "sluice.dev/inject=beside"]);
    counts([2, 0, 1, 2]);
    pods::until_missed(&space, "plain");
}

#[test]
fn a_pod_whose_fleet_is_not_there_is_told_so_itself() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("stray");
    space.apply(&application("plain", "Pod", 1, ""));
    space.kubectl(&["label", "pod/plain", "sluice.dev/inject=nowhere"]);
    eventually("an Event of the pod", PATIENCE, || {
        let events = space.kubectl(&["get", "events", "--field-selector=reason=NoSidecar", "-o", "wide"]);
        let told = events.contains("pod/plain") && events.contains("is not there");
        if told { Ok(()) } else { Err(events) }
    });
}
