//! Logins of a fleet's sinks: told when they can't be used, renewed without a restart, and never shown.

pub(crate) mod shown;

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sluice_tests::cluster::product::{KUBELET, PATIENCE, SYSTEM, try_report};
use sluice_tests::cluster::{Cluster, LOGIN_SERVICE, Namespace, eventually};
use sluice_tests::tls::{Authority, Client, SERVER};
use sluice_tests::{http, wait};

use super::manifests::{secret, stream};
use super::sidecar::pods::{application, until_running};
use shown::Shown;

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

/// A line of a private key that no other has: the first ones of all keys of its kind begin alike.
fn line_of(key: &str) -> String {
    key.lines().nth(2).expect("a key in several lines").to_owned()
}

/// That of a key of the operator's own.
fn line_of_own(cluster: &Cluster, secret: &str) -> String {
    let place = r"-o=jsonpath={.data.tls\.key}";
    let text = cluster.kubectl(&["-n", SYSTEM, "get", "secret", secret, place]);
    line_of(std::str::from_utf8(&BASE64_STANDARD.decode(text).unwrap()).unwrap())
}

/// A stream of a group of its own, because a group is on one fleet.
fn apart(name: &str, fleet: &str, space: &Namespace<'_>) -> String {
    stream(name, fleet).replace("spec:\n", &format!("spec:\n  groupId: {}.{fleet}\n", space.name()))
}

/// Makes a fleet `beside` of sidecars that log in with a Secret, a stream `d` on it, and a pod with one.
fn one_beside(space: &Namespace<'_>, secret: &str) {
    let fleet = secured("beside", secret).replace("replicas: 1\n  drain: {notify: 0s}", "mode: Sidecar");
    space.apply(&(fleet + &apart("d", "beside", space)));
    space.wait("pf/beside", "Available", PATIENCE);
    space.apply(&application("app", "Pod", 1, "beside"));
    until_running(space, 1);
}

/// Reports to the stream `c` with the token that it asks for and with another, and to `a` over TLS.
fn report_with_credentials(space: &Namespace<'_>, token: &str, authority: &Authority) {
    let service = space.service("sluice-good");
    for (shown, wanted) in [(token.to_owned(), "0"), (format!("{token}x"), "10")] {
        let headers = format!("Authorization: Bearer {shown}\r\n");
        let form = format!("groupId={}&streamId=c&body=x", space.name());
        let code = http::exchange(&service, &http::post("/dataproxy/message", &headers, &form)).code();
        assert_eq!(code, wanted);
    }
    let over_tls = service.replace(":46802", ":46803");
    let client = Client::new(&[authority], None);
    eventually("a report over TLS", PATIENCE, || {
        let answer = client.exchange(&over_tls, &http::report(space.name(), "a", "over TLS"));
        let code = answer.map_err(|error| error.to_string())?.code();
        if code == "0" { Ok(()) } else { Err(code) }
    });
}

#[test]
fn no_value_of_a_secret_is_shown_anywhere() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("marked");
    let user = format!("marked-user-{}", space.name());
    let (right, wrong) = ("marked-right-5f0c7e", "marked-wrong-91ab3d");
    let token = "marked-token-of-the-producers-7d20";
    let authority = Authority::generate();
    let own = authority.issue(SERVER);
    set_password(&cluster, &user, right);
    let good = secured("good", "right").replace("spec:\n", "spec:\n  listeners: {https: {secret: own}}\n");
    let guarded = stream("c", "good")
        .replace("spec:\n", "spec:\n  auth: {type: Token, tokensSecret: {name: producers}}\n");
    space.apply(
        &(secret("own", "kubernetes.io/tls", &[("tls.crt", &own.certificate), ("tls.key", &own.key)])
            + &secret("producers", "sluice.dev/tokens", &[("one", token)])
            + &login("right", &user, right)
            + &login("wrong", &user, wrong)
            + &good
            + &secured("bad", "wrong")
            + &stream("a", "good")
            + &guarded
            + &apart("b", "bad", &space)),
    );
    one_beside(&space, "right");
    space.until_ready("a");
    let service = space.service("sluice-good");
    eventually("a report", PATIENCE, || try_report(&service, space.name(), "a", "a report"));
    space.until_ready("c");
    space.until_ready("d");
    report_with_credentials(&space, token, &authority);
    until_told(
        &space,
        "dstream/b",
        ("SinkReady", "False", "SinkUnreachable"),
        "refused the login of sink kafka",
    );
    until_told(&space, "pf/bad", ("Degraded", "True", "SinkUnreachable"), "secret \"wrong\"");

    let shown = Shown::of(&cluster, &[space.name(), SYSTEM]);
    shown.assert_has(&["objects", "configuration", "log of sluice-operator"]);
    shown.assert_has(&["log of sluice-good", "/status of sluice-good", "/metrics of sluice-good"]);
    shown.assert_has(&["log of app", "/status of app", "/metrics of app"]);
    let keys = ["sluice-operator-ca", "sluice-operator-tls"].map(|name| line_of_own(&cluster, name));
    shown.assert_hides(&[right, wrong, &user, token, &line_of(&own.key), &keys[0], &keys[1]]);
}
