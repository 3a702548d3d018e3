//! One pod with its sidecar, to be read: `pod.yaml` beside this file is exactly what comes of it.

use std::path::Path;

use super::*;

/// A pod of a Job, as the API server is sent it.
const ASKS: &str = "
apiVersion: v1
kind: Pod
metadata:
  generateName: orders-
  labels: {sluice.dev/inject: beside, job-name: orders}
  annotations: {sluice.dev/stream: orders}
spec:
  restartPolicy: Never
  initContainers:
  - name: migrate
    image: migrate:1
  containers:
  - name: app
    image: app:1
    env:
    - {name: LEVEL, value: info}
";

/// With `SLUICE_WRITE_GOLDEN` set the file is written instead; read it before it is committed.
#[test]
fn a_pod_with_its_sidecar_is_what_its_golden_file_shows() {
    let pod: Value = serde_yaml::from_str(ASKS).unwrap();
    let stream = stream(&json!({"fleet": {"name": "beside"}}));
    let built = serde_yaml::to_string(&injected(&pod, Some(&stream))).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inject/tests/pod.yaml");
    if std::env::var_os("SLUICE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &built).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(built == golden, "{} differs from what is built:\n{built}", path.display());
}
