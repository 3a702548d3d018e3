//! Heartbeats over real sockets.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sluice_wire::heartbeat::{Beat, Heartbeat, PATH, ServiceStatus};
use sluice_wire::status::NodeState;
use tokio_util::task::TaskTracker;

use super::super::news::tests::now;
use super::*;
use crate::operators::Settings;
use crate::operators::tests::server::Server;

const SOON: Duration = Duration::from_secs(10);

/// What is told of, as a test changes it.
struct Patient {
    now: Mutex<Now>,
    changes: AtomicU64,
}

impl Subject for Patient {
    fn now(&self) -> Now {
        self.now.lock().unwrap().clone()
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

/// An operator that notes what it hears, while it takes heartbeats.
struct Ear {
    server: Server,
    heard: Arc<Mutex<Vec<(Instant, Heartbeat)>>>,
    takes: Arc<AtomicBool>,
}

impl Ear {
    async fn open() -> Self {
        let (heard, takes) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(true)));
        let (into, taking) = (Arc::clone(&heard), Arc::clone(&takes));
        let server = Server::plain(move |request: Request<Bytes>| {
            assert_eq!(request.uri(), PATH);
            let mut answer = Response::new(Full::from(r#"{"success":true,"errMsg":null,"data":true}"#));
            if taking.load(Ordering::Relaxed) {
                into.lock().unwrap().push((Instant::now(), serde_json::from_slice(request.body()).unwrap()));
            } else {
                *answer.status_mut() = StatusCode::FORBIDDEN;
            }
            std::future::ready(answer)
        });
        Self { server: server.await, heard, takes }
    }

    /// Sluice's part of all that was heard.
    fn beats(&self) -> Vec<Beat> {
        self.heard.lock().unwrap().iter().map(|(_, heartbeat)| heartbeat.sluice.clone().unwrap()).collect()
    }

    /// Waits until the last heartbeat is so; returns how long that took.
    async fn hears(&self, what: impl Fn(&Beat) -> bool) -> Duration {
        let start = Instant::now();
        while !self.beats().last().is_some_and(&what) {
            assert!(start.elapsed() < SOON, "{:?}", self.beats());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }
}

/// A node that tells `ear`, every so often.
struct Node {
    patient: Arc<Patient>,
    counts: Arc<HeartbeatCounts>,
    leaving: CancellationToken,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn heartbeats(url: &str, interval: Duration, stop: &CancellationToken) -> Heartbeats<Patient> {
    let settings = Settings { url: url.parse().unwrap(), token: "none".into(), ca: "none".into() };
    let (uid, cluster) = (Arc::from("u-1"), "shop.edge".to_owned());
    Heartbeats {
        subject: Arc::new(Patient { now: Mutex::new(now()), changes: AtomicU64::new(1) }),
        sender: Sender { uid, started: 5, ip: [10, 0, 0, 7].into(), port: 46_802, cluster },
        operators: Operators::start(settings, stop.clone(), &TaskTracker::new()),
        interval,
        counts: Arc::default(),
    }
}

impl Node {
    fn telling(ear: &Ear, interval: Duration) -> Self {
        let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
        let heartbeats = heartbeats(&format!("http://{}", ear.server.address()), interval, &stop);
        let (patient, counts) = (Arc::clone(&heartbeats.subject), Arc::clone(&heartbeats.counts));
        Self { patient, counts, task: tokio::spawn(heartbeats.run(leaving.clone())), leaving, stop }
    }

    fn becomes(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.patient.now.lock().unwrap());
    }

    fn counted(&self) -> [u64; 3] {
        [&self.counts.taken, &self.counts.refused, &self.counts.failed].map(crate::counters::Count::get)
    }

    async fn leave(self) {
        self.leaving.cancel();
        tokio::time::timeout(SOON, self.task).await.unwrap().unwrap();
        self.stop.cancel();
    }
}

/// Longer than any test takes: whoever hears a second heartbeat heard news.
const NEVER: Duration = Duration::from_secs(600);

#[tokio::test]
async fn an_operator_hears_every_interval_over_one_connection() {
    let ear = Ear::open().await;
    let interval = Duration::from_millis(200);
    let node = Node::telling(&ear, interval);
    while ear.beats().len() < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let times: Vec<_> = ear.heard.lock().unwrap().iter().map(|(time, _)| *time).collect();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= interval * 8 / 10, "{times:?}");
    }
    assert_eq!(ear.server.connections(), 1);
    let (_, heartbeat) = ear.heard.lock().unwrap()[0].clone();
    assert_eq!((heartbeat.node_srv_status, heartbeat.load), (ServiceStatus::Ok, 31));
    assert_eq!(heartbeat.cluster_name, "shop.edge");
    let beat = heartbeat.sluice.unwrap();
    assert_eq!((beat.uid.as_str(), beat.started, beat.band, beat.changes), ("u-1", 5, 30, 1));
    node.leave().await;
}

#[tokio::test]
async fn news_is_told_at_once_and_a_little_load_is_not() {
    let ear = Ear::open().await;
    let node = Node::telling(&ear, NEVER);
    ear.hears(|beat| beat.revision == 7).await;
    node.becomes(|now| (now.load, now.band) = (42, 40));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ear.beats().len(), 1);
    node.becomes(|now| now.band = 50);
    ear.hears(|beat| beat.band == 50).await;
    node.becomes(|now| now.revision = 8);
    ear.hears(|beat| beat.revision == 8).await;
    node.becomes(|now| now.config_error = Some("odd".to_owned()));
    ear.hears(|beat| beat.config_error.as_deref() == Some("odd")).await;
    node.patient.changes.store(2, Ordering::Relaxed);
    ear.hears(|beat| beat.changes == 2).await;
    assert_eq!(ear.beats().len(), 5, "{:?}", ear.beats());
    node.leave().await;
}

