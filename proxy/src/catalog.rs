//! What a node serves at one moment: the streams of the configuration in effect, found by groupId and
//! streamId. A catalog never changes; a new configuration makes a new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use hashbrown::{Equivalent, HashMap};
use http::HeaderName;
use sluice_identity::{Accounts, Guard};
use sluice_wire::access::Cidr;
use sluice_wire::document::{Document, FleetRef, Stream as Spec};

use crate::admit::{Quota, Share};
use crate::counters::StreamCounters;
use crate::output::KeyRule;
use crate::sink::{Outlet, Sink, SinkError, SinkSet, file, kafka};

/// How many streams that left are remembered for the books; more are forgotten, the oldest first.
const REMEMBERED: usize = 1_000;

/// Room beside the longest body in an encoded form, in bytes.
const FORM_ROOM: u64 = 64 << 10;

/// The catalog in effect; `None` before the first usable configuration.
pub type Current = Arc<ArcSwapOption<Catalog>>;

/// What a node serves.
#[derive(Debug)]
pub struct Catalog {
    /// Whose configuration this is.
    pub fleet: FleetRef,
    /// Its number.
    pub revision: u64,
    /// How producers are told to go elsewhere before the node stops listening, in milliseconds.
    pub notify_ms: u64,
    /// The longest any sink takes from hand-over to outcome, in milliseconds.
    pub delivery_timeout_ms: u64,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Producers by their service accounts; absent where no stream asks for them, or nobody can be known.
    pub accounts: Option<Arc<Accounts>>,
    /// The longest encoded form of any stream, in bytes.
    pub longest_form: usize,
    streams: HashMap<Key, Arc<Stream>>,
    past: Vec<Past>,
}

/// A stream that is in the configuration no more: its records may still be on their way, and it may return.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its configuration at last.
    pub spec: Spec,
    /// What became of its reports.
    pub counters: Arc<StreamCounters>,
    share: Arc<Share>,
    quota: Arc<Quota>,
}

/// A stream as the node serves it.
#[derive(Debug)]
pub struct Stream {
    /// Its configuration.
    pub spec: Spec,
    /// What became of its reports.
    pub counters: Arc<StreamCounters>,
    /// What it holds of the node's memory.
    pub share: Arc<Share>,
    /// What it may take in a second.
    pub quota: Arc<Quota>,
    /// What its producers have to show.
    pub guard: Guard,
    /// What operators call that; absent where it is nothing.
    pub mark: Option<String>,
    /// Where its records' keys come from.
    pub key: Option<KeyRule>,
    /// Headers of a request that its records carry on, and under which names.
    pub passed: Vec<(HeaderName, String)>,
    /// Its way into its sink.
    pub outlet: Outlet,
    /// The longest from hand-over to outcome, in milliseconds.
    pub delivery_timeout_ms: u64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Key {
    group_id: Box<str>,
    stream_id: Box<str>,
}

#[derive(Hash)]
struct KeyRef<'a> {
    group_id: &'a str,
    stream_id: &'a str,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.group_id == *key.group_id && *self.stream_id == *key.stream_id
    }
}

/// The longest encoded form of a stream with this limit on `body`: each byte may take three.
#[must_use]
pub const fn longest_form(max_body_bytes: u64) -> u64 {
    max_body_bytes * 3 + FORM_ROOM
}

impl Catalog {
    /// The catalog of a checked document on running sinks. Counts of streams that `before` had go on.
    ///
    /// # Errors
    /// [`SinkError`] where a stream's sink is not running.
    pub fn build(document: &Document, sinks: &SinkSet, before: Option<&Self>) -> Result<Self, SinkError> {
        for (name, sink) in sinks.iter() {
            if let Sink::Kafka(connection) = sink {
                connection.want(wanted_topics(document, name));
            }
        }
        let mut streams = HashMap::with_capacity(document.streams.len());
        for spec in &document.streams {
            let key =
                Key { group_id: spec.group_id.as_str().into(), stream_id: spec.stream_id.as_str().into() };
            let same = before.and_then(|catalog| catalog.find(&spec.group_id, &spec.stream_id));
            let known = same
                .map(|stream| Past::of(stream))
                .or_else(|| before.and_then(|catalog| catalog.past_of(spec)).cloned());
            let stream = Stream::new(spec.clone(), connect(spec, document, sinks)?, known);
            streams.insert(key, Arc::new(stream));
        }
        let longest_body = document.streams.iter().map(|stream| stream.max_body_bytes).max().unwrap_or(0);
        Ok(Self {
            fleet: document.fleet.clone(),
            revision: document.revision,
            notify_ms: document.drain.notify_ms,
            trusted_proxies: document.listeners.trusted_proxies.clone(),
            accounts: accounts(document, before),
            delivery_timeout_ms: streams.values().map(|s| s.delivery_timeout_ms).max().unwrap_or(0),
            longest_form: usize::try_from(longest_form(longest_body)).unwrap_or(usize::MAX),
            past: past(before, &streams),
            streams,
        })
    }

