//! How long the API server waits for a review, in a run of its own: over TLS, on a connection that it keeps.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::Connection;
use super::reviewer::{fleet, stream};
use super::{ms, percentile, tls};
use crate::part::Part;

/// Connections of an API server.
const CONNECTIONS: usize = 4;
/// Reviews on each.
const REVIEWS: usize = 2_000;
/// Reviews of the fleet itself, which all streams are held against.
const FLEETS: usize = 50;

/// Measures and prints.
pub(crate) fn run(streams: usize) {
    println!("\nreviews: {streams} streams known, over TLS, {CONNECTIONS} connections");
    let folder = tempfile::tempdir().expect("a folder");
    tls::make(folder.path());
    let count = streams.to_string();
    let arguments: [&std::ffi::OsStr; 5] =
        ["reviewer".as_ref(), "--streams".as_ref(), count.as_ref(), "--tls".as_ref(), folder.path().as_ref()];
    let server = Part::start(arguments);
    let address = server.line().parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connector = tls::connector(folder.path());
    let ask = |number: usize, bodies: Vec<Vec<u8>>| {
        let connector = connector.clone();
        async move {
            let connection = Connection::open(address, number).await.expect("a connection");
            let mut connection = connection.secured(&connector).await.expect("a handshake");
            let mut took = Vec::with_capacity(bodies.len());
            for body in bodies {
                let began = Instant::now();
                let answer = connection.ask(&body).await.expect("an answer");
                took.push(u64::try_from(began.elapsed().as_micros()).expect("a short time"));
                assert_eq!(answer.status, 200);
                let answer: Value = serde_json::from_slice(answer.body()).expect("a review");
                assert_eq!(answer["response"]["allowed"], true, "{answer}");
            }
            took
        }
    };
    let new = |number: usize| request(&renamed(number), None);
    let mut took = runtime.block_on(async {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|connection| tokio::spawn(ask(connection, (0..REVIEWS).map(new).collect())))
            .collect();
        let mut took = Vec::new();
        for asked in asking {
            took.extend(asked.await.expect("reviews"));
        }
        took
    });
    tell("a new stream", "aim: p99 under 10 ms", &mut took);
    let edit = || request(&fleet(false), Some(&fleet(true)));
    let mut took = runtime.block_on(ask(0, (0..FLEETS).map(|_| edit()).collect()));
    tell("an edit of their fleet that takes all of them off", "no target", &mut took);
}

fn tell(what: &str, target: &str, took: &mut [u64]) {
    took.sort_unstable();
    let [half, most, longest] = [0.5, 0.99, 1.0].map(|share| ms(percentile(took, share)));
    println!("{what}: p50 {half:.2} ms, p99 {most:.2} ms, longest {longest:.2} ms ({target})");
}

/// A stream that nobody has yet.
fn renamed(number: usize) -> Value {
    let mut new = stream(number);
    new["metadata"]["name"] = format!("new{number:05}").into();
    new
}

fn request(object: &Value, before: Option<&Value>) -> Vec<u8> {
    let kind = object["kind"].clone();
    let body = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "0c9a8d74-9cb7-44dd-b98e-09fd62def2f4",
            "kind": {"group": "sluice.dev", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "sluice.dev", "version": "v1alpha1", "resource": "datastreams"},
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "operation": if before.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "bench"}, "object": object, "oldObject": before, "dryRun": false
        }
    })
    .to_string();
    let head = format!(
        "POST /validate?timeout=3s HTTP/1.1\r\nHost: operator\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}
