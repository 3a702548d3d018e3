//! Producers that prove who they are, against a real API server: tokens out of a Secret that change under load, and service
//! accounts' tokens that the API server signs and that nobody asks it about.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually, image};
use sluice_tests::history::History;
use sluice_tests::http::{self, post};
use sluice_tests::load::{Load, Progress};
use sluice_tests::{kafka, wait};

use super::manifests::{fleet, secret, stream};
use super::operator::manager;
use super::pace::soon_ready;

const FIRST: &str = "first-token-of-the-shop-1";
const SECOND: &str = "second-token-of-the-shop-2";

/// A stream on the fleet `edge` that asks for something.
fn guarded(name: &str, auth: &str) -> String {
    stream(name, "edge").replace("spec:\n", &format!("spec:\n  auth: {auth}\n"))
}

fn tokens(tokens: &[(&str, &str)]) -> String {
    secret("producers", "sluice.dev/tokens", tokens)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The code of a report with these header lines.
fn code(service: &str, space: &Namespace<'_>, name: &str, headers: &str) -> String {
    let form = format!("groupId={}&streamId={name}&body=x", space.name());
    http::exchange(service, &post("/dataproxy/message", headers, &form)).code()
}

/// The tokens that a stream's status says every node takes.
fn in_effect(space: &Namespace<'_>, name: &str) -> Vec<String> {
    let stream = space.get(&format!("dstream/{name}"));
    let tokens = stream["status"]["auth"]["tokens"].as_array().cloned().unwrap_or_default();
    tokens.iter().map(|token| token["id"].as_str().unwrap().to_owned()).collect()
}

fn until_in_effect(space: &Namespace<'_>, name: &str, wanted: &[&str]) {
    eventually(&format!("{wanted:?} to be in effect"), Duration::from_secs(60), || {
        let told = in_effect(space, name);
        if told == wanted { Ok(()) } else { Err(format!("{told:?}")) }
    });
}

/// Where the nodes for a group are asked for.
fn of_group(space: &Namespace<'_>) -> String {
    format!("getIpList/{}", space.name())
}

/// Where the nodes of the fleet `edge` are asked for.
fn of_fleet(space: &Namespace<'_>) -> String {
    format!("getIpListByClusterName/{}.edge", space.name())
}

/// Status and body of what the operator answers a producer that asks for nodes.
fn discover(cluster: &Cluster, place: &str, headers: &str) -> (u16, Value) {
    let path = format!("/inlong/manager/openapi/dataproxy/{place}");
    let answer = http::exchange(&manager(cluster), &post(&path, headers, "protocolType=HTTP"));
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[test]
fn tokens_are_rotated_under_load_without_a_refusal_and_a_removed_one_is_refused() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("tokens");
    let by_token = "{type: Token, tokensSecret: {name: producers}}";
    space.apply(&(tokens(&[("one", FIRST)]) + &fleet("edge", 2) + &guarded("orders", by_token)));
    soon_ready(&space, "orders", &space);
    let service = space.service("sluice-edge");
    until_in_effect(&space, "orders", &["one"]);
    assert_eq!(code(&service, &space, "orders", ""), "10");
    assert_eq!(code(&service, &space, "orders", &bearer(SECOND)), "10");

    let history = Arc::new(History::new());
    let load = |token: &str, progress: &Progress| {
        let steady = Load::steady(&service, 2, Duration::from_millis(20));
        let (group_id, stream_id) = (space.name().to_owned(), "orders".to_owned());
        Load { group_id, stream_id, headers: bearer(token), ..steady }.spawn(&history, progress)
    };
    let (old, new) = (Progress::new(), Progress::new());
    let by_old = load(FIRST, &old);
    wait::until("reports with the old token", PATIENCE, || old.answered() > 50);
    space.apply(&tokens(&[("one", FIRST), ("two", SECOND)]));
    until_in_effect(&space, "orders", &["one", "two"]);
    let by_new = load(SECOND, &new);
    wait::until("reports with the new token", PATIENCE, || new.answered() > 50);
    old.stop();
    let old_codes = by_old.join().unwrap();
    // In one step: while there is no Secret nobody is let in.
    let remove = r#"[{"op": "remove", "path": "/data/one"}]"#;
    space.kubectl(&["patch", "secret/producers", "--type=json", "-p", remove]);
    let removed = Instant::now();
    eventually("the removed token to be refused", Duration::from_secs(30), || {
        let code = code(&service, &space, "orders", &bearer(FIRST));
        if code == "10" { Ok(()) } else { Err(code) }
    });
    println!("a removed token is refused after {:.1} s", removed.elapsed().as_secs_f64());
    until_in_effect(&space, "orders", &["two"]);
    assert_eq!(code(&service, &space, "orders", &bearer(FIRST)), "10", "on no node it is taken");
    new.stop();
    for codes in [old_codes, by_new.join().unwrap()] {
        assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
    }
    let topic = format!("{}.orders", space.name());
    let values = kafka::read(KAFKA, &topic).into_iter().map(|record| record.value);
    history.assert_holds(values.filter(|value| value.as_slice() != b"x"));

    for place in [of_group(&space), of_fleet(&space)] {
        let (status, refused) = discover(&cluster, &place, "");
        assert_eq!((status, &refused["success"]), (401, &Value::Bool(false)), "{place}: {refused}");
        let (status, listed) = discover(&cluster, &place, &bearer(SECOND));
        // One is left out where it is much fuller than the other.
        let nodes = listed["data"]["nodeList"].as_array().map_or(0, Vec::len);
        assert!(status == 200 && (1..=2).contains(&nodes), "{place}: {status} {listed}");
        // Any replica may answer, and the one that does not lead hears of it a little later.
        eventually(&format!("the removed token to be refused at {place}"), Duration::from_secs(10), || {
            let (status, answer) = discover(&cluster, &place, &bearer(FIRST));
            if status == 401 { Ok(()) } else { Err(format!("{status} {answer}")) }
        });
    }
}

/// A token that the API server signs.
fn account_token(space: &Namespace<'_>, account: &str, more: &[&str]) -> String {
    space.kubectl(&[&["create", "token", account][..], more].concat()).trim().to_owned()
}

#[test]
fn a_service_account_reports_with_a_token_that_nobody_asks_the_api_server_about() {
    let cluster = Cluster::shared();
    cluster.install();
    let (space, other) = (cluster.namespace("accounts"), cluster.namespace("elsewhere"));
    for (space, account) in [(&space, "orders"), (&space, "bills"), (&other, "orders")] {
        space.kubectl(&["create", "serviceaccount", account]);
    }
    let whole = format!("{{type: ServiceAccount, serviceAccounts: [\"{}/*\"]}}", other.name());
    space.apply(
        &(fleet("edge", 1)
            + &guarded("named", "{type: ServiceAccount, serviceAccounts: [orders]}")
            + &guarded("whole", &whole)),
    );
    soon_ready(&space, "named", &space);
    soon_ready(&space, "whole", &space);
    let service = space.service("sluice-edge");
    let audience = ["--audience", "sluice", "--duration", "1h"];
    let orders = bearer(&account_token(&space, "orders", &audience));
    let bills = bearer(&account_token(&space, "bills", &audience));
    let elsewhere = bearer(&account_token(&other, "orders", &audience));
    let mark = cluster.audit_mark();
    for (name, headers, wanted) in [
        ("named", &orders, "0"),
        ("named", &bills, "10"),
        ("named", &elsewhere, "10"),
        ("whole", &orders, "10"),
        ("whole", &elsewhere, "0"),
    ] {
        assert_eq!(code(&service, &space, name, headers), wanted, "{name}");
    }
    let foreign = ["--audience", "https://kubernetes.default.svc", "--duration", "1h"];
    for more in [
        &foreign,
        &["--audience", "sluice-operator", "--duration", "1h"],
        &["--audience", "sluice", "--duration", "3h"],
    ] {
        let token = bearer(&account_token(&space, "orders", more));
        assert_eq!(code(&service, &space, "named", &token), "10", "{more:?}");
    }
    for _ in 0..200 {
        assert_eq!(code(&service, &space, "named", &orders), "0");
    }
    let account = format!("system:serviceaccount:{}:sluice-edge", space.name());
    let asked: Vec<_> = cluster
        .audit_since(mark)
        .into_iter()
        .filter(|entry| entry.resource == "tokenreviews" || entry.user == account)
        .collect();
    assert!(asked.is_empty(), "the API server was asked: {asked:?}");
    // Only the operator, which has it for all proxies, asks for the keys.
    for place in [of_group(&space), of_fleet(&space)] {
        assert_eq!(discover(&cluster, &place, "").0, 401, "{place}");
        assert_eq!(discover(&cluster, &place, &elsewhere).0, 200, "{place}: of any of its streams");
    }
}

#[test]
fn a_pod_reports_with_the_token_that_the_kubelet_mounts() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("mounted");
    let auth = "{type: ServiceAccount, serviceAccounts: [default]}";
    space.apply(&(fleet("edge", 1) + &guarded("orders", auth)));
    soon_ready(&space, "orders", &space);
    space.apply(&JOB.replace("IMAGE", &image("sluice")).replace("GROUP", space.name()));
    space.wait("job/producer", "Complete", PATIENCE);
    let told = space.kubectl(&["logs", "job/producer"]);
    assert!(told.contains("1"), "{told}");
    let stored = kafka::read(KAFKA, &format!("{}.orders", space.name()));
    assert_eq!(stored.len(), 1, "{told}");
    assert_eq!(code(&space.service("sluice-edge"), &space, "orders", ""), "10");
}

/// A producer of the product's own, with a token that the kubelet renews.
const JOB: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: records}, data: {records.txt: first}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: producer}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: producer
        image: IMAGE
        args: [send, GROUP, orders, --file, /records/records.txt]
        env:
        - {name: SLUICE_URL, value: 'http://sluice-edge:46802'}
        - {name: SLUICE_TOKEN_FILE, value: /var/run/sluice/token}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: records, mountPath: /records}
        - {name: sluice-token, mountPath: /var/run/sluice}
      volumes:
      - {name: records, configMap: {name: records}}
      - name: sluice-token
        projected: {sources: [{serviceAccountToken: {audience: sluice, expirationSeconds: 3600, path: token}}]}
";
