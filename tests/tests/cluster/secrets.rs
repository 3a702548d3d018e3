//! Logins of a fleet's sinks: told when they can't be used, renewed without a restart, and never shown.

use std::io::Read as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sluice_tests::cluster::product::{KUBELET, PATIENCE, SYSTEM, try_report};
use sluice_tests::cluster::{Cluster, LOGIN_SERVICE, Namespace, eventually};
use sluice_tests::{http, wait};

use super::manifests::{secret, stream};

/// A fleet that logs in at Kafka with what a Secret holds.
fn secured(name: &str, secret: &str) -> String {
    format!(
        "
apiVersion: sluice.dev/v1alpha1
kind: ProxyFleet
metadata: {{name: {name}}}
spec:
  replicas: 1
  drain: {{notify: 0s}}
  sinks:
  - name: kafka
    kafka: {{bootstrapServers: \"{LOGIN_SERVICE}\", sasl: {{mechanism: SCRAM-SHA-512, secret: {secret}}}}}
  resources: {{requests: {{cpu: 10m, memory: 32Mi}}}}
---
"
    )
}

fn login(name: &str, user: &str, password: &str) -> String {
    secret(name, "Opaque", &[("username", user), ("password", password)])
}

/// Gives a user of Kafka a password and waits until it is the one that counts.
fn set_password(cluster: &Cluster, user: &str, password: &str) {
    cluster.set_kafka_password(user, password);
    wait::until("the new password to be taken", PATIENCE, || cluster.kafka_lets_in(user, password));
}

/// Which containers run, and how often each was restarted.
fn pods(namespace: &Namespace<'_>) -> String {
    let template = r#"-o=jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\n"}{end}"#;
    namespace.kubectl(&["get", "pods", "-l", "app.kubernetes.io/name=sluice-proxy", template])
}

/// How often the proxies of a fleet have put a configuration or other Secrets into effect.
fn renewals(namespace: &Namespace<'_>, fleet: &str) -> Result<usize, String> {
    let selector = format!("sluice.dev/fleet={fleet}");
    let logs = namespace.try_kubectl(&["logs", "-l", &selector, "--all-containers", "--tail=-1"])?;
    Ok(logs.matches(" in effect\"").count())
}

/// Waits until a condition has a status and a reason and says something.
fn until_told(
    namespace: &Namespace<'_>,
    object: &str,
    (kind, status, reason): (&str, &str, &str),
    words: &str,
) {
    eventually(&format!("{object} to say {kind}={status}, {reason}: {words}"), KUBELET, || {
        let seen = namespace.condition(object, kind);
        let told = seen.0 == status && seen.1 == reason && seen.2.contains(words);
        if told { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

#[test]
fn a_rotated_password_is_used_without_a_restart() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("rotate");
    let user = space.name();
    set_password(&cluster, user, "the-first-password");
    space.apply(
        &(login("login", user, "the-first-password") + &secured("edge", "login") + &stream("a", "edge")),
    );
    space.until_ready("a");
    let service = space.service("sluice-edge");
    eventually("a report", PATIENCE, || try_report(&service, space.name(), "a", "with the first"));
    let (before, renewed) = (pods(&space), renewals(&space, "edge").unwrap());

    set_password(&cluster, user, "the-second-password");
    assert!(!cluster.kafka_lets_in(user, "the-first-password"), "the old password still works");
    let began = Instant::now();
    space.apply(&login("login", user, "the-second-password"));
    eventually("the new password to be in effect", KUBELET, || {
        try_report(&service, space.name(), "a", "meanwhile").expect("no report is refused meanwhile");
        let now = renewals(&space, "edge")?;
        if now > renewed { Ok(()) } else { Err(format!("renewed {now} times")) }
    });
    println!("a rotated password: in effect after {:.1} s", began.elapsed().as_secs_f64());
    // The topic of another stream is made through the connection that there is now.
    space.apply(&stream("b", "edge"));
    space.until_ready("b");
    for stream in ["a", "b"] {
        try_report(&service, space.name(), stream, "with the second").expect("a report");
    }
    assert_eq!(pods(&space), before, "no pod was replaced or restarted");
}

#[test]
fn a_missing_secret_or_key_is_told_and_heals_when_it_appears() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("missing");
    let user = space.name();
    set_password(&cluster, user, "a-good-password");
    space.apply(&(secured("edge", "login") + &stream("a", "edge")));
    let missing = |key: &str| format!("secret \"login\" has no key \"{key}\"");
    until_told(&space, "dstream/a", ("SinkReady", "False", "SecretUnusable"), &missing("username"));
    until_told(&space, "dstream/a", ("Ready", "False", "SecretUnusable"), &missing("username"));
    until_told(&space, "pf/edge", ("Degraded", "True", "SecretUnusable"), &missing("username"));
    let before = pods(&space);

    space.apply(&secret("login", "Opaque", &[("username", user)]));
    until_told(&space, "dstream/a", ("SinkReady", "False", "SecretUnusable"), &missing("password"));
    until_told(&space, "pf/edge", ("Degraded", "True", "SecretUnusable"), &missing("password"));

    space.apply(&login("login", user, "a-good-password"));
    space.until_ready("a");
    until_told(&space, "pf/edge", ("Degraded", "False", "AsExpected"), "");
    try_report(&space.service("sluice-edge"), space.name(), "a", "healed").expect("a report");
    assert_eq!(pods(&space), before, "no pod was replaced or restarted");
}

/// A marker as it stands in plain text, and in Base64 of any text around it.
fn forms(marker: &str) -> Vec<String> {
    let shifted = (0..3).map(|before| {
        let text = BASE64_STANDARD.encode(format!("{}{marker}", " ".repeat(before)));
        // Characters that also hold bits of what stands before or behind are left out.
        text[(before * 8).div_ceil(6)..(before + marker.len()) * 8 / 6].to_owned()
    });
    std::iter::once(marker.to_owned()).chain(shifted).collect()
}

/// What ConfigMaps hold, decompressed: the configuration of fleets.
fn configurations(namespace: &str, cluster: &Cluster) -> Vec<(String, String)> {
    let maps = cluster.kubectl(&["-n", namespace, "get", "configmaps", "-o", "json"]);
    let maps: Value = serde_json::from_str(&maps).unwrap();
    let parts = maps["items"].as_array().unwrap().iter().filter_map(|map| {
        let part = BASE64_STANDARD.decode(map["binaryData"]["part"].as_str()?).unwrap();
        let body = part.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let mut text = String::new();
        zstd::Decoder::new(&part[body..]).unwrap().read_to_string(&mut text).unwrap();
        Some((format!("configuration {}", map["metadata"]["name"]), text))
    });
    parts.collect()
}

/// Every object of a namespace but Secrets.
fn objects(namespace: &str, cluster: &Cluster) -> (String, String) {
    let kinds = cluster.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"]);
    let kinds: Vec<_> = kinds.lines().filter(|kind| *kind != "secrets").collect();
    let kinds = kinds.join(",");
    let all = ["-n", namespace, "get", &kinds, "-o", "json", "--show-managed-fields"];
    (format!("objects of {namespace}"), cluster.kubectl(&all))
}

/// Logs of a namespace's pods, and what they show on port 9102.
fn shown(namespace: &str, cluster: &Cluster) -> Vec<(String, String)> {
    let rows = r#"-o=jsonpath={range .items[*]}{.metadata.name} {.status.podIP}{"\n"}{end}"#;
    let selector = "app.kubernetes.io/name in (sluice-proxy,sluice-operator)";
    let mut shown = Vec::new();
    for row in cluster.kubectl(&["-n", namespace, "get", "pods", "-l", selector, rows]).lines() {
        let (pod, ip) = row.split_once(' ').unwrap();
        // One that has gone meanwhile shows nothing any more.
        let logs = cluster.try_kubectl(&["-n", namespace, "logs", pod, "--all-containers", "--tail=-1"]);
        shown.push((format!("log of {pod}"), logs.unwrap_or_default()));
        for path in ["/metrics", "/status", "/books"] {
            let answer = http::try_exchange(&format!("{ip}:9102"), &http::get(path), Duration::from_secs(5));
            let text = answer.map(|answer| answer.text().to_owned());
            shown.push((format!("{path} of {pod}"), text.unwrap_or_default()));
        }
    }
    shown
}

#[test]
fn no_value_of_a_secret_is_shown_anywhere() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("marked");
    let user = format!("marked-user-{}", space.name());
    let (right, wrong) = ("marked-right-5f0c7e", "marked-wrong-91ab3d");
    set_password(&cluster, &user, right);
    space.apply(&(login("right", &user, right) + &secured("good", "right") + &stream("a", "good")));
    let token = "marked-token-of-the-producers-7d20";
    space.apply(&secret("producers", "sluice.dev/tokens", &[("one", token)]));
    let guarded = stream("c", "good")
        .replace("spec:\n", "spec:\n  auth: {type: Token, tokensSecret: {name: producers}}\n");
    space.apply(&guarded);
    space.apply(&(login("wrong", &user, wrong) + &secured("bad", "wrong")));
    // A groupId of its own, because a group is on one fleet.
    space.apply(&stream("b", "bad").replace("spec:\n", &format!("spec:\n  groupId: {}.bad\n", space.name())));
    space.until_ready("a");
    let service = space.service("sluice-good");
    eventually("a report", PATIENCE, || try_report(&service, space.name(), "a", "a report"));
    space.until_ready("c");
    for headers in
        [format!("Authorization: Bearer {token}\r\n"), format!("Authorization: Bearer {token}x\r\n")]
    {
        let form = format!("groupId={}&streamId=c&body=x", space.name());
        let code = http::exchange(&service, &http::post("/dataproxy/message", &headers, &form)).code();
        assert_eq!(code, if headers.contains("x\r") { "10" } else { "0" });
    }
    until_told(
        &space,
        "dstream/b",
        ("SinkReady", "False", "SinkUnreachable"),
        "refused the login of sink kafka",
    );
    until_told(&space, "pf/bad", ("Degraded", "True", "SinkUnreachable"), "secret \"wrong\"");

    let mut all = Vec::new();
    for namespace in [space.name(), SYSTEM] {
        all.push(objects(namespace, &cluster));
        all.extend(configurations(namespace, &cluster));
        all.extend(shown(namespace, &cluster));
    }
    let looked_at = |what: &str| all.iter().any(|(name, text)| name.starts_with(what) && !text.is_empty());
    for what in
        ["objects", "configuration", "log of sluice-good", "log of sluice-operator", "/status", "/metrics"]
    {
        assert!(looked_at(what), "{what} was not found to be searched");
    }
    for marker in [right, wrong, &user, token] {
        for form in forms(marker) {
            let found: Vec<_> =
                all.iter().filter(|(_, text)| text.contains(&form)).map(|(name, _)| name).collect();
            assert!(found.is_empty(), "{form:?}, a form of a Secret's {marker}, stands in {found:?}");
        }
    }
}

#[test]
fn a_marker_is_found_in_every_form() {
    let forms = forms("marked-5f0c7e");
    for around in ["", "a", "ab", "abc"] {
        let text = BASE64_STANDARD.encode(format!("{around}marked-5f0c7e and more"));
        assert!(forms.iter().any(|form| text.contains(form)), "{text} {forms:?}");
    }
}
