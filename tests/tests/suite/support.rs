//! What several suites share: one broker behind a relay, topics on it, and turns for what needs the machine.
//! No expectation stands here.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sluice_tests::document::one_stream;
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
