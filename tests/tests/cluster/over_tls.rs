//! Reports over TLS to a fleet whose certificate the kubelet mounts: renewed under load, and kept from whoever has none of
//! the clients' certificates that a stream wants.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sluice_tests::cluster::product::{KUBELET, PATIENCE};
use sluice_tests::cluster::{Cluster, KAFKA, Namespace, eventually};
use sluice_tests::http::{self, report};
use sluice_tests::kafka;
use sluice_tests::tls::{Authority, Client, Pair, SERVER};

use super::manifests::{fleet, secret, stream};
use super::pace::{hurry, soon_ready};

fn own(pair: &Pair) -> String {
    secret("own", "kubernetes.io/tls", &[("tls.crt", &pair.certificate), ("tls.key", &pair.key)])
}

fn over_tls(name: &str, https: &str) -> String {
    fleet(name, 2).replace("spec:\n", &format!("spec:\n  listeners: {{https: {https}}}\n"))
}

/// `host:port` of a fleet's listener over TLS.
fn address(space: &Namespace<'_>) -> String {
    let service = space.get("service/sluice-edge");
    format!("{}:46803", service["spec"]["clusterIP"].as_str().unwrap())
}

/// Reports over connections that are kept for a while and over new ones, until `stop`; how many were stored.
fn load((client, address): (&Client, &str), group: &str, stop: &AtomicBool, count: &AtomicUsize) {
    let request = report(group, "a", "over TLS");
    while !stop.load(Ordering::Relaxed) {
        let mut kept = client.connect(address).unwrap_or_else(|error| panic!("no connection: {error}"));
        for _ in 0..20 {
            let answer = kept.exchange(&request).unwrap_or_else(|error| panic!("no answer: {error}"));
            assert_eq!(answer.code(), "0");
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_certificate_is_renewed_under_load_and_no_request_fails() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("over-tls");
    let authorities = [Authority::generate(), Authority::generate()];
    let pairs = authorities.each_ref().map(|authority| authority.issue(SERVER));
    space.apply(&(own(&pairs[0]) + &over_tls("edge", "{secret: own}") + &stream("a", "edge")));
    soon_ready(&space, "a", &space);
    let pods = space.until_ready_pods("edge", 2, PATIENCE);
    let (address, client) = (address(&space), Client::new(&[&authorities[0], &authorities[1]], None));
    let nodes: Vec<String> = pods.iter().map(|pod| format!("{}:46803", pod.ip)).collect();
    let shown = |node: &str| client.connect(node).map(|connection| connection.certificate());
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (client, address, stop, count, group) = (&client, address.as_str(), &stop, &count, space.name());
        let workers: Vec<_> =
            (0..3).map(|_| scope.spawn(move || load((client, address), group, stop, count))).collect();
        for pair in [&pairs[1], &pairs[0]] {
            space.apply(&own(pair));
            eventually("the renewed certificate on every node", KUBELET, || {
                hurry(&space);
                let all = nodes.iter().all(|node| shown(node).is_ok_and(|shown| shown == pair.bytes()));
                let failed = workers.iter().any(std::thread::ScopedJoinHandle::is_finished);
                assert!(!failed, "a report failed");
                if all { Ok(()) } else { Err("another".to_owned()) }
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    let stored = kafka::read(KAFKA, &format!("{}.a", space.name())).len();
    assert_eq!(stored, count.into_inner(), "each that was acknowledged is stored, once");
    assert!(stored > 50, "{stored}");
}

#[test]
fn a_stream_with_client_names_takes_reports_of_these_certificates_alone() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("clients");
    let (servers, clients) = (Authority::generate(), Authority::generate());
    let ca = secret("clients", "Opaque", &[("ca.crt", clients.certificate())]);
    let guarded =
        stream("a", "edge").replace("spec:\n", "spec:\n  sources: {clientNames: [orders.shop.svc]}\n");
    let fleet = over_tls("edge", "{secret: own, clientCa: {secret: clients}}");
    space.apply(&(own(&servers.issue(SERVER)) + &ca + &fleet + &guarded));
    soon_ready(&space, "a", &space);
    let (address, request) = (address(&space), report(space.name(), "a", "x"));
    let told = |own: Option<&Pair>| {
        Client::new(&[&servers], own).exchange(&address, &request).map(|answer| answer.code())
    };
    let orders = clients.issue("orders.shop.svc");
    eventually("a report of the named client", KUBELET, || {
        hurry(&space);
        let told = told(Some(&orders)).map_err(|error| error.to_string())?;
        if told == "0" { Ok(()) } else { Err(told) }
    });
    assert_eq!(told(Some(&clients.issue("bills.shop.svc"))).unwrap(), "10");
    assert!(told(None).is_err(), "without a certificate there is no connection");
    assert!(told(Some(&servers.issue("orders.shop.svc"))).is_err(), "another authority's is none");
    let plain = space.service("sluice-edge");
    assert_eq!(http::exchange(&plain, &request).code(), "10", "over plain HTTP nobody is known");
}
