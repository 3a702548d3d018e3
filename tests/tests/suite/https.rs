//! Reports over TLS: the same routes, a certificate that changes under load, and clients with certificates of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_tests::document::{document, file_sink, on_kafka, stream};
use sluice_tests::http::report;
use sluice_tests::mount::Mount;
use sluice_tests::native::{post, target};
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::tls::{Authority, Client, Pair, SERVER};
use sluice_tests::wait;
use sluice_wire::access::{Https, Listeners, Sources};
use sluice_wire::document::{Document, Stream};
use sluice_wire::status::{HttpsStatus, NotReady};

use crate::support::{kafka as kafka_address, topic, values};

/// Listens over TLS with the Secret `own` and, where asked to, wants clients of the authorities in `clients`.
fn listeners(clients: bool) -> Listeners {
    let client_ca_secret = clients.then(|| "clients".to_owned());
    Listeners { https: Some(Https { secret: "own".to_owned(), client_ca_secret }), ..Listeners::default() }
}

fn over_tls(document: Document, clients: bool) -> Document {
    Document { listeners: listeners(clients), ..document }
}

fn builder() -> Builder {
    Builder::new().args(&["--https", "127.0.0.1:0"])
}

fn put(secret: &Mount, pair: &Pair) {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    secret.put(&[file("tls.crt", &pair.certificate), file("tls.key", &pair.key)]);
}

fn https(proxy: &Proxy) -> HttpsStatus {
    proxy.status().https.expect("it is asked for")
}

fn wait_https(proxy: &Proxy, what: &str, check: impl Fn(&HttpsStatus) -> bool) {
    proxy.wait_for(what, |status| status.https.as_ref().is_some_and(&check));
}

/// The certificate that a new connection is shown.
fn shown(client: &Client, proxy: &Proxy) -> Vec<u8> {
    client.connect(proxy.https()).expect("a connection").certificate()
}

fn key_is_nowhere(proxy: &Proxy, key: &str) {
    let line = key.lines().nth(1).expect("a key has lines");
    for text in [proxy.log().text(), proxy.metrics(), proxy.get_admin("/status").text().to_owned()] {
        assert!(!text.contains(line), "a key is shown: {text}");
    }
}

#[test]
fn a_report_over_tls_is_stored_by_either_route_and_plain_http_goes_on() {
    let authority = Authority::generate();
    let (own, topic) = (authority.issue(SERVER), topic("https"));
    let document = over_tls(on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]), false);
    let proxy = builder()
        .secret("own", "tls.crt", &own.certificate)
        .secret("own", "tls.key", &own.key)
        .start(&document);
    let client = Client::new(&[&authority], None);
    let mut connection = client.connect(proxy.https()).unwrap();
    assert_eq!(connection.exchange(&report("g", "s", "one")).unwrap().code(), "0");
    let native = post(&target("g", "s"), "text/plain", "", b"two\nthree");
    assert_eq!(connection.exchange(&native).unwrap().status, 200, "on the same connection");
    assert_eq!(proxy.report("g", "s", "four").0, "0");
    assert_eq!(values(&topic), ["one", "two", "three", "four"]);
    assert_eq!(proxy.status().connections, 1, "it is one of the node's connections");
    drop(connection);
    let stranger = Client::new(&[&Authority::generate()], None);
    assert!(stranger.exchange(proxy.https(), &report("g", "s", "x")).is_err());
    assert!(
        sluice_tests::http::try_exchange(proxy.https(), &report("g", "s", "x"), Duration::from_secs(5))
            .is_none()
    );
    wait::until("both to be counted", Duration::from_secs(20), || {
        proxy.metric("sluice_https_handshakes_failed_total", &["\"failed\""]) == 2.0
    });
    assert_eq!(proxy.metric("sluice_https_up", &[]), 1.0);
    key_is_nowhere(&proxy, &own.key);
}

#[test]
fn a_long_body_over_tls_that_is_refused_is_answered() {
    let authority = Authority::generate();
    let own = authority.issue(SERVER);
    let builder = builder().secret("own", "tls.crt", &own.certificate).secret("own", "tls.key", &own.key);
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let proxy = builder.start(&over_tls(document(sinks, vec![stream("g", "s", "local", "")]), false));
    let answer =
        Client::new(&[&authority], None).exchange(proxy.https(), &report("g", "s", &"x".repeat(4 << 20)));
    assert_eq!(answer.unwrap().code(), "104", "the node reads on for a while");
}

