//! Certificates that the API server meets the operator with, and whom it trusts: while they change, and while operators do,
//! it is answered.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_tests::cluster::operators::{Operator, operators};
use sluice_tests::cluster::product::{KUBELET, PATIENCE, SYSTEM};
use sluice_tests::cluster::{Cluster, Namespace, eventually};
use sluice_tests::tls::{Authority, Client, Pair};

use super::super::manifests::secret;
use super::super::operator::Reinstall;
use super::super::pace::hurry_operators;
use super::super::sidecar::pods::application;
use super::{apply, beside, known_fleet, refused_meanwhile, try_refused};

const CONFIGURATIONS: [&str; 2] = ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"];

/// Whom the API server trusts, by each of its webhooks.
fn bundles(cluster: &Cluster) -> Vec<String> {
    let of = |kind: &str| {
        let text = cluster.kubectl(&["get", kind, "sluice-operator", "-o", "json"]);
        let configuration: Value = serde_json::from_str(&text).unwrap();
        configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()
    };
    CONFIGURATIONS.map(of).into()
}

/// How often operators were asked and how often nobody answered.
#[derive(Debug, Default)]
struct Asked {
    answered: usize,
    unanswered: usize,
}

impl Asked {
    fn count(&mut self, answered: bool) {
        *(if answered { &mut self.answered } else { &mut self.unanswered }) += 1;
    }

    fn assert_mostly_answered(&self, what: &str) {
        println!("{what} during a rollout: {self:?}");
        assert!(self.answered > 5 * self.unanswered, "{what}: {self:?}");
    }
}

/// Asks about streams and about pods in turn, until every operator is another; a fleet `beside` of sidecars is there.
fn asked_in_a_rollout(cluster: &Cluster, space: &Namespace<'_>) -> [Asked; 2] {
    let (mut streams, mut pods) = (Asked::default(), Asked::default());
    let pod = application("asks", "Pod", 1, "beside");
    let status = ["-n", SYSTEM, "rollout", "status", "deployment/sluice-operator", "--watch=false"];
    cluster.kubectl(&["-n", SYSTEM, "rollout", "restart", "deployment/sluice-operator"]);
    let end = Instant::now() + PATIENCE;
    while streams.answered.min(pods.answered) < 20
        || !cluster.kubectl(&status).contains("successfully rolled out")
    {
        assert!(Instant::now() < end, "no end of the rollout: {streams:?}, {pods:?}");
        streams.count(try_refused(cluster, space).is_ok());
        let (taken, told) = apply(space, cluster, &["--dry-run=server"], &pod);
        assert!(taken || told.contains("failed calling webhook \"injection.sluice.dev\""), "{told}");
        pods.count(taken);
    }
    [streams, pods]
}

#[test]
fn another_certificate_leaves_no_review_out_and_a_rollout_hardly_any() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("rotated");
    known_fleet(&cluster, &space);
    beside(&space);
    let certificate = || {
        cluster.kubectl(&["-n", SYSTEM, "get", "secret/sluice-operator-tls", r"-o=jsonpath={.data.tls\.crt}"])
    };
    let before = certificate();
    let count = refused_meanwhile(&cluster, &space, || {
        cluster.kubectl(&["-n", SYSTEM, "delete", "secret/sluice-operator-tls"]);
        eventually("another certificate", PATIENCE, || {
            let place = ["get", "secret/sluice-operator-tls", r"-o=jsonpath={.data.tls\.crt}"];
            let now = cluster.try_kubectl(&[&["-n", SYSTEM][..], &place].concat())?;
            if now == before { Err("the former".to_owned()) } else { Ok(()) }
        });
        // Connections with the former one still end.
        std::thread::sleep(Duration::from_secs(15));
    });
    println!("{count} reviews during a rotation");
    assert!(count > 10, "{count}");
    // Operators that come and go leave no more out than what was on its way: of that a stream is taken as it is, and a pod
    // that asks for a proxy is refused.
    let [streams, pods] = asked_in_a_rollout(&cluster, &space);
    streams.assert_mostly_answered("streams");
    pods.assert_mostly_answered("pods");
}

