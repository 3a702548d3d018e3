//! Whatever happens to the Secrets of the operator's authority, no proxy is cut off from its operators.

use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sluice_tests::cluster::operators::{operators, until_settled};
use sluice_tests::cluster::pods::Pod;
use sluice_tests::cluster::product::{KUBELET, PATIENCE, SYSTEM, try_report};
use sluice_tests::cluster::{Cluster, Namespace, eventually};

use super::manifests::{fleet, stream};
use super::metrics::values;
use super::operator::{meanwhile, rolled_out};
use super::pace::{hurry, soon_ready};
use super::webhooks::{known_fleet, refused_meanwhile};

const AUTHORITY: &str = "sluice-operator-ca";
const LEAF: &str = "sluice-operator-tls";
/// How long a new authority waits here, in seconds: the kubelet is hurried on meanwhile.
const GRACE: u64 = 20;
/// The operators' ports over TLS: for proxies, and for the API server.
const PORTS: [u16; 2] = [8443, 9443];

/// Operators whose authorities wait for less than ten minutes; as they were when this is dropped.
struct Hasty<'a> {
    cluster: &'a Cluster,
    /// Which of their arguments says so.
    place: String,
}

impl<'a> Hasty<'a> {
    fn operators(cluster: &'a Cluster) -> Self {
        let place = "-o=jsonpath={.spec.template.spec.containers[0].args}";
        let before = cluster.kubectl(&["-n", SYSTEM, "get", "deployment/sluice-operator", place]);
        let before: Vec<String> = serde_json::from_str(&before).expect("arguments");
        let place = format!("/spec/template/spec/containers/0/args/{}", before.len());
        let hasty = Self { cluster, place };
        hasty.patch(&format!(r#""add","value":"--ca-grace={GRACE}""#)).expect("a Deployment that takes it");
        rolled_out(cluster).expect("operators");
        hasty
    }

    fn patch(&self, operation: &str) -> Result<String, String> {
        let change = format!(r#"[{{"path":"{}","op":{operation}}}]"#, self.place);
        let patch = ["patch", "deployment/sluice-operator", "--type=json", "-p", &change];
        self.cluster.try_kubectl(&[&["-n", SYSTEM][..], &patch].concat())
    }
}

impl Drop for Hasty<'_> {
    fn drop(&mut self) {
        let undone = self.patch(r#""remove""#).and_then(|_| rolled_out(self.cluster));
        if let Err(error) = undone {
            eprintln!("the operators' authorities wait no more than {GRACE} s: {error}");
        }
    }
}

/// Starts every operator anew.
fn restart(cluster: &Cluster) {
    cluster.kubectl(&["-n", SYSTEM, "rollout", "restart", "deployment/sluice-operator"]);
    rolled_out(cluster).expect("operators");
}

/// The certificate in a Secret, as PEM.
fn certificate(cluster: &Cluster, secret: &str) -> Result<String, String> {
    let place = r"-o=jsonpath={.data.tls\.crt}";
    let text = cluster.try_kubectl(&["-n", SYSTEM, "get", "secret", secret, place])?;
    let pem = BASE64_STANDARD.decode(text).map_err(|error| error.to_string())?;
    String::from_utf8(pem).map_err(|error| error.to_string())
}

/// Waits until a Secret holds another certificate, and gives it.
fn another(cluster: &Cluster, secret: &str, before: &str) -> String {
    eventually(&format!("another certificate in {secret}"), PATIENCE, || {
        let now = certificate(cluster, secret)?;
        if now == before { Err("the former".to_owned()) } else { Ok(now) }
    })
}

/// Whom proxies of a namespace trust.
fn bundle(space: &Namespace<'_>) -> String {
    space.kubectl(&["get", "configmap/sluice-trust", r"-o=jsonpath={.data.ca\.crt}"])
}

/// Whether every operator serves a certificate that `trusted` has signed, for the name of its Service, on each port.
fn all_are_trusted(cluster: &Cluster, trusted: &str) -> Result<(), String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(trusted.as_bytes()).expect("room for it");
    let name = format!("sluice-operator.{SYSTEM}.svc");
    let all = operators(cluster);
    for (operator, port) in all.iter().flat_map(|operator| PORTS.map(|port| (operator, port))) {
        let (pod, ip) = (&operator.name, &operator.ip);
        let mut curl = cluster.command("curl");
        curl.args(["-sS", "-m", "10", "--connect-to", &format!("{name}:{port}:{ip}:{port}")]);
        let output = curl.arg("--cacert").arg(file.path()).arg(format!("https://{name}:{port}/")).output();
        let output = output.expect("curl runs");
        if !output.status.success() {
            return Err(format!("{pod}, port {port}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    Ok(())
}

/// A number that a node shows.
fn metric(node: &str, name: &str) -> Result<f64, String> {
    let values = values(node).ok_or("the node does not answer")?;
    values.get(name).copied().ok_or_else(|| format!("there is no {name}"))
}

/// Heartbeats of a node that operators have taken.
fn heard(node: &str) -> Result<f64, String> {
    metric(node, r#"sluice_heartbeats_total{result="taken"}"#)
}

/// Heartbeats and polls of a node that no operator has answered.
fn failures(node: &str) -> Result<f64, String> {
    let heartbeats = metric(node, r#"sluice_heartbeats_total{result="failed"}"#)?;
    Ok(heartbeats + metric(node, r#"sluice_config_polls_total{result="failed"}"#)?)
}

/// Waits until a node fails no more to reach operators that are gone, and gives how often it has failed.
fn until_nothing_fails(node: &str) -> f64 {
    let mut since = None;
    eventually("heartbeats and polls none of which fails", PATIENCE, || {
        let (taken, failed) = (heard(node)?, failures(node)?);
        let failing = metric(node, "sluice_config_poll_failing")? > 0.0;
        let (first, before) = *since.get_or_insert((taken, failed));
        if failing || failed > before {
            since = None;
        } else if taken >= first + 8.0 {
            return Ok(failed);
        }
        Err(format!("{failed} failures beside {taken} heartbeats that are taken"))
    })
}

/// Starts every operator anew, so that the node has to connect and to trust again, and waits until it is heard.
fn until_heard_anew(cluster: &Cluster, node: &str) {
    restart(cluster);
    let before = eventually("a number of heartbeats", PATIENCE, || heard(node));
    // Two operators, each told every five seconds.
    eventually("the node to be heard by new operators", PATIENCE, || {
        let now = heard(node)?;
        if now >= before + 4.0 { Ok(()) } else { Err(format!("{now} after {before}")) }
    });
}

/// Takes the authority away, and waits until every operator serves what its follower has signed in place of `leaf`; gives
/// that follower.
fn follow(cluster: &Cluster, (space, pod): (&Namespace<'_>, &Pod), (former, leaf): (&str, &str)) -> String {
    cluster.kubectl(&["-n", SYSTEM, "delete", "secret", AUTHORITY]);
    let authority = another(cluster, AUTHORITY, former);
    let both = eventually("both authorities to be trusted", PATIENCE, || {
        let trusted = bundle(space);
        let both = trusted.contains(authority.trim()) && trusted.contains(former.trim());
        if both { Ok(trusted) } else { Err(trusted) }
    });
    eventually("the node to have both", PATIENCE, || {
        hurry(space);
        let mounted = cluster.read_in_pod(space.name(), &pod.name, "/etc/sluice/trust/ca.crt")?;
        if mounted == both { Ok(()) } else { Err(mounted) }
    });
    another(cluster, LEAF, leaf);
    eventually("certificates of the new authority", PATIENCE, || all_are_trusted(cluster, &authority));
    authority
}

/// As [`follow`], while whoever connects to an operator with the namespace's bundle trusts it, the API server has every
/// stream reviewed, and no heartbeat or poll of the node fails.
fn follow_unnoticed(cluster: &Cluster, at: (&Namespace<'_>, &Pod), former: (&str, &str)) -> String {
    let (space, node) = (at.0, &at.1.ip);
    let reviewed = cluster.namespace("reviewed");
    until_settled(cluster);
    known_fleet(cluster, &reviewed);
    let before = until_nothing_fails(node);
    let (mut authority, mut looks) = (String::new(), 0);
    let reviews = refused_meanwhile(cluster, &reviewed, || {
        let look = || all_are_trusted(cluster, &bundle(space));
        looks = meanwhile(look, || authority = follow(cluster, at, former));
    });
    println!("while an authority followed another: {reviews} reviews and {looks} looks at all operators");
    assert!(reviews > 5 && looks > 5, "{reviews} reviews, {looks} looks");
    let failed = failures(node).expect("the node's metrics") - before;
    assert!(failed <= 0.0, "{failed} heartbeats and polls failed");
    authority
}

#[test]
fn a_lost_authority_and_a_lost_certificate_cut_no_proxy_off() {
    let cluster = Cluster::alone();
    cluster.install();
    let _hasty = Hasty::operators(&cluster);
    let space = cluster.namespace("trust");
    space.apply(&(fleet("edge", 1) + &stream("s", "edge")));
    soon_ready(&space, "s", &space);
    let pods = space.until_ready_pods("edge", 1, PATIENCE);
    let node = &pods[0].ip;
    let former = certificate(&cluster, AUTHORITY).unwrap();
    let leaf = certificate(&cluster, LEAF).unwrap();
    all_are_trusted(&cluster, &bundle(&space)).unwrap();
    eventually("heartbeats that are taken", PATIENCE, || {
        let taken = heard(node)?;
        if taken > 0.0 { Ok(()) } else { Err("none".to_owned()) }
    });

    // A certificate that is lost is signed again by the same authority.
    cluster.kubectl(&["-n", SYSTEM, "delete", "secret", LEAF]);
    let second = another(&cluster, LEAF, &leaf);
    assert_eq!(certificate(&cluster, AUTHORITY).unwrap(), former);
    until_heard_anew(&cluster, node);

    // An authority that is lost is followed by one that everybody trusts before it signs, and the former is trusted on.
    let authority = follow_unnoticed(&cluster, (&space, &pods[0]), (&former, &second));
    assert!(bundle(&space).contains(former.trim()), "who has the former certificate still is not trusted");
    all_are_trusted(&cluster, &former).expect_err("the former authority signs no more");
    until_heard_anew(&cluster, node);

    // When both are lost, proxies go on with what they have until the kubelet has brought them the new authority.
    cluster.kubectl(&["-n", SYSTEM, "delete", "secret", AUTHORITY, LEAF]);
    let third = another(&cluster, AUTHORITY, &authority);
    let service = space.service("sluice-edge");
    try_report(&service, space.name(), "s", "with nobody to trust").unwrap();
    eventually("certificates of the third authority", PATIENCE, || all_are_trusted(&cluster, &third));
    restart(&cluster);
    let before = eventually("a number of heartbeats", PATIENCE, || heard(node));
    eventually("heartbeats that are taken again", KUBELET, || {
        hurry(&space);
        let taken = heard(node)?;
        if taken > before { Ok(()) } else { Err(format!("{taken} as before")) }
    });
    assert_eq!(
        space.until_ready_pods("edge", 1, Duration::from_secs(90)),
        pods,
        "the same pod, not started again"
    );
}
