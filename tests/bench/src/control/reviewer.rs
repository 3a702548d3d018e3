//! The operator's listener of webhooks with the operator's code behind it, knowing made-up streams, as a process of its own.
//! It says its address first, and serves until standard input ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use sluice_operator::admission::inject::{Injection, Injector, Looked, Named, Pod};
use sluice_operator::admission::{Index, Routes, Touched, serve};
use sluice_operator::telemetry::Metrics;
use sluice_operator::watch::cluster::{Change, Source, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::tls;
use crate::part;

/// Namespaces that streams are spread over: so many streams have a groupId alike.
const NAMESPACES: usize = 20;

/// What it knows.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    streams: usize,
    /// The folder with the certificate.
    #[arg(long)]
    tls: PathBuf,
}

/// Serves until standard input ends.
pub(crate) fn run(args: &Args) {
    let mut commands = part::commands();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (_index, index) = watch::channel(known(args.streams));
        listen(index, &args.tls).await;
        while commands.recv().await.is_some() {}
    });
}

/// Only resources are reviewed here.
#[derive(Debug)]
struct NoPods;

impl Injector for NoPods {
    fn look<'a>(&'a self, _: &'a str, _: &'a Value, _: Instant) -> Looked<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn inject(&self, _: Pod<'_>, _: &Named) -> Result<Injection, String> {
        Ok(Injection::default())
    }
}

async fn listen(index: watch::Receiver<Index>, folder: &Path) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", socket.local_addr().expect("its address"));
    let metrics = Metrics::new().expect("metrics of different names");
    let routes = Routes::new(index, Arc::new(NoPods), metrics.clone());
    let config = Arc::new(tls::server(folder));
    tokio::spawn(async move {
        let (_config, configs) = watch::channel(Some(config));
        serve(socket, routes, configs, metrics, CancellationToken::new()).await;
    });
}

/// A fleet that everybody may attach to, and streams on it.
fn known(streams: usize) -> Index {
    let (mut store, mut index) = (Store::default(), Index::new(("bench".to_owned(), "edge".to_owned())));
    let mut take = |source, event| {
        let change = Change { source, event };
        let touched = Touched::by(&change);
        store.take(change);
        index.follow(&store, &touched);
    };
    for source in Source::all() {
        take(source, Event::InitDone);
    }
    take(Source::Fleets, Event::Apply(object(fleet(true))));
    for number in 0..NAMESPACES {
        take(Source::Namespaces, Event::Apply(object(json!({"metadata": {"name": namespace(number)}}))));
    }
    for number in 0..streams {
        take(Source::Streams, Event::Apply(object(stream(number))));
    }
    index
}

fn object(object: Value) -> DynamicObject {
    serde_json::from_value(object).expect("an object")
}

fn namespace(number: usize) -> String {
    format!("team{:02}", number % NAMESPACES)
}

/// The fleet, which lets everybody in or nobody.
pub(crate) fn fleet(open: bool) -> Value {
    json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": "bench", "name": "edge", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "sinks": [{"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}}],
            "allowedStreams": {"namespaces": {"from": if open { "All" } else { "Same" }}}
        }
    })
}

/// The stream of this number.
pub(crate) fn stream(number: usize) -> Value {
    json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {
            "namespace": namespace(number), "name": format!("stream{number:05}"), "uid": number.to_string(),
            "creationTimestamp": "2026-01-01T00:00:00Z"
        },
        "spec": {"fleet": {"namespace": "bench", "name": "edge"}, "headers": ["x-a", "x-b"]},
        "status": {"fleet": "bench/edge"}
    })
}
