//! Producers find nodes by asking the operator, which tells the truth about nodes: that they are there, that they are
//! going, how full they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sluice_tests::cluster::pods::Pod;
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually};
use sluice_tests::history::{History, Outcome};
use sluice_tests::http::{self, Connection};
use sluice_tests::kafka;
use sluice_tests::producers::{self, Kind, Plan, Producer};
use sluice_wire::discovery::{IpList, IpListData};

use super::manifests::{fleet, stream};
use super::operator::manager;
use super::pace::soon_ready;

const SOON: Duration = Duration::from_secs(90);
/// A node that is gone leaves every list within this, on a machine that is as busy as can be.
const GONE: Duration = Duration::from_secs(40);
/// A node that is cut off from the operators stays listed for ever; this is far longer than 13 s of silence.
const CUT: Duration = Duration::from_secs(35);
/// How long clients' lists are watched for changes without need.
const WATCHED: Duration = Duration::from_secs(30);
/// Clients that a distribution is made of.
const CLIENTS: u32 = 1_000;

/// A client's own address.
fn client(number: u32) -> String {
    IpAddr::from((0x0a80_0000 + number).to_be_bytes()).to_string()
}

fn question(group: &str, ip: &str) -> Vec<u8> {
    let path = format!("/inlong/manager/openapi/dataproxy/getIpList/{group}");
    http::post(&path, "", &http::form(&[("ip", ip), ("protocolType", "HTTP")]))
}

/// What a manager answers these clients about a group, in their order.
fn lists(
    manager: &str,
    group: &str,
    clients: impl IntoIterator<Item = u32>,
) -> Result<Vec<IpListData>, String> {
    let mut connection = Connection::open(manager);
    let ask = |number| {
        connection.send(&question(group, &client(number)));
        let answer = connection.answer();
        let list: IpList = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        list.data.filter(|_| list.success).ok_or_else(|| answer.text().to_owned())
    };
    clients.into_iter().map(ask).collect()
}

fn addresses(list: &IpListData) -> BTreeSet<String> {
    list.node_list.iter().map(|node| node.ip.to_string()).collect()
}

/// The nodes that any of many clients is told of.
fn listed(manager: &str, group: &str) -> Result<BTreeSet<String>, String> {
    Ok(lists(manager, group, 0..50)?.iter().flat_map(addresses).collect())
}

/// Waits until exactly these nodes are told to clients.
fn until_listed(manager: &str, group: &str, pods: &[Pod]) {
    let wanted: BTreeSet<String> = pods.iter().map(|pod| pod.ip.clone()).collect();
    eventually("every node to be listed", SOON, || {
        let now = listed(manager, group)?;
        if now == wanted { Ok(()) } else { Err(format!("{now:?} in place of {wanted:?}")) }
    });
}

/// A fleet `edge` of so many nodes with a stream `s`, ready and listed.
fn three_nodes(space: &Namespace<'_>, manager: &str, spec: &str) -> Vec<Pod> {
    space.apply(&(spec.to_owned() + &stream("s", "edge")));
    soon_ready(space, "s", space);
    let pods = space.until_ready_pods("edge", 3, SOON);
    until_listed(manager, space.name(), &pods);
    pods
}

/// A fleet whose nodes, once their pods are deleted, stay and are called ready for longer than `GONE`: it is not the
/// readiness probe that takes them out of lists by then.
fn patient(fleet: &str) -> String {
    let slow = "
  podTemplate: {spec: {containers: [{name: proxy, readinessProbe: {failureThreshold: 60}}]}}
";
    fleet.replace("notify: 0s", "notify: 60s").replace("\n---\n", &format!("{slow}---\n"))
}

/// How long it took until a node was in no list and in no endpoint ConfigMap, and whether its pod was called ready still
/// when it was in no list.
fn leaves(space: &Namespace<'_>, manager: &str, node: &Pod) -> (Duration, Duration, bool) {
    let began = Instant::now();
    let (mut list, mut map, mut ready) = (None, None, false);
    let (list, map) = eventually(&format!("{} to leave", node.ip), GONE, || {
        if list.is_none() && !listed(manager, space.name())?.contains(&node.ip) {
            list = Some(began.elapsed());
            ready = space.condition(&format!("pod/{}", node.name), "Ready").0 == "True";
        }
        let endpoints = space.get("configmap/s-endpoints");
        if !endpoints["data"].to_string().contains(&format!("{}:46802", node.ip)) {
            map.get_or_insert_with(|| began.elapsed());
        }
        list.zip(map).ok_or_else(|| format!("lists {list:?}, ConfigMap {map:?}"))
    });
    (list, map, ready)
}

