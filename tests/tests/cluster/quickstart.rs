//! From nothing to a stored record: one `kubectl apply`, and a producer's pod.

use std::time::Duration;

use sluice_tests::cluster::product::{KUBELET, PATIENCE, SYSTEM};
use sluice_tests::cluster::{Cluster, KAFKA, eventually, image};
use sluice_tests::kafka;

const STREAM: &str = "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: orders}
spec:
  sink: {create: {partitions: 1, replicas: 1}}
";

/// A pod that finds the stream as a team's own would: by the endpoint ConfigMap.
fn producer(lines: usize) -> String {
    format!(
        r#"
apiVersion: batch/v1
kind: Job
metadata: {{name: producer}}
spec:
  backoffLimit: 3
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: producer
        image: {image}
        args: [send, $(SLUICE_GROUP_ID), $(SLUICE_STREAM_ID), --file, /input/lines]
        envFrom: [{{configMapRef: {{name: orders-endpoints}}}}]
        volumeMounts: [{{name: input, mountPath: /input}}]
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumes: [{{name: input, configMap: {{name: input}}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: input}}
data: {{lines: "{text}"}}
"#,
        image = image("sluice"),
        text = (0..lines).map(|line| format!("order {line}\\n")).collect::<String>(),
    )
}

#[test]
fn one_stream_applied_is_an_address_to_report_to() {
    let cluster = Cluster::shared();
    cluster.install();
    let shop = cluster.namespace("shop");
    shop.apply(STREAM);
    shop.until_ready("orders");
    let fleet =
        cluster.kubectl(&["-n", SYSTEM, "wait", "pf/default", "--for=condition=Available", "--timeout=60s"]);
    assert!(fleet.contains("condition met"), "{fleet}");

    shop.apply(&producer(3));
    shop.wait("job/producer", "Complete", Duration::from_secs(60));
    let topic = format!("{}.orders", shop.name());
    let values: Vec<_> = kafka::read(KAFKA, &topic).into_iter().map(|record| record.value).collect();
    assert_eq!(values, [&b"order 0"[..], b"order 1", b"order 2"]);

    let listed = shop.kubectl(&["get", "datastreams"]);
    let (heading, row) = listed.split_once('\n').expect("two lines");
    let words: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(words, ["NAME", "GROUP", "STREAM", "TOPIC", "READY", "AGE"]);
    assert!(row.contains(&topic) && row.contains("True"), "{listed}");
    let fleets = cluster.kubectl(&["-n", SYSTEM, "get", "pf"]);
    let words: Vec<&str> = fleets.lines().next().expect("a line").split_whitespace().collect();
    assert_eq!(words, ["NAME", "MODE", "REPLICAS", "READY", "STREAMS", "AVAILABLE", "AGE"]);
    let explained = cluster.kubectl(&["explain", "datastream.spec.sink.create"]);
    assert!(explained.contains("How many partitions. The default is the broker's."), "{explained}");

    let url = shop.get("configmap/orders-endpoints");
    assert_eq!(url["data"]["SLUICE_URL"], format!("http://sluice-default.{SYSTEM}.svc:46802"));
}

#[test]
fn a_deleted_stream_leaves_nothing_and_its_namespace_goes_at_once() {
    let cluster = Cluster::shared();
    cluster.install();
    let shop = cluster.namespace("gone");
    shop.apply(STREAM);
    shop.until_condition("dstream/orders", "Accepted", "True", "Accepted", PATIENCE);
    eventually("the endpoints", PATIENCE, || {
        let made = shop.children();
        if made.contains("configmap/orders-endpoints") { Ok(()) } else { Err(format!("{made:?}")) }
    });
    shop.kubectl(&["delete", "dstream/orders", "--timeout=30s"]);
    eventually("nothing to be left", PATIENCE, || {
        let left = shop.children();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    shop.apply(STREAM);
    cluster.kubectl(&["delete", "namespace", shop.name(), "--timeout=90s"]);
}

#[test]
fn a_new_stream_on_a_running_fleet_takes_reports_at_the_kubelets_pace() {
    let cluster = Cluster::shared();
    cluster.install();
    let first = cluster.namespace("first");
    first.apply(STREAM);
    first.until_ready("orders");
    let pods = || {
        let template = "-o=jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
        cluster.kubectl(&["-n", SYSTEM, "get", "pods", "-l", "sluice.dev/fleet=default", template])
    };
    let before = pods();
    let address = {
        let text = cluster.kubectl(&["-n", SYSTEM, "get", "service/sluice-default", "-o", "json"]);
        sluice_tests::cluster::product::address(&serde_json::from_str(&text).expect("JSON"))
    };
    let second = cluster.namespace("second");
    let began = std::time::Instant::now();
    second.apply(STREAM);
    eventually("the first report", KUBELET, || {
        sluice_tests::cluster::product::try_report(&address, second.name(), "orders", "first")
    });
    println!("a new stream on a running fleet: first report after {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(pods(), before, "no pod was replaced or restarted");
}
