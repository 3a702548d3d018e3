//! What a sink is handed: messages, each of which becomes one Kafka record or one line of a file, with
//! the headers of the record contract.

use std::borrow::Cow;

/// A header of a message: its name and its value.
pub type Header<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// What is known of a report beside its messages; times in milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// When the report was received.
    pub received: i64,
    /// The producer's address, as text.
    pub client: &'a str,
    /// The node's own address, as text.
    pub node: &'a str,
    /// The producer's `auditVersion`, if it is a number.
    pub audit_version: Option<i64>,
    /// What a message's value is.
    pub envelope: Envelope,
    /// Headers of the HTTP request that every message carries on.
    pub passed: &'a [Header<'a>],
}

/// What a message's value is, as the headers `msgEnType` and `version` tell consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// A record's own bytes.
    Raw,
    /// An InLongMsg.
    InLongMsg,
}

impl Envelope {
    /// The number of both headers (InLong's `MessageWrapType`).
    const fn number(self) -> &'static [u8] {
        match self {
            Self::Raw => b"0",
            Self::InLongMsg => b"2",
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Its key.
    pub key: Option<Cow<'a, [u8]>>,
    /// Its value.
    pub value: Cow<'a, [u8]>,
    /// What the producer says its time is, else the time of receipt; milliseconds since the epoch.
    pub event_time: i64,
    /// Headers of its own.
    pub headers: Vec<Header<'a>>,
    /// How many records it holds; more than one only in an InLongMsg.
    pub records: u32,
}

impl Message<'_> {
    /// Bytes of key, value and own headers with their lengths.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = bytes_of(&self.headers) + self.headers.len() * HEADER_FRAME;
        self.key.as_ref().map_or(0, |key| key.len()) + self.value.len() + headers
    }
}

/// What the lengths of a header take in a Kafka record, in bytes.
const HEADER_FRAME: usize = 4;
/// What a message costs in memory while a sink holds it, beside its own bytes.
pub const MESSAGE_OVERHEAD: u64 = 1_024;
/// What each header beside the contract's costs, beside its own bytes: Kafka's client allocates each.
const HEADER_OVERHEAD: u64 = 96;

/// What the messages of a report take in memory until a sink has settled them, in bytes.
#[must_use]
pub fn held_bytes(meta: &Meta<'_>, messages: &[Message<'_>]) -> u64 {
    let headers = |headers: &[Header<'_>]| headers.len() as u64 * HEADER_OVERHEAD;
    let each = MESSAGE_OVERHEAD + bytes_of(meta.passed) as u64 + headers(meta.passed);
    messages.iter().map(|message| message.bytes() as u64 + headers(&message.headers) + each).sum()
}

/// The bytes of a text, as a header's value.
#[must_use]
pub fn bytes_from(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Bytes of headers, names and values.
#[must_use]
pub fn bytes_of(headers: &[Header<'_>]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// Calls `put` with each header of a message: InLong's contract first (`rt` and `st`, when the report was
/// received and handed over; `srcIp`, `dpIp`, `msgEnType`, `version`, with `dt` and `auditVersion` beside them),
/// then the message's own, then those passed on. All values of the contract are decimal numbers or addresses.
pub fn each_header(meta: &Meta<'_>, message: &Message<'_>, mut put: impl FnMut(&str, &[u8])) {
    let mut number = itoa::Buffer::new();
    let received = number.format(meta.received).as_bytes();
    put("rt", received);
    put("st", received);
    put("dt", itoa::Buffer::new().format(message.event_time).as_bytes());
    put("srcIp", meta.client.as_bytes());
    put("dpIp", meta.node.as_bytes());
    put("msgEnType", meta.envelope.number());
    put("version", meta.envelope.number());
    if let Some(version) = meta.audit_version {
        put("auditVersion", itoa::Buffer::new().format(version).as_bytes());
    }
    for (name, value) in message.headers.iter().chain(meta.passed) {
        put(name, value);
    }
}