#[test]
fn whom_to_trust_is_put_back_where_somebody_took_it_out_and_outlives_an_upgrade() {
    let cluster = Cluster::alone();
    cluster.install();
    let before = bundles(&cluster);
    assert!(before.iter().all(|bundle| !bundle.is_empty()) && before[0] == before[1], "{before:?}");
    for kind in CONFIGURATIONS {
        let emptied = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
        cluster.kubectl(&["patch", kind, "sluice-operator", "--type=json", "-p", emptied]);
    }
    eventually("both to be as before", PATIENCE, || {
        let now = bundles(&cluster);
        if now == before { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let mark = cluster.audit_mark();
    cluster.helm_install(&[]);
    let emptied = cluster.audit_since(mark).into_iter().filter(|entry| {
        entry.is_write()
            && entry.resource.ends_with("webhookconfigurations")
            && entry.user.contains("sluice-operator")
    });
    assert_eq!(emptied.count(), 0, "an upgrade gives the operator nothing to put back");
    assert_eq!(bundles(&cluster), before);
}

/// Puts another certificate of an authority, for the operators' names, into the Secret `given`.
fn give(cluster: &Cluster, authority: &Authority) -> Pair {
    let pair = authority.issue(&format!("*.{SYSTEM}.svc"));
    let given = secret(
        "given",
        "kubernetes.io/tls",
        &[("tls.crt", &pair.certificate), ("tls.key", &pair.key), ("ca.crt", authority.certificate())],
    );
    cluster.apply(&given.replace("name: given", &format!("name: given, namespace: {SYSTEM}")));
    pair
}

/// Waits until every operator shows this certificate to the API server.
fn until_shown(cluster: &Cluster, authority: &Authority, pair: &Pair) {
    let (client, name) = (Client::new(&[authority], None), format!("sluice-operator.{SYSTEM}.svc"));
    eventually("the renewed certificate on every operator", KUBELET, || {
        hurry_operators(cluster);
        for Operator { name: pod, ip, .. } in operators(cluster) {
            let shown = client.connect_to(&name, &format!("{ip}:9443"));
            let shown = shown.map_err(|error| format!("{pod}: {error}"))?.certificate();
            if shown != pair.bytes() {
                return Err(format!("{pod} shows another"));
            }
        }
        Ok(())
    });
}

#[test]
fn a_certificate_of_somebody_else_s_is_served_trusted_and_taken_up_anew() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("given");
    known_fleet(&cluster, &space);
    let authority = Authority::generate();
    let first = give(&cluster, &authority);
    let _restore = Reinstall(&cluster);
    cluster.helm_install(&["--set", "tls.existingSecret=given"]);
    let ours = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, authority.certificate());
    // The one that is to lead may have to wait until the one that led has left.
    let trusted = eventually("its authority to be trusted", PATIENCE, || {
        let trusted = bundles(&cluster);
        if trusted.iter().all(|bundle| *bundle == ours) { Ok(trusted) } else { Err(format!("{trusted:?}")) }
    });
    until_shown(&cluster, &authority, &first);
    known_fleet(&cluster, &space);

    let count = refused_meanwhile(&cluster, &space, || {
        let renewed = give(&cluster, &authority);
        until_shown(&cluster, &authority, &renewed);
        for _ in 0..10 {
            try_refused(&cluster, &space).expect("a refusal by who has the renewed one");
        }
    });
    println!("{count} reviews while another certificate was given");
    assert_eq!(bundles(&cluster), trusted, "its authority is the same");
    // One whose authority is another's would wait beside these, as above.
    cluster.kubectl(&["-n", SYSTEM, "scale", "deployment/sluice-operator", "--replicas=0"]);
}
