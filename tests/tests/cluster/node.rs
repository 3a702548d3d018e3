//! The cluster itself is one that the suites can stand on.

use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, KAFKA, KAFKA_SERVICE, Namespace, image};
use sluice_tests::document::{document, kafka, kafka_sink, stream};
use sluice_tests::{kafka, wait};

/// What the strictest Pod Security asks of a container.
const RESTRICTED: &str = "{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, \
     capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";

/// A proxy with a document of one stream `g`/`s`, behind a Service.
fn apply_proxy(namespace: &Namespace<'_>, topic: &str) {
    let sinks = vec![kafka_sink("kafka", kafka(KAFKA_SERVICE))];
    let document = document(sinks, vec![stream("g", "s", "kafka", topic)]);
    let document = serde_json::to_string(&document).unwrap();
    let image = image("sluice-proxy");
    namespace.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: config}}, data: {{fleet.json: '{document}'}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: proxy}}
spec: {{selector: {{app: proxy}}, ports: [{{port: 46802}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: proxy, labels: {{app: proxy}}}}
spec:
  automountServiceAccountToken: false
  containers:
  - name: proxy
    image: {image}
    securityContext: {RESTRICTED}
    readinessProbe: {{httpGet: {{port: 9102, path: /readyz}}, periodSeconds: 1}}
    args: [--config, /etc/sluice/config/fleet.json]
    volumeMounts: [{{name: config, mountPath: /etc/sluice/config}}]
  volumes: [{{name: config, configMap: {{name: config}}}}]
"
    ));
}

#[test]
fn a_producer_pod_posts_to_a_proxy_pod_and_the_record_is_in_kafka() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("node");
    let topic = kafka::unique_name("node");
    kafka::create(KAFKA, &topic, 1, &[]);
    apply_proxy(&namespace, &topic);
    namespace.wait("pod/proxy", "Ready", PATIENCE);

    let image = image("sluice");
    namespace.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: records}}, data: {{records.txt: first}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: producer}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      containers:
      - name: producer
        image: {image}
        args: [send, g, s, --file, /records/records.txt]
        env: [{{name: SLUICE_URL, value: 'http://proxy:46802'}}]
        securityContext: {RESTRICTED}
        volumeMounts: [{{name: records, mountPath: /records}}]
      volumes: [{{name: records, configMap: {{name: records}}}}]
"
    ));
    namespace.wait("job/producer", "Complete", PATIENCE);
    assert!(namespace.logs("job/producer").contains("stored 1"), "{}", namespace.logs("job/producer"));
    let stored: Vec<_> = kafka::read(KAFKA, &topic).into_iter().map(|record| record.value).collect();
    assert_eq!(stored, [b"first"]);
}

#[test]
fn a_pod_with_more_rights_than_restricted_is_refused() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("node");
    let image = image("sluice");
    let refused = namespace.try_apply(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: a, image: '{image}'}}]}}}}"
    ));
    let error = refused.unwrap_err();
    assert!(error.contains("violates PodSecurity \"restricted:latest\""), "{error}");
}

#[test]
fn who_may_not_delete_an_owner_may_not_make_it_wait() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("node");
    namespace.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: owner}}");
    let uid = namespace.kubectl(&["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]);
    namespace.kubectl(&["create", "role", "maker", "--resource=configmaps", "--verb=get,create,patch"]);
    let account = format!("{}:default", namespace.name());
    namespace.kubectl(&["create", "rolebinding", "maker", "--role=maker", "--serviceaccount", &account]);
    let user = format!("system:serviceaccount:{account}");
    let owned = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: owned, ownerReferences: [{{apiVersion: v1, \
         kind: ConfigMap, name: owner, uid: {uid}, blockOwnerDeletion: true}}]}}}}"
    );
    let error = namespace.try_apply_as(&user, &owned).unwrap_err();
    assert!(error.contains("cannot set blockOwnerDeletion"), "{error}");
    namespace.try_apply_as(&user, &owned.replace("true", "false")).unwrap();
}

#[test]
fn the_audit_log_says_who_did_what() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("node");
    let mark = cluster.audit_mark();
    namespace.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: seen}}");
    let entries = cluster.audit_since(mark);
    let writes = entries.iter().filter(|entry| entry.namespace == namespace.name() && entry.is_write());
    // Others write meanwhile, such as the cluster's own certificate into each namespace.
    let mut ours = writes.filter(|entry| !entry.user.starts_with("system:"));
    let entry = ours.next().unwrap();
    assert_eq!((&*entry.user, &*entry.verb, entry.code), ("admin", "patch", 201));
    assert_eq!((&*entry.resource, &*entry.name), ("configmaps", "seen"));
    assert!(ours.next().is_none(), "{entries:?}");
}

#[test]
fn a_kafka_password_can_be_rotated() {
    let cluster = Cluster::shared();
    for (password, before) in [("first-password", "none"), ("second-password", "first-password")] {
        cluster.set_kafka_password("rotated", password);
        wait::until("the new password to be taken", PATIENCE, || cluster.kafka_lets_in("rotated", password));
        assert!(!cluster.kafka_lets_in("rotated", before), "the old password still works");
    }
}

#[test]
fn the_api_server_comes_back_however_it_ended() {
    let cluster = Cluster::alone();
    let namespace = cluster.namespace("node");
    for signal in ["TERM", "KILL"] {
        cluster.restart_api_server(signal);
        namespace.apply(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: after-{}}}}}",
            signal.to_lowercase()
        ));
    }
}