#[tokio::test]
async fn news_that_comes_thick_and_fast_is_told_together() {
    let ear = Ear::open().await;
    let node = Node::telling(&ear, NEVER);
    ear.hears(|_| true).await;
    let start = Instant::now();
    for revision in 8..=107 {
        node.becomes(|now| now.revision = revision);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ear.hears(|beat| beat.revision == 107).await;
    let most = start.elapsed().as_millis() / 100 + 2;
    assert!(ear.beats().len() as u128 <= most, "{} in {:?}", ear.beats().len(), start.elapsed());
    node.leave().await;
}

#[tokio::test]
async fn a_node_that_leaves_tells_it_last_and_once() {
    let ear = Ear::open().await;
    let node = Node::telling(&ear, NEVER);
    ear.hears(|beat| beat.state == NodeState::Ready).await;
    // Both at once, as in local mode, where the phases of a drain take no time.
    node.becomes(|now| now.state = NodeState::Draining);
    node.leave().await;
    let states: Vec<_> = ear.beats().iter().map(|beat| beat.state).collect();
    assert_eq!(states, [NodeState::Ready, NodeState::Draining]);
    assert_eq!(ear.heard.lock().unwrap()[1].1.node_srv_status, ServiceStatus::Unready);
}

#[tokio::test]
async fn a_refusal_is_counted_and_the_next_is_tried_all_the_same() {
    let ear = Ear::open().await;
    ear.takes.store(false, Ordering::Relaxed);
    let node = Node::telling(&ear, Duration::from_millis(100));
    while node.counted()[1] < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((node.counted()[0], node.counted()[2]), (0, 0));
    ear.takes.store(true, Ordering::Relaxed);
    ear.hears(|_| true).await;
    node.leave().await;
}

#[tokio::test]
async fn an_operator_that_is_gone_is_a_failure_and_holds_up_no_end() {
    let ear = Ear::open().await;
    let node = Node::telling(&ear, Duration::from_millis(100));
    ear.hears(|_| true).await;
    drop(ear);
    while node.counted()[2] == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = Instant::now();
    node.becomes(|now| now.state = NodeState::Draining);
    node.leave().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn every_operator_hears_and_one_that_left_hears_no_more() {
    let (first, second) = (Ear::open().await, Ear::open().await);
    let stop = CancellationToken::new();
    let url = format!("http://{}", first.server.address());
    let heartbeats = heartbeats(&url, Duration::from_millis(50), &stop);
    let (_tell, now) = watch::channel(Arc::new(now()));
    let mut choir =
        Choir { tasks: JoinSet::new(), gone: HashMap::new(), leaving: CancellationToken::new(), now };
    let both = BTreeSet::from([first.server.address(), second.server.address()]);
    choir.be_for(&heartbeats, &both);
    choir.be_for(&heartbeats, &both);
    first.hears(|_| true).await;
    second.hears(|_| true).await;
    choir.be_for(&heartbeats, &BTreeSet::from([first.server.address()]));
    choir.tasks.join_next().await.unwrap().unwrap();
    let (before, of_second) = (first.beats().len(), second.beats().len());
    while first.beats().len() < before + 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(second.beats().len(), of_second);
    assert_eq!((first.server.connections(), second.server.connections()), (1, 1));
    choir.end().await;
    stop.cancel();
}