/// Sends reports over connections that it keeps and over new ones, until `stop`; how many were stored.
fn load(proxy: &Proxy, client: &Client, name: &str, stop: &AtomicBool) -> Vec<String> {
    let mut kept = client.connect(proxy.https()).expect("a connection");
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for once in [false, true] {
            let body = format!("{name}-{}", sent.len());
            let request = report("g", "s", &body);
            let answer =
                if once { client.exchange(proxy.https(), &request) } else { kept.exchange(&request) };
            let answer = answer.unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(answer.code(), "0", "{body}");
            sent.push(body);
        }
    }
    sent
}

#[test]
fn a_certificate_changes_under_load_and_no_request_fails() {
    let authorities = [Authority::generate(), Authority::generate()];
    let topic = topic("rotated");
    let document = over_tls(on_kafka(&kafka_address(), vec![stream("g", "s", "kafka", &topic)]), false);
    let proxy = builder().start_unready(Some(&document));
    let own = proxy.mount_secret("own");
    put(&own, &authorities[0].issue(SERVER));
    wait_https(&proxy, "the certificate", |https| https.ready);
    proxy.wait_stream("s", true);
    let client = Client::new(&[&authorities[0], &authorities[1]], None);
    let stop = AtomicBool::new(false);
    let mut sent = std::thread::scope(|scope| {
        let (proxy, client, stop) = (&proxy, &client, &stop);
        let workers: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || load(proxy, client, &format!("worker-{number}"), stop)))
            .collect();
        for round in 0..6 {
            let next = authorities[round % 2].issue(SERVER);
            put(&own, &next);
            wait::until("the next certificate", Duration::from_secs(20), || {
                shown(client, proxy) == next.bytes()
            });
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let mut stored = values(&topic);
    sent.sort();
    stored.sort();
    assert!(sent.len() > 50, "{} reports", sent.len());
    assert_eq!(stored, sent);
    assert_eq!(proxy.metric("sluice_https_certificates_loaded_total", &[]), 7.0);
    assert_eq!(proxy.metric("sluice_https_handshakes_failed_total", &["\"failed\""]), 0.0);
}

#[test]
fn a_secret_that_is_missing_or_broken_is_told_and_the_certificate_before_it_goes_on() {
    let authority = Authority::generate();
    let builder = builder();
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let proxy = builder.start(&over_tls(document(sinks, vec![stream("g", "s", "local", "")]), false));
    let client = Client::new(&[&authority], None);
    let before = https(&proxy);
    assert_eq!((before.ready, before.serving, before.reason), (false, false, Some(NotReady::SecretUnusable)));
    assert!(before.message.contains("secret \"own\" has no key \"tls.crt\""), "{before:?}");
    assert!(client.connect(proxy.https()).is_err());
    assert_eq!(proxy.report("g", "s", "plain").0, "0", "plain HTTP does not wait for it");
    assert_eq!(proxy.get_admin("/readyz").status, 200);

    let own = proxy.mount_secret("own");
    let (good, other) = (authority.issue(SERVER), authority.issue(SERVER));
    put(&own, &good);
    wait_https(&proxy, "the certificate", |https| https.ready && https.not_after.is_some());
    let mut connection = client.connect(proxy.https()).unwrap();
    put(&own, &Pair { key: other.key.clone(), ..good.clone() });
    wait_https(&proxy, "the key to be told", |https| {
        !https.ready && https.serving && https.message.contains("is not the key of the certificate")
    });
    assert_eq!(shown(&client, &proxy), good.bytes());
    own.put(&[]);
    wait_https(&proxy, "the missing key to be told", |https| https.message.contains("has no key"));
    assert_eq!(shown(&client, &proxy), good.bytes());
    assert_eq!(connection.exchange(&report("g", "s", "x")).unwrap().code(), "0");
    assert_eq!(proxy.metric("sluice_https_up", &[]), 0.0);
    assert!(proxy.log().text().contains("https certificate refused"), "{}", proxy.log().text());
    put(&own, &other);
    wait_https(&proxy, "the next certificate", |https| https.ready);
    assert_eq!(shown(&client, &proxy), other.bytes());
    assert_eq!(connection.exchange(&report("g", "s", "x")).unwrap().code(), "0", "it goes on");
    for pair in [&good, &other] {
        key_is_nowhere(&proxy, &pair.key);
    }
}

#[test]
fn a_client_needs_a_certificate_of_the_authority_and_one_of_the_streams_names() {
    let (authority, stranger) = (Authority::generate(), Authority::generate());
    let own = authority.issue(SERVER);
    let builder = builder()
        .secret("own", "tls.crt", &own.certificate)
        .secret("own", "tls.key", &own.key)
        .secret("clients", "ca.crt", authority.certificate());
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let uri = "spiffe://cluster.local/ns/shop/sa/orders";
    let client_names = ["orders.shop.svc", "*.pay.svc", uri].map(str::to_owned).to_vec();
    let named = Stream {
        sources: Sources { client_names, ..Sources::default() },
        ..stream("g", "named", "local", "")
    };
    let streams = vec![stream("g", "s", "local", ""), named];
    let proxy = builder.start(&over_tls(document(sinks, streams), true));
    let code = |own: &Pair, stream: &str| {
        let client = Client::new(&[&authority], Some(own));
        client.exchange(proxy.https(), &report("g", stream, "x")).map(|answer| answer.code()).ok()
    };
    for name in ["orders.shop.svc", "a.pay.svc", uri] {
        assert_eq!(code(&authority.issue(name), "named").as_deref(), Some("0"), "{name}");
    }
    for name in ["billing.shop.svc", "a.b.pay.svc", "spiffe://cluster.local/ns/shop/sa/other"] {
        assert_eq!(code(&authority.issue(name), "named").as_deref(), Some("10"), "{name}");
        assert_eq!(code(&authority.issue(name), "s").as_deref(), Some("0"), "{name} may report elsewhere");
    }
    assert_eq!(code(&stranger.issue("orders.shop.svc"), "named"), None, "another authority's");
    let nameless = Client::new(&[&authority], None);
    assert!(nameless.exchange(proxy.https(), &report("g", "s", "x")).is_err(), "none");

    let answer = proxy.exchange(&report("g", "named", "x"));
    assert_eq!(answer.code(), "10", "nobody has a certificate over plain HTTP");
    assert!(answer.text().contains("over https"), "{}", answer.text());
    let request = post(&target("g", "named"), "text/plain", "", b"x");
    let other = Client::new(&[&authority], Some(&authority.issue("billing.shop.svc")));
    assert_eq!(other.exchange(proxy.https(), &request).unwrap().status, 403);
    let refused = |reason: &str| proxy.metric("sluice_sources_refused_total", &[reason]);
    assert_eq!((refused("\"other_name\""), refused("\"no_certificate\"")), (4.0, 1.0));
}

#[test]
fn a_node_that_is_to_ask_for_certificates_and_can_not_yet_lets_nobody_in() {
    let authority = Authority::generate();
    let own = authority.issue(SERVER);
    let builder = builder().secret("own", "tls.crt", &own.certificate).secret("own", "tls.key", &own.key);
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let open = over_tls(document(sinks, vec![stream("g", "s", "local", "")]), false);
    let proxy = builder.start(&open);
    let nameless = Client::new(&[&authority], None);
    assert_eq!(nameless.exchange(proxy.https(), &report("g", "s", "x")).unwrap().code(), "0");
    proxy.apply(&Document { revision: 2, ..over_tls(open, true) });
    wait_https(&proxy, "the missing authorities to be told", |https| {
        !https.serving && https.message.contains("secret \"clients\" has no key \"ca.crt\"")
    });
    assert!(nameless.connect(proxy.https()).is_err());
    let clients = proxy.mount_secret("clients");
    clients.put(&[("ca.crt".to_owned(), authority.certificate().as_bytes().to_vec())]);
    wait_https(&proxy, "the authorities", |https| https.ready && https.serving);
    let named = Client::new(&[&authority], Some(&authority.issue("a")));
    assert_eq!(named.exchange(proxy.https(), &report("g", "s", "x")).unwrap().code(), "0");
    assert!(nameless.exchange(proxy.https(), &report("g", "s", "x")).is_err());
}

#[test]
fn a_drain_ends_connections_over_tls_as_it_does_plain_ones() {
    let authority = Authority::generate();
    let own = authority.issue(SERVER);
    let builder = builder()
        .drain("0s", "10s")
        .secret("own", "tls.crt", &own.certificate)
        .secret("own", "tls.key", &own.key);
    let sinks = vec![file_sink("local", &builder.directory().join("data"))];
    let mut proxy = builder.start(&over_tls(document(sinks, vec![stream("g", "s", "local", "")]), false));
    let client = Client::new(&[&authority], None);
    let mut connection = client.connect(proxy.https()).unwrap();
    assert_eq!(connection.exchange(&report("g", "s", "x")).unwrap().code(), "0");
    let _idle = client.connect(proxy.https()).unwrap();
    let _silent = std::net::TcpStream::connect(proxy.https()).unwrap();
    proxy.signal(sluice_tests::process::Signal::SIGTERM);
    wait::until("the notice", Duration::from_secs(8), || {
        client.exchange(proxy.https(), &report("g", "s", "x")).is_ok_and(|answer| answer.status == 503)
    });
    assert_eq!(connection.exchange(&report("g", "s", "x")).unwrap().status, 503);
    assert!(proxy.exit(Duration::from_secs(30)).expect("it leaves").success());
    let log = proxy.log().text();
    assert!(!log.contains("requests on the way are ended"), "the silent one held it up: {log}");
}
