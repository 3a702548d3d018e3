//! The operator's listener with the operator's code behind it, fed with a made-up fleet, as a process of its own. It says
//! its address first. Its commands and answers:
//!
//! | command | answer |
//! |---|---|
//! | `waiting` | how many long polls wait |
//! | `change` | when it was published that one stream is changed, in microseconds since 1970 |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_operator::caller::Trust;
use sluice_operator::poll::board::{Change, Space};
use sluice_operator::poll::edition::Edition;
use sluice_operator::poll::feed;
use sluice_operator::poll::http::{Limits, Plain, Routes, serve, serve_tls};
use sluice_operator::poll::hub::Hub;
use sluice_operator::telemetry::Metrics;
use sluice_tests::process::raise_open_files;
use sluice_tests::wait;
use sluice_wire::document::Document;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{fleet, now_us, tls};
use crate::part::{self, Part};

/// How long all polls may be on their way.
const SOON: Duration = Duration::from_secs(60);

/// What to serve.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    streams: usize,
    /// Over TLS, with the certificate of this folder.
    #[arg(long)]
    tls: Option<PathBuf>,
}

/// The process; it ends with this value.
pub(crate) struct Server {
    part: Part,
    /// `ip:port`.
    pub(crate) address: String,
}

/// Starts it, with the certificate of a folder if it is to serve over TLS.
pub(crate) fn start(streams: usize, tls: Option<&Path>) -> Server {
    let mut arguments: Vec<OsString> =
        ["operator", "--streams", &streams.to_string()].map(OsString::from).into();
    arguments.extend(tls.iter().flat_map(|folder| ["--tls".into(), folder.into()]));
    let part = Part::start(arguments);
    let address = part.line();
    Server { part, address }
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.part.pid()
    }

    /// Waits until so many polls wait there.
    pub(crate) fn until_waiting(&mut self, polls: usize) {
        wait::until("every poll to wait", SOON, || self.part.ask("waiting").parse() == Ok(polls));
    }

    /// Changes one stream, and gives when that was published.
    pub(crate) fn change(&mut self) -> u64 {
        self.part.ask("change").parse().expect("a time")
    }
}

/// Serves until standard input ends.
pub(crate) fn run(args: &Args) {
    raise_open_files();
    let mut commands = part::commands();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let metrics = Metrics::new().expect("metrics of different names");
        let mut publisher = Publisher::start(args, &metrics).await;
        while let Some(command) = commands.recv().await {
            match &*command {
                "waiting" => println!("{}", waiting(&metrics)),
                "change" => println!("{}", publisher.change().await),
                other => panic!("{other:?}"),
            }
        }
    });
}

const LIMITS: Limits = Limits { connections: 20_000, per_address: 1_024 };

/// A socket whose address was said.
async fn bound() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", socket.local_addr().expect("its address"));
    socket
}

/// Serves as local mode does, and says the address.
pub(crate) async fn listen(routes: Arc<Routes>, stop: CancellationToken) {
    tokio::spawn(serve(bound().await, routes, Trust::Local, LIMITS, stop));
}

/// The same over TLS.
async fn listen_secured(routes: Arc<Routes>, folder: &Path, metrics: Metrics, stop: CancellationToken) {
    let socket = bound().await;
    let (_config, configs) = watch::channel(Some(Arc::new(tls::server(folder))));
    let with = (configs, Arc::new(Plain(Trust::Local)));
    tokio::spawn(serve_tls(socket, routes, with, LIMITS, metrics, stop));
}

/// Where published configuration comes from.
struct Publisher {
    fleet: Document,
    edition: Arc<Edition>,
    changes: mpsc::Sender<Change>,
}

impl Publisher {
    async fn start(args: &Args, metrics: &Metrics) -> Self {
        let hub = Hub::default();
        let (changes, received) = mpsc::channel(16);
        let (complete, mut completed) = watch::channel(false);
        let stop = CancellationToken::new();
        tokio::spawn(feed::run(hub.clone(), received, [Space::fleets()].into(), complete, stop.clone()));
        let fleet = fleet::published(args.streams);
        let edition = read(&json(&fleet), None);
        let publisher = Self { fleet, edition, changes };
        publisher.send().await;
        publisher.changes.send(Change::FleetsListed).await.expect("a feed that runs");
        completed.wait_for(|complete| *complete).await.expect("a feed that runs");

        let routes = Arc::new(Routes::new(hub, BTreeMap::new(), None, metrics.clone()));
        match &args.tls {
            Some(folder) => listen_secured(routes, folder, metrics.clone(), stop).await,
            None => listen(routes, stop).await,
        }
        publisher
    }

    /// From the moment when the document is published, all is the operator's own work.
    async fn change(&mut self) -> u64 {
        fleet::change(&mut self.fleet);
        let text = json(&self.fleet);
        let published = now_us();
        self.edition = read(&text, Some(&self.edition));
        self.send().await;
        published
    }

    async fn send(&self) {
        let space = Space::fleet(fleet::NAMESPACE, fleet::NAME);
        let change = Change::Fleet { space, edition: Some(Arc::clone(&self.edition)) };
        self.changes.send(change).await.expect("a feed that runs");
    }
}

fn json(fleet: &Document) -> Vec<u8> {
    serde_json::to_vec(fleet).expect("a document has a form as JSON")
}

fn read(text: &[u8], former: Option<&Edition>) -> Arc<Edition> {
    Arc::new(Edition::read(text, former).expect("a document that can be served"))
}

/// What the operator itself says of how many polls wait.
fn waiting(metrics: &Metrics) -> u64 {
    let text = String::from_utf8(metrics.text().expect("metrics")).expect("a text");
    let line = text.lines().find_map(|line| line.strip_prefix("sluice_operator_polls_waiting "));
    line.and_then(|value| value.parse::<f64>().ok()).map_or(0, |value| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let count = value as u64;
        count
    })
}
