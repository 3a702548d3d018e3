//! One whole fleet, to be read: `fleet.yaml` beside this file is exactly what is built.

use std::path::Path;

use super::*;

/// A fleet that uses most of what there is.
const DECLARED: &str = "
mode: Deployment
replicas: 3
sinks:
- name: kafka
  kafka:
    bootstrapServers: kafka:9093
    tls: {caSecret: kafka-ca}
    sasl: {mechanism: SCRAM-SHA-512, secret: kafka-login}
listeners:
  https: {secret: orders-tls, clientCa: {secret: producers-ca}}
  trustedProxies: [10.1.0.0/16]
resources:
  requests: {cpu: 250m, memory: 128Mi}
  limits: {memory: 256Mi}
podTemplate:
  metadata:
    labels: {team: data}
  spec:
    nodeSelector: {disk: ssd}
    containers:
    - name: proxy
      env:
      - {name: MALLOC_CONF, value: background_thread:true}
";

/// With `SLUICE_WRITE_GOLDEN` set the file is written instead; read it before it is committed.
#[test]
fn a_whole_fleet_is_what_its_golden_file_shows() {
    let spec: Value = serde_yaml::from_str(DECLARED).unwrap();
    let resolved = ResolvedFleet { name: "orders".to_owned(), namespace: "shop".to_owned(), ..with(&spec) };
    let documents: Vec<String> = fleet(&resolved, &operated())
        .objects
        .iter()
        .map(|object| serde_yaml::to_string(object).unwrap())
        .collect();
    let built = documents.join("---\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/build/objects/tests/fleet.yaml");
    if std::env::var_os("SLUICE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &built).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(built == golden, "{} differs from what is built:\n{built}", path.display());
}
