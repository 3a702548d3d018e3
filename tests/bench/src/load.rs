//! A load of equal reports over keep-alive connections, as fast as answers come (closed loop) or at a
//! fixed rate whatever the answers do (open loop). Latencies of the open loop count from when a report
//! was due, so that a server's pause is not hidden by a client that waited for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// What to send, and how.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// `ip:port`.
    pub(crate) address: String,
    /// One whole request.
    pub(crate) request: Arc<[u8]>,
    pub(crate) connections: usize,
    pub(crate) length: Duration,
    /// Requests a second over all connections; `None` is the closed loop.
    pub(crate) rate: Option<u32>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Result {
    /// Answers that were success.
    pub(crate) stored: u64,
    /// Answers that were not.
    pub(crate) other: u64,
    /// Of every answer.
    pub(crate) latencies: Vec<Duration>,
    /// How long it really took.
    pub(crate) took: Duration,
}

impl Result {
    /// The latency that this share of the answers was within.
    pub(crate) fn percentile(&mut self, share: f64) -> Duration {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1) as f64;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index within the list"
        )]
        let index = (last * share) as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Sends it all and returns when the time is over.
pub(crate) fn run(load: &Load) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let begin = Instant::now();
        let tasks: Vec<_> =
            (0..load.connections).map(|number| tokio::spawn(one(load.clone(), number, begin))).collect();
        let mut all = Result::default();
        for task in tasks {
            let part = task.await.expect("a connection that doesn't panic");
            all.stored += part.stored;
            all.other += part.other;
            all.latencies.extend(part.latencies);
        }
        all.took = begin.elapsed();
        all
    })
}

async fn one(load: Load, number: usize, begin: Instant) -> Result {
    let mut socket = TcpStream::connect(&load.address).await.expect("a connection");
    socket.set_nodelay(true).expect("nodelay");
    let mut buffer = Vec::with_capacity(4_096);
    let mut result = Result::default();
    let pace = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / f64::from(rate)));
    let phase = pace.map(|pace| pace.mul_f64(number as f64 / load.connections as f64));
    for turn in 0.. {
        let due = match (pace, phase) {
            (Some(pace), Some(phase)) => begin + phase + pace * turn,
            _ => Instant::now(),
        };
        if due >= begin + load.length {
            break;
        }
        if pace.is_some() {
            sleep_until(due).await;
        }
        socket.write_all(&load.request).await.expect("a request sent");
        let stored = answer(&mut socket, &mut buffer).await;
        result.latencies.push(due.elapsed());
        if stored {
            result.stored += 1;
        } else {
            result.other += 1;
        }
    }
    result
}

/// Reads one answer; true if it says success.
async fn answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    loop {
        let read = socket.read_buf(buffer).await.expect("an answer");
        assert!(read > 0, "the connection ended before its answer");
        // Every answer measured here is one line of JSON.
        if buffer.ends_with(b"}") {
            return [&br#""code":"0""#[..], br#"{"accepted""#]
                .into_iter()
                .any(|success| buffer.windows(success.len()).any(|part| part == success));
        }
    }
}
