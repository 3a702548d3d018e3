//! Puts records where they are kept and says what each one came to: stored, surely not, or unknown.
//! It must not know how a record arrived, nor how its outcome is answered.

pub mod delivery;
pub mod file;
pub mod kafka;
mod message;
mod running;
mod set;

use std::sync::Arc;

use sluice_wire::status::{NotReady, SinkStatus};

pub use delivery::{Cause, Delivery, Failure, Outcome, Ticket, Verdict};
pub use message::{
    Envelope, Header, MESSAGE_OVERHEAD, Message, Meta, bytes_from, bytes_of, each_header, held_bytes,
};
pub use set::{SinkError, SinkSet};

/// What is wrong with a sink or a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Of which kind it is.
    pub reason: NotReady,
    /// What is wrong, in words a person can act on.
    pub message: String,
}

impl Trouble {
    /// Trouble of this kind.
    #[must_use]
    pub fn new(reason: NotReady, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A stream's topic is in trouble of its own: nothing is handed to it but a probe now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the topic's breaker is open: {0}; one report a second is tried")]
pub struct BreakerOpen(pub kafka::Why);

impl BreakerOpen {
    /// After how long to try again, in seconds.
    pub const RETRY_AFTER: u64 = 1;
}

impl From<BreakerOpen> for Trouble {
    fn from(open: BreakerOpen) -> Self {
        let reason = match open.0 {
            kafka::Why::Forbidden => NotReady::TopicForbidden,
            kafka::Why::TimedOut | kafka::Why::Refused | kafka::Why::Slow => NotReady::Other,
        };
        Self::new(reason, open.to_string())
    }
}

/// Leave to hand over one report; used up by [`Outlet::submit`], and given back when it is dropped.
#[derive(Debug)]
pub enum Pass {
    /// To a topic.
    Kafka(kafka::Pass),
    /// To a file.
    File,
}

/// One stream's way into its sink.
#[derive(Clone, Debug)]
pub enum Outlet {
    /// A topic.
    Kafka(kafka::Outlet),
    /// A file.
    File(file::Outlet),
}

impl Outlet {
    /// The longest message taken now, in bytes of key, value and its own headers; `None` where the stream's topic is not known to be there.
    #[must_use]
    pub fn longest_record(&self) -> Option<usize> {
        match self {
            Self::Kafka(outlet) => outlet.longest_record(),
            Self::File(_) => Some(usize::MAX),
        }
    }

    /// Makes the messages of a report ready for this sink.
    #[must_use]
    pub fn prepare<'a>(&self, meta: &Meta<'a>, messages: Vec<Message<'a>>) -> Batch<'a> {
        let lines = match self {
            Self::Kafka(_) => Vec::new(),
            Self::File(outlet) => outlet.lines(meta, &messages),
        };
        Batch { meta: *meta, messages, lines }
    }

    /// Leave to hand over one report.
    ///
    /// # Errors
    /// [`BreakerOpen`] where the stream's topic is in trouble.
    pub fn admit(&self) -> Result<Pass, BreakerOpen> {
        match self {
            Self::Kafka(outlet) => outlet.admit().map(Pass::Kafka),
            Self::File(_) => Ok(Pass::File),
        }
    }

    /// Hands over a report that was made ready here. Each message is settled on `delivery` exactly once,
    /// sooner or later; at once, as not stored, where the pass is another outlet's.
    pub fn submit(&self, pass: Pass, batch: Batch<'_>, delivery: &Arc<Delivery>) {
        match (self, pass) {
            (Self::Kafka(outlet), Pass::Kafka(pass)) => {
                outlet.submit(&pass, &batch.meta, &batch.messages, delivery);
            }
            (Self::File(outlet), Pass::File) => outlet.submit(batch.lines, &batch.messages, delivery),
            _ => (0..).zip(&batch.messages).for_each(|(index, message)| {
                delivery.ticket(index, message.records).settle(Outcome::NotStored(Cause::Busy), 0);
            }),
        }
    }

    /// Whether the stream's topic has its breaker open, and whether it is in quarantine.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        match self {
            Self::Kafka(outlet) => {
                Isolation { breaker_open: outlet.is_open(), quarantined: outlet.is_quarantined() }
            }
            Self::File(_) => Isolation::default(),
        }
    }

    /// What the checks of the stream's topic found.
    #[must_use]
    pub fn health(&self) -> Health {
        match self {
            Self::Kafka(outlet) => outlet.health(),
            Self::File(outlet) => outlet.health(),
        }
    }
}

/// The messages of a report, ready for a sink.
#[derive(Debug)]
pub struct Batch<'a> {
    meta: Meta<'a>,
    messages: Vec<Message<'a>>,
    lines: Vec<u8>,
}

impl Batch<'_> {
    /// How many messages.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// How many records they hold.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.messages.iter().map(|message| u64::from(message.records)).sum()
    }

    /// What they take as lines of a file, in bytes; nothing where they go elsewhere.
    #[must_use]
    pub fn line_bytes(&self) -> u64 {
        self.lines.len() as u64
    }
}

/// What the checks of a stream's topic found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong; `None` when records are taken.
    pub trouble: Option<Trouble>,
    /// Replicas of its partitions, the fewest.
    pub replicas: Option<u32>,
    /// `min.insync.replicas`, where it could be read.
    pub min_insync_replicas: Option<u32>,
    /// What is wrong although records are taken, all or some.
    pub notice: Option<Trouble>,
}

/// How far a stream's topic is kept apart from the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Reports are refused, but for probes.
    pub breaker_open: bool,
    /// What is taken goes through a producer apart.
    pub quarantined: bool,
}

/// Why a connection is not the one that is asked for, and what is wrong with it all the same.
fn both(outdated: Option<Trouble>, trouble: Option<Trouble>) -> Option<Trouble> {
    match (outdated, trouble) {
        (Some(outdated), Some(trouble)) => {
            let message = format!("{}, which is in trouble: {}", outdated.message, trouble.message);
            Some(Trouble { message, ..outdated })
        }
        (outdated, trouble) => outdated.or(trouble),
    }
}

/// A running sink.
#[derive(Clone, Debug)]
pub enum Sink {
    /// A Kafka cluster.
    Kafka(Arc<kafka::Connection>),
    /// A directory.
    File(Arc<file::Writer>),
}

impl Sink {
    /// How the sink named `name` is doing.
    #[must_use]
    pub fn status(&self, name: &str) -> SinkStatus {
        let trouble = match self {
            Self::Kafka(connection) => both(connection.outdated(), connection.trouble()),
            Self::File(writer) => writer.trouble(),
        };
        SinkStatus {
            name: name.to_owned(),
            ready: trouble.is_none(),
            reason: trouble.as_ref().map(|trouble| trouble.reason),
            message: trouble.map(|trouble| trouble.message).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_is_outdated_and_in_trouble_tells_both() {
        let outdated = || Some(Trouble::new(NotReady::SecretUnusable, "gone; it goes on with what it had"));
        let trouble = || Some(Trouble::new(NotReady::SinkUnreachable, "the broker refused the login"));
        let told = "gone; it goes on with what it had, which is in trouble: the broker refused the login";
        assert_eq!(both(outdated(), trouble()), Some(Trouble::new(NotReady::SecretUnusable, told)));
        assert_eq!(both(outdated(), None), outdated());
        assert_eq!(both(None, trouble()), trouble());
        assert_eq!(both(None, None), None);
    }
}
