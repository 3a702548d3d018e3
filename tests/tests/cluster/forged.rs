//! Who a heartbeat is from, its token says and nothing in its body: one that is forged lists nothing, and spoils nothing
//! of who is listed.

use std::collections::BTreeSet;
use std::time::Duration;

use sluice_tests::cluster::operators::{Operator, operators};
use sluice_tests::cluster::pods::Pod;
use sluice_tests::cluster::{Cluster, Namespace, eventually, image};
use sluice_wire::discovery::IpList;
use sluice_wire::heartbeat::{Beat, Heartbeat, PATH, ServiceStatus};
use sluice_wire::status::NodeState;

use super::manifests::{fleet, stream};
use super::operator::manager;
use super::pace::soon_ready;

const SOON: Duration = Duration::from_secs(90);
/// No pod has this address.
const NOWHERE: &str = "203.0.113.7";
/// What nobody is listed with where a node with less is there.
const FULL: u8 = 200;

/// A heartbeat as the node `uid` of a fleet would send it.
fn heartbeat(space: &str, fleet: &str, ip: &str, uid: &str, load: u8) -> String {
    let heartbeat = Heartbeat {
        node_srv_status: ServiceStatus::Ok,
        ip: ip.to_owned(),
        port: "46802".to_owned(),
        protocol_type: "HTTP".to_owned(),
        component_type: "DATAPROXY".to_owned(),
        report_time: 1,
        cluster_name: format!("{space}.{fleet}"),
        load,
        sluice: Some(Beat {
            uid: uid.to_owned(),
            band: load,
            started: 1,
            state: NodeState::Ready,
            revision: 1,
            config_error: None,
            changes: 1,
        }),
    };
    serde_json::to_string(&heartbeat).unwrap()
}

/// Sends a heartbeat to every operator, and gives each answer's status and body.
fn send(cluster: &Cluster, token: Option<&str>, body: &str) -> Vec<(String, String)> {
    let send = |operator: Operator| {
        let mut curl = cluster.command("curl");
        curl.args(["-sS", "-k", "-m", "10", "-w", "\n%{http_code}", "-H", "Content-Type: application/json"]);
        if let Some(token) = token {
            curl.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let output =
            curl.args(["-d", body, &format!("https://{}:8443{PATH}", operator.ip)]).output().unwrap();
        assert!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    };
    operators(cluster).into_iter().map(send).collect()
}

/// A token of a service account, bound to a pod where one is named.
fn token(space: &Namespace<'_>, account: &str, audience: &str, pod: Option<&str>) -> String {
    let mut arguments = vec!["create", "token", account, "--audience", audience, "--duration=10m"];
    if let Some(pod) = pod {
        arguments.extend(["--bound-object-kind=Pod", "--bound-object-name", pod]);
    }
    space.kubectl(&arguments).trim().to_owned()
}

/// What any of many clients is told: addresses, and the highest load.
fn told(cluster: &Cluster, group: &str) -> Result<(BTreeSet<String>, u8), String> {
    let (manager, mut nodes, mut load) = (manager(cluster), BTreeSet::new(), 0);
    for client in 1..30 {
        let path = format!("/inlong/manager/openapi/dataproxy/getIpList/{group}");
        let form = format!("ip=10.128.0.{client}&protocolType=HTTP");
        let answer =
            sluice_tests::http::try_exchange(&manager, &sluice_tests::http::post(&path, "", &form), SOON);
        let answer = answer.ok_or("no answer")?;
        let list: IpList = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        for node in list.data.ok_or_else(|| answer.text().to_owned())?.node_list {
            nodes.insert(node.ip.to_string());
            load = load.max(node.node_load);
        }
    }
    Ok((nodes, load))
}

fn is(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(|pod| pod.ip.clone()).collect()
}

#[test]
fn a_forged_heartbeat_lists_nothing() {
    let cluster = Cluster::shared();
    cluster.install();
    let (space, other) = (cluster.namespace("forged"), cluster.namespace("forger"));
    for space in [&space, &other] {
        space.apply(&(fleet("edge", 1) + &stream("s", "edge")));
        soon_ready(space, "s", space);
    }
    // A pod that is no proxy at all.
    let image = image("sluice-proxy");
    other.apply(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: stranger}}, spec: {{containers: [{{name: a, image: '{image}', \
         args: [--help], securityContext: {{allowPrivilegeEscalation: false, runAsNonRoot: true, \
         capabilities: {{drop: [ALL]}}, seccompProfile: {{type: RuntimeDefault}}}}}}]}}}}"
    ));
    let [pods, others] = [&space, &other].map(|space| space.until_ready_pods("edge", 1, SOON));
    for (space, pods) in [(&space, &pods), (&other, &others)] {
        eventually("its node to be listed", SOON, || {
            let (nodes, _) = told(&cluster, space.name())?;
            if nodes == is(pods) { Ok(()) } else { Err(format!("{nodes:?}")) }
        });
    }
    let (name, node) = (space.name(), &pods[0]);
    let theirs = |audience: &str| token(&other, "sluice-edge", audience, Some(&others[0].name));

    // What is not forged is taken, so that the refusals below are not for some other reason.
    let own = token(&space, "sluice-edge", "sluice-operator", Some(&node.name));
    for (status, body) in send(&cluster, Some(&own), &heartbeat(name, "edge", &node.ip, &node.uid, 0)) {
        assert!(status == "200" && body.contains(r#""success":true"#), "{status} {body}");
    }

    let victim = heartbeat(name, "edge", &node.ip, &node.uid, FULL);
    for (what, token) in [
        ("no token", None),
        ("no token at all", Some("nonsense".to_owned())),
        ("a token of another audience", Some(token(&space, "sluice-edge", "kafka", Some(&node.name)))),
        ("a token of no pod", Some(token(&space, "sluice-edge", "sluice-operator", None))),
        ("a token for the API server", Some(theirs("https://kubernetes.default.svc"))),
    ] {
        for (status, body) in send(&cluster, token.as_deref(), &victim) {
            assert_eq!(status, "401", "{what}: {body}");
        }
    }

    // The fleets whose nodes stay as they are, and those of which no forged load is told.
    let untouched = |loads: &[&Namespace<'_>]| {
        for _ in 0..10 {
            for (space, pods) in [(&space, &pods), (&other, &others)] {
                let (nodes, load) = told(&cluster, space.name()).expect("lists");
                assert_eq!(nodes, is(pods), "of {}", space.name());
                let counts = loads.iter().any(|counts| counts.name() == space.name());
                assert!(load < FULL || !counts, "a forged load is told of {}", space.name());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    // Of a pod that is no node nothing is taken, whatever it claims.
    let stranger = token(&other, "default", "sluice-operator", Some("stranger"));
    for body in [victim, heartbeat(other.name(), "edge", NOWHERE, "made-up", FULL)] {
        for (status, body) in send(&cluster, Some(&stranger), &body) {
            assert!(status == "200" && body.contains(r#""success":false"#), "{status} {body}");
        }
    }
    untouched(&[&space, &other]);

    // What a node claims counts for itself alone: not for an address or a uid that there is not, nor for another fleet.
    for body in [
        heartbeat(name, "edge", NOWHERE, "made-up", FULL),
        heartbeat(other.name(), "edge", &others[0].ip, &others[0].uid, FULL),
    ] {
        for (status, body) in send(&cluster, Some(&own), &body) {
            assert!(status == "200" && body.contains(r#""success":true"#), "{status} {body}");
        }
    }
    untouched(&[&other]);
}
