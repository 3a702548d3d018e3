//! What several suites share: one broker behind a relay, topics on it, and turns for what needs the machine.
//! No expectation stands here.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sluice_tests::document::one_stream;
use sluice_tests::formats::Formats;
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::proxy::Proxy;
use sluice_tests::relay::{Fault, Relay};

/// The broker of this test binary; nobody stops it.
struct Shared {
    broker: Broker,
    relay: Relay,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let relay = Relay::listen();
    let listeners = Listeners { advertise_relay: Some(relay.port()), certificates: None };
    let broker = Broker::start(listeners);
    relay.forward_to(&broker.relayed());
    Shared { broker, relay }
});

/// `host:port` of the shared broker.
pub(crate) fn kafka() -> String {
    SHARED.broker.address()
}

/// The relay before the shared broker, for one test at a time; it leaves it without a fault.
pub(crate) struct RelayTurn {
    pub(crate) relay: &'static Relay,
    _turn: MutexGuard<'static, ()>,
}

impl RelayTurn {
    /// Waits for the turn.
    pub(crate) fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { relay: &SHARED.relay, _turn: turn }
    }
}

impl Drop for RelayTurn {
    fn drop(&mut self) {
        self.relay.set(Fault::None);
    }
}

/// A turn for tests that load the whole machine, so that they don't measure each other.
pub(crate) fn machine() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new topic of one partition on the shared broker.
pub(crate) fn topic(prefix: &str) -> String {
    let name = kafka::unique_name(prefix);
    kafka::create(&kafka(), &name, 1, &[]);
    name
}

/// The values in a topic of the shared broker, in their order.
pub(crate) fn values(topic: &str) -> Vec<String> {
    let records = kafka::read(&kafka(), topic);
    records.into_iter().map(|record| String::from_utf8(record.value).expect("sent as UTF-8")).collect()
}

/// A proxy with one stream `g`/`s` into a new topic of the shared broker.
pub(crate) fn proxy(prefix: &str) -> (Proxy, String) {
    let topic = topic(prefix);
    (Proxy::start(&one_stream(&kafka(), &topic)), topic)
}

/// The JVM of this test binary that reads and writes our formats, for one command at a time.
pub(crate) fn formats() -> MutexGuard<'static, Formats> {
    static FORMATS: LazyLock<Mutex<Formats>> = LazyLock::new(|| Mutex::new(Formats::start()));
    FORMATS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of the stream `g`/`stream_id` below a file sink's directory, in their order.
pub(crate) fn segments(directory: &Path, stream_id: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory.join("g").join(stream_id)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Their lines.
pub(crate) fn lines(directory: &Path, stream_id: &str) -> Vec<Value> {
    let texts = segments(directory, stream_id).into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let texts: Vec<_> = texts.collect();
    assert!(texts.iter().all(|text| text.is_empty() || text.ends_with('\n')), "no torn line");
    texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs `work` while watching the proxy's memory; returns the most it took, KiB.
pub(crate) fn peak_kib(proxy: &Proxy, work: impl FnOnce()) -> u64 {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(proxy.rss_kib());
                std::thread::sleep(Duration::from_millis(20));
            }
            peak
        });
        work();
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    })
}