/// Records that were not stored since so many had been sent.
fn failures(producer: &Producer, since: usize) -> String {
    let sent = producer.sent();
    let mut failed: BTreeMap<&str, usize> = BTreeMap::new();
    for one in sent[since..].iter().filter(|one| one.outcome != Outcome::Stored) {
        *failed.entry(&one.detail).or_default() += 1;
    }
    format!("{} of {} {failed:?}", failed.values().sum::<usize>(), sent.len() - since)
}

#[test]
fn two_java_producers_go_on_while_one_node_is_drained_and_another_killed() {
    let home = Producer::install();
    let cluster = Cluster::shared();
    cluster.install();
    let (space, manager) = (cluster.namespace("found"), manager(&cluster));
    three_nodes(&space, &manager, &patient(&fleet("edge", 3)));
    let start = |(kind, ip): (Kind, u32)| {
        let plan = Plan {
            kind,
            manager: "http://sluice-operator.sluice-system:8083".to_owned(),
            ip: client(ip),
            group_id: space.name().to_owned(),
            stream_id: "s".to_owned(),
            prefix: format!("{kind:?}-"),
            pause: Duration::from_millis(20),
            interval: Duration::from_secs(3),
        };
        Producer::start(cluster.command("java"), &home, &plan)
    };
    let running = [(Kind::Sdk, 1), (Kind::Random, 2)].map(start);
    running.iter().for_each(|producer| producer.until_more(50, SOON));

    for (what, arguments) in
        [("drained", &["--wait=false"][..]), ("killed", &["--grace-period=0", "--force"][..])]
    {
        // One that both are told of, where there is one.
        let told: Vec<BTreeSet<String>> =
            lists(&manager, space.name(), [1, 2]).expect("lists").iter().map(addresses).collect();
        let pods = space.until_ready_pods("edge", 3, SOON);
        let count = |pod: &Pod| told.iter().filter(|list| list.contains(&pod.ip)).count();
        let node = pods.iter().max_by_key(|pod| count(pod)).expect("three");
        let before = running.each_ref().map(|producer| producer.sent().len());
        space.kubectl(&[&["delete", "pod", &node.name], arguments].concat());
        let (list, map, ready) = leaves(&space, &manager, node);
        assert!(ready || what == "killed", "it was listed for {list:.2?}, until it was not ready");
        let pods = space.until_ready_pods("edge", 3, SOON);
        until_listed(&manager, space.name(), &pods);
        for (producer, before) in running.iter().zip(before) {
            producer.until_more(100, SOON);
            let failures = failures(producer, before);
            println!("a node is {what}: not stored {failures}");
        }
        println!(
            "a node is {what}: out of every list after {list:.2?}, of the endpoint ConfigMap after {map:.2?}"
        );
    }

    let history = History::new();
    for producer in running {
        let stored_last = |sent: &[producers::Sent]| sent[sent.len() - 50..].iter().any(is_stored);
        let sent = producer.finish();
        assert!(stored_last(&sent), "nothing is stored at the end: {:?}", &sent[sent.len() - 50..]);
        producers::record(&sent, &history);
    }
    let values = kafka::read(KAFKA, &format!("{}.s", space.name())).into_iter().map(|record| record.value);
    println!("two producers, a drain and a kill: {:?}", history.assert_holds(values));
}

fn is_stored(sent: &producers::Sent) -> bool {
    sent.outcome == Outcome::Stored
}

