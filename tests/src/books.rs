//! Every proxy's books against what its topics hold, when the test is done with it.
//! A suite does nothing for it: whoever starts a [`Proxy`](crate::proxy::Proxy) and drops it has its books checked.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sluice_wire::document::{Document, Output, SinkKind};
use sluice_wire::status::{Books, StreamBooks};

use crate::{inlong_msg, kafka};

/// A topic of a broker.
type Place = (String, String);

/// What all proxies together said of a topic.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Proxies that may still write.
    writers: usize,
    /// Records surely there.
    delivered: u64,
    /// Records that may be there.
    doubtful: u64,
    /// A proxy ended without showing its books: what it wrote beside them is not known.
    unaccounted: bool,
    /// Records were deleted, so that what is there says nothing.
    cut: bool,
}

static ACCOUNTS: LazyLock<Mutex<BTreeMap<Place, Account>>> = LazyLock::new(Mutex::default);

fn accounts() -> MutexGuard<'static, BTreeMap<Place, Account>> {
    ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The topics of a document's plain Kafka sinks, each with its output.
#[must_use]
pub fn places(document: &Document) -> BTreeMap<Place, Output> {
    let address = |name: &str| {
        document.sinks.iter().find(|sink| sink.name == name).and_then(|sink| match &sink.kind {
            SinkKind::Kafka(kafka) if kafka.tls.is_none() && kafka.sasl.is_none() => {
                Some(kafka.bootstrap_servers.clone())
            }
            _ => None,
        })
    };
    let streams = document.streams.iter();
    streams.filter_map(|s| Some(((address(&s.sink)?, s.topic.clone()), s.output))).collect()
}

/// A proxy may write to these topics from now on.
pub fn open<'a>(places: impl IntoIterator<Item = &'a Place>) {
    for place in places {
        accounts().entry(place.clone()).or_default().writers += 1;
    }
}

/// Records of a topic were deleted: its account is closed for good.
pub fn cut(topic: &str) {
    for (_, account) in accounts().iter_mut().filter(|((_, name), _)| name == topic) {
        account.cut = true;
    }
}

/// A proxy is done: its books must balance, and agree with its topics where no other proxy writes any more.
/// `None`: it can't be asked.
///
/// # Panics
/// When they don't; the message says which.
pub fn close(books: Option<&Books>, places: &BTreeMap<Place, Output>) {
    for stream in books.iter().flat_map(|books| &books.streams) {
        assert_eq!(stream.admitted, accounted(stream), "the books don't balance: {stream:?}");
    }
    for (place, output) in places {
        let ours = books.map(|books| books.streams.iter().filter(|stream| stream.topic == place.1));
        let (delivered, doubtful) =
            ours.into_iter().flatten().fold((0, 0), |(delivered, doubtful), stream| {
                (delivered + stream.delivered, doubtful + stream.unknown + stream.waiting)
            });
        let account = {
            let mut accounts = accounts();
            let account = accounts.entry(place.clone()).or_default();
            account.writers -= 1;
            account.delivered += delivered;
            account.doubtful += doubtful;
            account.unaccounted |= books.is_none();
            *account
        };
        if account.writers == 0 && !account.cut {
            compare(place, *output, account);
        }
    }
}

fn compare(place: &Place, output: Output, account: Account) {
    let (address, topic) = place;
    // A broker that the test ended, or a topic that never was, holds nothing to compare with.
    let Some(found) = count(address, topic, output) else {
        eprintln!("books: {topic} can't be read");
        return;
    };
    let most = if account.unaccounted { u64::MAX } else { account.delivered + account.doubtful };
    assert!(
        (account.delivered..=most).contains(&found),
        "the books say {account:?}, and {topic} holds {found} records"
    );
}

/// Records in a topic, those inside an InLongMsg each counted.
fn count(address: &str, topic: &str, output: Output) -> Option<u64> {
    if !matches!(output, Output::InLongMsg { .. }) {
        return kafka::count(address, topic);
    }
    kafka::count(address, topic)?;
    let records = kafka::read(address, topic);
    Some(records.iter().map(|record| inlong_msg::parse(&record.value).records.len() as u64).sum())
}

fn accounted(stream: &StreamBooks) -> u64 {
    stream.delivered
        + stream.waiting
        + stream.dead_lettered
        + stream.suppressed
        + stream.failed
        + stream.unknown
}
