//! Simulated proxies that send heartbeats over a connection that each keeps, as a process of their own. It says `sending`
//! when all are connected, then answers `end` with what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_tests::process::raise_open_files;
use sluice_wire::heartbeat::{Beat, Heartbeat, PATH, ServiceStatus};
use sluice_wire::status::NodeState;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::client::Connection;
use super::{fleet, manager, now_us};
use crate::part;

/// The longest that an answer may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Connections that are opened at a time.
const OPENING: usize = 64;

/// What to simulate.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    count: usize,
    /// Number of the first node.
    #[arg(long)]
    first: usize,
    /// Milliseconds between two heartbeats of a node.
    #[arg(long)]
    every: u64,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Came {
    /// Heartbeats that were taken.
    pub(crate) taken: u64,
    /// Heartbeats that were not, or failed.
    pub(crate) other: u64,
    /// Microseconds from when each was due to its answer.
    pub(crate) took: Vec<u64>,
}

/// The uid of the node of this number.
pub(crate) fn uid(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// The address that the node of this number has.
pub(crate) fn ip(number: usize) -> String {
    format!("10.{}.{}.{}", number / 62_500 % 250 + 1, number / 250 % 250 + 1, number % 250 + 1)
}

/// Bands wander a little, as those of real nodes do.
fn heartbeat(number: usize, turn: u32, started: u64) -> Vec<u8> {
    let load = u8::try_from((number + turn as usize) * 7 % 90).unwrap_or_default();
    let heartbeat = Heartbeat {
        node_srv_status: ServiceStatus::Ok,
        ip: ip(number),
        port: "46802".to_owned(),
        protocol_type: "HTTP".to_owned(),
        component_type: "DATAPROXY".to_owned(),
        report_time: now_us() / 1_000,
        cluster_name: format!("{}.{}", fleet::NAMESPACE, manager::fleet_of(number)),
        load,
        sluice: Some(Beat {
            uid: uid(number),
            band: load / 10 * 10,
            started,
            state: NodeState::Ready,
            revision: 1,
            config_error: None,
            changes: 1,
        }),
    };
    let body = serde_json::to_string(&heartbeat).expect("JSON");
    format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends until it is told to end, or until standard input ends.
pub(crate) fn run(args: &Args) {
    raise_open_files();
    let mut commands = part::commands();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (opening, over) = (Arc::new(Semaphore::new(OPENING)), Arc::new(AtomicBool::new(false)));
        let mut connecting = JoinSet::new();
        for number in args.first..args.first + args.count {
            let (opening, server) = (Arc::clone(&opening), args.server);
            connecting.spawn(async move {
                let _turn = opening.acquire().await;
                (number, Connection::open(server, number).await.expect("a connection"))
            });
        }
        let (connected, begin) = (connecting.join_all().await, Instant::now());
        let mut sending = JoinSet::new();
        for (number, connection) in connected {
            sending.spawn(one(args.clone(), number, connection, begin, Arc::clone(&over)));
        }
        println!("sending");
        assert_eq!(commands.recv().await.as_deref(), Some("end"));
        over.store(true, Ordering::Relaxed);
        let mut all = Came::default();
        for came in sending.join_all().await {
            all.taken += came.taken;
            all.other += came.other;
            all.took.extend(came.took);
        }
        println!("{}", serde_json::to_string(&all).expect("JSON"));
    });
}

/// One node; nodes are spread evenly over the interval.
async fn one(
    args: Args,
    number: usize,
    mut connection: Connection,
    begin: Instant,
    over: Arc<AtomicBool>,
) -> Came {
    let (every, mut came) = (Duration::from_millis(args.every), Came::default());
    let phase = every.mul_f64((number - args.first) as f64 / args.count as f64);
    let started = now_us() / 1_000;
    for turn in 0.. {
        let due = begin + phase + every * turn;
        sleep_until(due).await;
        if over.load(Ordering::Relaxed) {
            break;
        }
        let answer = timeout(LONGEST, connection.ask(&heartbeat(number, turn, started))).await;
        let taken = matches!(&answer, Ok(Ok(answer)) if answer.status == 200 && has(answer.body(), br#""success":true"#));
        came.taken += u64::from(taken);
        came.other += u64::from(!taken);
        came.took.push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        if !matches!(answer, Ok(Ok(_))) {
            break;
        }
    }
    came
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
