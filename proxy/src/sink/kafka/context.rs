//! What librdkafka tells a producer's owner: deliveries, errors and log lines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode;
use sluice_wire::document::Sasl;
use sluice_wire::status::NotReady;
use tokio::sync::Notify;

use super::ages::{Clock, Slot};
use super::courier::Courier;
use super::guard::Probe;
use super::topics::{Topic, Topics};
use super::{login, outcome};
use crate::sink::{Outcome, Ticket, Trouble};

/// What a connection's producer, its topic checks and the outside see of each other.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) sink: String,
    /// How the connection logs in, where it does.
    login: Option<Sasl>,
    /// The time that records' ages are told in.
    pub(super) clock: Clock,
    pub(super) topics: Topics,
    /// Rung when a topic wants a check.
    pub(super) check: Notify,
    /// Rung when there is trouble where there was none.
    pub(super) alarm: Notify,
    trouble: Mutex<Option<Trouble>>,
    /// Whether there is trouble, to be seen without a lock on every delivery.
    troubled: AtomicBool,
    /// Why it goes on although another connection is asked for.
    outdated: Mutex<Option<Trouble>>,
}

impl Shared {
    pub(super) fn new(sink: &str, login: Option<&Sasl>, delivery_timeout: Duration) -> Self {
        Self {
            sink: sink.to_owned(),
            login: login.cloned(),
            clock: Clock::new(delivery_timeout),
            topics: Topics::default(),
            check: Notify::new(),
            alarm: Notify::new(),
            trouble: Mutex::default(),
            troubled: AtomicBool::new(false),
            outdated: Mutex::default(),
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().clone()
    }

    /// Notes what is wrong with the connection and logs it when it is news.
    pub(super) fn set_trouble(&self, reason: NotReady, message: &str) {
        self.note(reason, message, |known| known.message != message);
    }

    /// Notes that there must be trouble, where nothing more telling is known of it.
    pub(super) fn suspect(&self, reason: NotReady, message: &str) {
        self.note(reason, message, |_| false);
    }

    fn note(&self, reason: NotReady, message: &str, replaces: impl FnOnce(&Trouble) -> bool) {
        let mut trouble = self.lock();
        if trouble.as_ref().is_none_or(replaces) {
            tracing::warn!(sink = self.sink, error = message, "kafka connection in trouble");
            if trouble.replace(Trouble::new(reason, message)).is_none() {
                self.alarm.notify_one();
            }
            self.troubled.store(true, Ordering::Relaxed);
        }
    }

    /// What librdkafka reports, in words a person can act on.
    fn trouble_of(&self, error: &KafkaError, reason: &str) -> Trouble {
        let code = error.rdkafka_error_code();
        let reason = without_duration(reason);
        let what = || code.map_or_else(|| error.to_string(), |code| code.to_string());
        let message = login::refused(&self.sink, self.login.as_ref(), code, reason);
        Trouble::new(outcome::reason(code), message.unwrap_or_else(|| format!("{}: {reason}", what())))
    }

    /// Notes that the connection works: a record was stored, or a question answered.
    pub(super) fn clear_trouble(&self) {
        if self.troubled.swap(false, Ordering::Relaxed) && self.lock().take().is_some() {
            tracing::info!(sink = self.sink, "kafka connection works again");
        }
    }

    pub(super) fn outdated(&self) -> Option<Trouble> {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why the connection goes on although another is asked for; `None`: it is what is asked for. True where
    /// that is news.
    pub(super) fn set_outdated(&self, why: Option<Trouble>) -> bool {
        let mut outdated = self.outdated.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *outdated != why;
        *outdated = why;
        is_news
    }

    /// Closes a topic that Kafka no longer knows, and has it looked for.
    pub(super) fn topic_is_gone(&self, name: &str) {
        if let Some(topic) = self.topics.get(name) {
            topic.missing(Trouble::new(NotReady::TopicMissing, format!("topic {name:?} is gone")));
            self.check.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a producer's records are stored, and whether they time out, since this was last asked.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    pub(super) stored: AtomicBool,
    pub(super) timed_out: AtomicBool,
}

/// A message that a producer holds.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) ticket: Ticket,
    pub(super) topic: Arc<Topic>,
    pub(super) handed_over: Instant,
    /// The same, as its topic counts it.
    pub(super) slot: Slot,
    pub(super) probe: Option<Arc<Probe>>,
}

/// The context of producers.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    /// `None` in tests, where nothing is produced.
    pub(super) courier: Option<Courier>,
    /// Of the producer that this context is of.
    pub(super) pulse: Arc<Pulse>,
}

/// Passes on a line of librdkafka's log.
pub(super) fn log(sink: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(sink, facility, message, "librdkafka");
        }
        _ => tracing::debug!(sink, facility, message, "librdkafka"),
    }
}