#[test]
fn the_captured_question_is_answered() {
    let cluster = Cluster::shared();
    cluster.install();
    let (space, manager) = (cluster.namespace("captured"), manager(&cluster));
    let named = stream("s", "edge").replace("  fleet:", "  groupId: g_test\n  fleet:");
    space.apply(&(fleet("edge", 1) + &named));
    soon_ready(&space, "s", &space);
    let captured = "POST /inlong/manager/openapi/dataproxy/getIpList/g_test HTTP/1.1\r\nContent-Length: 30\r\n\
                    Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nHost: 127.0.0.1:18083\r\n\
                    Connection: Keep-Alive\r\n\r\nip=192.0.2.2&protocolType=HTTP";
    let pods = space.until_ready_pods("edge", 1, SOON);
    eventually("the node to be listed", SOON, || {
        let answer = http::try_exchange(&manager, captured.as_bytes(), SOON).ok_or("no answer")?;
        let list: IpList = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let nodes = list.data.as_ref().map(addresses).unwrap_or_default();
        if nodes.contains(&pods[0].ip) { Ok(()) } else { Err(answer.text().to_owned()) }
    });
}

#[test]
fn a_node_that_is_cut_off_from_the_operators_stays_listed() {
    let cluster = Cluster::shared();
    cluster.install();
    let (space, manager) = (cluster.namespace("cut"), manager(&cluster));
    let pods = three_nodes(&space, &manager, &fleet("edge", 3));
    let cut = cluster.cut_from_operators(&pods[0]);
    let end = Instant::now() + CUT;
    while Instant::now() < end {
        let now = listed(&manager, space.name()).expect("lists");
        assert!(now.contains(&pods[0].ip), "{} is not among {now:?}", pods[0].ip);
        std::thread::sleep(Duration::from_secs(1));
    }
    let dropped = cut.dropped();
    println!("cut off for {} s, {dropped} packets dropped, listed all the time", CUT.as_secs());
    assert!(dropped > 0, "nothing was cut");
}

/// How many clients are told of each node.
fn distribution(manager: &str, group: &str) -> Result<BTreeMap<String, usize>, String> {
    let mut clients: BTreeMap<String, usize> = BTreeMap::new();
    for list in lists(manager, group, 0..CLIENTS)? {
        for ip in addresses(&list) {
            *clients.entry(ip).or_default() += 1;
        }
    }
    Ok(clients)
}

#[test]
fn a_node_whose_cpu_is_taken_gets_fewer_clients() {
    let cluster = Cluster::alone();
    cluster.install();
    let (space, manager) = (cluster.namespace("burnt"), manager(&cluster));
    let limited = fleet("edge", 3).replace(
        "requests: {cpu: 10m, memory: 32Mi}",
        "requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 200m}",
    );
    assert!(limited.contains("limits"), "{limited}");
    let pods = three_nodes(&space, &manager, &limited);
    let even = eventually("every node to have its share of clients", SOON, || {
        let now = distribution(&manager, space.name())?;
        let few = pods.iter().any(|pod| now.get(&pod.ip).copied().unwrap_or_default() < 500);
        if few { Err(format!("{now:?}")) } else { Ok(now) }
    });
    println!("clients of {CLIENTS} that are told of each node: {even:?}");

    // Lists change with bands, not with the noise of small loads.
    let (watched, mut changes) = (100, 0);
    let mut before = lists(&manager, space.name(), 0..watched).expect("lists");
    let end = Instant::now() + WATCHED;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs(1));
        let now = lists(&manager, space.name(), 0..watched).expect("lists");
        changes +=
            before.iter().zip(&now).filter(|(before, now)| addresses(before) != addresses(now)).count();
        before = now;
    }
    let each = changes as f64 / f64::from(watched) * 60.0 / WATCHED.as_secs_f64();
    println!("a client's list has other nodes {each:.2} times a minute");
    assert!(each < 3.0, "{each} a minute");

    let burner = cluster.burn_cpu(space.name(), &pods[0].name);
    let began = Instant::now();
    let uneven = eventually("fewer clients to be told of it", SOON, || {
        let now = distribution(&manager, space.name())?;
        let of = |pod: &Pod| now.get(&pod.ip).copied().unwrap_or_default();
        let fewer = 2 * of(&pods[0]) < of(&pods[1]).min(of(&pods[2]));
        if fewer { Ok(now) } else { Err(format!("{now:?}")) }
    });
    println!("with the CPU of {} taken, after {:.1?}: {uneven:?}", pods[0].ip, began.elapsed());
    drop(burner);
}