    /// The streams that are in the configuration no more, the last to leave first.
    #[must_use]
    pub fn past(&self) -> &[Past] {
        &self.past
    }

    fn past_of(&self, spec: &Spec) -> Option<&Past> {
        self.past
            .iter()
            .find(|past| past.spec.group_id == spec.group_id && past.spec.stream_id == spec.stream_id)
    }

    /// The stream of these ids.
    #[must_use]
    pub fn find(&self, group_id: &str, stream_id: &str) -> Option<&Arc<Stream>> {
        self.streams.get(&KeyRef { group_id, stream_id })
    }

    /// Every stream, in no order.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.streams.values()
    }
}

/// Producers by their service accounts: those of before, where the keys are the same, so that who is known stays known.
/// Keys that can't be used are none: nobody is let in by them.
fn accounts(document: &Document, before: Option<&Catalog>) -> Option<Arc<Accounts>> {
    let keys = document.listeners.token_keys.as_ref()?;
    let accounts = match Accounts::from_keys(keys) {
        Ok(accounts) => accounts,
        Err(error) => {
            tracing::warn!(%error, "the keys of service account tokens can't be used");
            return None;
        }
    };
    let known = before.and_then(|before| before.accounts.as_ref());
    let same = known.filter(|known| known.is_same(&accounts));
    Some(same.map_or_else(|| Arc::new(accounts), Arc::clone))
}

/// The streams of before that are not among `streams`.
fn past(before: Option<&Catalog>, streams: &HashMap<Key, Arc<Stream>>) -> Vec<Past> {
    let Some(before) = before else { return Vec::new() };
    let left = before.streams().map(|stream| Past::of(stream));
    let stays = |past: &Past| {
        streams.contains_key(&KeyRef { group_id: &past.spec.group_id, stream_id: &past.spec.stream_id })
    };
    left.chain(before.past.iter().cloned()).filter(|past| !stays(past)).take(REMEMBERED).collect()
}

impl Past {
    fn of(stream: &Stream) -> Self {
        Self {
            spec: stream.spec.clone(),
            counters: Arc::clone(&stream.counters),
            share: Arc::clone(&stream.share),
            quota: Arc::clone(&stream.quota),
        }
    }
}

impl Stream {
    /// A stream with its way into its sink. What it was before is counted on.
    fn new(spec: Spec, (outlet, delivery_timeout_ms): (Outlet, u64), before: Option<Past>) -> Self {
        let (counters, share, quota) =
            before.map(|past| (past.counters, past.share, past.quota)).unwrap_or_default();
        quota.set(spec.records_per_second, spec.bytes_per_second, Instant::now());
        Self {
            counters,
            share,
            quota,
            guard: Guard::new(&spec.auth, &spec.namespace, &spec.name),
            mark: (!spec.auth.is_none()).then(|| sluice_identity::mark(&spec.auth)),
            key: spec.key.as_ref().map(KeyRule::new),
            // A name that no header can have is one that no request has.
            passed: spec.headers.iter().filter_map(|name| Some((name.parse().ok()?, name.clone()))).collect(),
            outlet,
            delivery_timeout_ms,
            spec,
        }
    }
}

/// What the streams of a sink want of its topics.
fn wanted_topics(document: &Document, sink: &str) -> BTreeMap<String, kafka::Wanted> {
    let mut wanted: BTreeMap<String, kafka::Wanted> = BTreeMap::new();
    for stream in document.streams.iter().filter(|stream| stream.sink == sink) {
        let topic = wanted.entry(stream.topic.clone()).or_default();
        topic.longest_body = topic.longest_body.max(stream.max_body_bytes);
        topic.create = topic.create.take().or_else(|| stream.create.clone());
    }
    wanted
}

/// A stream's way into its sink, and how long that may take in milliseconds.
fn connect(spec: &Spec, document: &Document, sinks: &SinkSet) -> Result<(Outlet, u64), SinkError> {
    use sluice_wire::document::SinkKind;
    let outlet = match sinks.get(&spec.sink)? {
        Sink::Kafka(connection) => {
            let outlet = connection.outlet(&spec.topic).ok_or_else(|| SinkError(spec.sink.clone()))?;
            Outlet::Kafka(outlet)
        }
        Sink::File(writer) => Outlet::File(file::Outlet::new(writer, &spec.group_id, &spec.stream_id)),
    };
    let timeout = document.sinks.iter().find(|sink| sink.name == spec.sink).map(|sink| match &sink.kind {
        SinkKind::Kafka(kafka) => kafka.delivery_timeout_ms,
        SinkKind::File(_) => FILE_TIMEOUT_MS,
    });
    Ok((outlet, timeout.unwrap_or(FILE_TIMEOUT_MS)))
}

/// How long a disk may take over a record before its outcome is unknown, in milliseconds.
const FILE_TIMEOUT_MS: u64 = 8_000;