/// Whether an error only follows each broker's own, which says more.
fn sums_up(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(&self.shared.sink, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Trouble { reason, message } = self.shared.trouble_of(&error, reason);
        if sums_up(&error) {
            self.shared.suspect(reason, &message);
        } else {
            self.shared.set_trouble(reason, &message);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, held: Box<InFlight>) {
        match result {
            Ok(message) => {
                if !self.pulse.stored.load(Ordering::Relaxed) {
                    self.pulse.stored.store(true, Ordering::Relaxed);
                }
                if self.shared.troubled.load(Ordering::Relaxed) {
                    self.shared.clear_trouble();
                }
                held.topic.stored(held.slot, held.probe.is_some());
                let bytes = message.payload().map_or(0, <[u8]>::len);
                self.settle(held.ticket, Outcome::Stored, bytes);
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code();
                if outcome::topic_is_gone(code) {
                    self.shared.topic_is_gone(message.topic());
                }
                if code == Some(RDKafkaErrorCode::MessageTimedOut) {
                    self.pulse.timed_out.store(true, Ordering::Relaxed);
                }
                held.topic.failed(held.slot, outcome::fault(code));
                let outcome = outcome::of_delivery(code, held.handed_over.elapsed());
                tracing::debug!(sink = self.shared.sink, topic = message.topic(), %error, ?outcome, "record not acknowledged");
                self.settle(held.ticket, outcome, 0);
            }
        }
    }
}

impl Context {
    fn settle(&self, ticket: Ticket, outcome: Outcome, bytes: usize) {
        match (ticket.settle_quietly(outcome, bytes), &self.courier) {
            (Some(ready), Some(courier)) => courier.take(ready),
            (Some(ready), None) => ready.send(),
            (None, _) => {}
        }
    }
}

/// librdkafka ends its reasons with how long it took, which would make every one of them news.
fn without_duration(reason: &str) -> &str {
    reason.split(" (after ").next().unwrap_or(reason)
}

#[cfg(test)]
mod tests {
    use sluice_wire::document::SaslMechanism;

    use super::*;

    fn context() -> Context {
        let login = Sasl { mechanism: SaslMechanism::Plain, secret: "login".to_owned() };
        let shared = Arc::new(Shared::new("kafka", Some(&login), Duration::from_secs(1)));
        Context { shared, courier: None, pulse: Arc::default() }
    }

    fn told(context: &Context) -> (NotReady, String) {
        let trouble = context.shared.trouble().unwrap();
        (trouble.reason, trouble.message)
    }

    #[test]
    fn a_suspicion_is_told_until_something_more_telling_is_known() {
        let context = context();
        let shared = &context.shared;
        shared.suspect(NotReady::SinkUnreachable, "nothing answers");
        shared.suspect(NotReady::SinkUnreachable, "nothing is acknowledged");
        assert_eq!(told(&context), (NotReady::SinkUnreachable, "nothing answers".to_owned()));
        context.error(
            KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure),
            "refused (after 1ms in state X)",
        );
        assert!(told(&context).1.ends_with(": refused"), "{:?}", told(&context));
        context.error(KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        shared.suspect(NotReady::SinkUnreachable, "nothing answers");
        assert!(told(&context).1.ends_with(": refused"), "{:?}", told(&context));
        shared.clear_trouble();
        assert_eq!(shared.trouble(), None);
    }

    #[tokio::test]
    async fn only_new_trouble_is_an_alarm() {
        let shared = context().shared;
        let rung = async || {
            let waited = tokio::time::timeout(Duration::from_millis(10), shared.alarm.notified());
            waited.await.is_ok()
        };
        shared.set_trouble(NotReady::SinkUnreachable, "refused");
        assert!(rung().await);
        shared.set_trouble(NotReady::SinkUnreachable, "refused by another one");
        assert!(!rung().await);
        shared.clear_trouble();
        shared.suspect(NotReady::SinkUnreachable, "nothing is acknowledged");
        assert!(rung().await);
    }

    #[test]
    fn a_refused_login_is_told_as_what_it_is() {
        let context = context();
        context.error(KafkaError::Global(RDKafkaErrorCode::Authentication), "k:1: no (after 1ms in state X)");
        let (reason, message) = told(&context);
        assert_eq!(reason, NotReady::SinkUnreachable);
        assert!(message.starts_with("the broker refused the login of sink kafka by PLAIN"), "{message}");
        assert!(message.ends_with(": k:1: no"), "{message}");
    }

    #[test]
    fn what_keeps_another_connection_away_is_news_once_and_outlasts_deliveries() {
        let shared = context().shared;
        let why = Trouble::new(NotReady::SecretUnusable, "gone");
        assert!(shared.set_outdated(Some(why.clone())));
        assert!(!shared.set_outdated(Some(why.clone())));
        shared.clear_trouble();
        assert_eq!(shared.outdated(), Some(why));
        assert!(shared.set_outdated(None));
        assert!(!shared.set_outdated(None));
    }
}
