//! Whoever reaches the webhooks' port, which is anybody, sends what takes most room: the operators go on.

use std::process::Stdio;

use serde_json::json;
use sluice_tests::cluster::operators::operators;
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, eventually};

/// Reviews that are sent at once, each again as often.
const AT_ONCE: usize = 24;
const TIMES: usize = 4;

/// A review of an object that is so long, with what takes most room of that length: of a pod volumes that say nothing, of a
/// fleet what has no type.
fn review(kind: &str, length: usize) -> String {
    let (field, part) = if kind == "Pod" { ("volumes", "{},") } else { ("podTemplate", r#"{"":0},"#) };
    let mut parts = part.repeat(length / part.len());
    parts.pop();
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "1", "kind": {"group": "", "version": "v1", "kind": kind}, "namespace": "default",
            "operation": "CREATE", "object": {
                "kind": kind, "metadata": {"labels": {"sluice.dev/inject": "none"}}, "spec": {field: "parts"}
            }
        }
    });
    review.to_string().replace("\"parts\"", &format!("[{parts}]"))
}

/// How often each operator has started again.
fn restarts(cluster: &Cluster) -> Vec<(String, String)> {
    operators(cluster).into_iter().map(|operator| (operator.name, operator.restarts)).collect()
}

/// Sends a review many times at once, and gives the codes of the answers.
fn flood(cluster: &Cluster, url: &str, review: &str) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), review).unwrap();
    let body = format!("@{}", file.path().display());
    let send = |_| {
        let mut curl = cluster.command("curl");
        curl.args(["-sk", "-m", "30", "-w", "%{http_code}\n", "--data-binary", &body]);
        curl.args(["-H", "Content-Type: application/json"]).args([["-o", "/dev/null", url]; TIMES].concat());
        curl.stdout(Stdio::piped()).spawn().unwrap()
    };
    let senders: Vec<_> = (0..AT_ONCE).map(send).collect();
    let codes = senders.into_iter().map(|sender| sender.wait_with_output().unwrap().stdout);
    codes
        .flat_map(|codes| String::from_utf8(codes).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn reviews_that_would_fill_the_memory_end_no_operator() {
    let cluster = Cluster::alone();
    cluster.install();
    let before = restarts(&cluster);
    for (path, kind) in [("mutate", "Pod"), ("validate", "ProxyFleet")] {
        for length in [40 << 10, 60 << 10, 500 << 10, 6_900 << 10] {
            let review = review(kind, length);
            for operator in operators(&cluster) {
                let codes = flood(&cluster, &format!("https://{}:9443/{path}", operator.ip), &review);
                // Others find no room, or are cut off while they send.
                let answered = codes.iter().filter(|code| *code == "200").count();
                println!(
                    "{} /{path} of {length} bytes: {answered} of {} answered",
                    operator.name,
                    codes.len()
                );
                assert!(answered > 0, "none was answered: {codes:?}");
            }
        }
    }
    assert_eq!(restarts(&cluster), before, "an operator had to start again");
    eventually("a review that is answered as before", PATIENCE, || {
        let refused = cluster.try_kubectl(&[
            "run",
            "asks",
            "--image=x",
            "--labels=sluice.dev/inject=none",
            "--dry-run=server",
        ]);
        match refused {
            Err(told) if told.contains("there is no ProxyFleet") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
