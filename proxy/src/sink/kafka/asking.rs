//! The client that only asks. What librdkafka says to it stays with it: one broker that is down is no trouble of a
//! connection whose question another one answers.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::util::Timeout;

use super::context;

/// How long one question to the cluster may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A client that asks.
pub(super) type Admin = AdminClient<Asking>;

/// The context of a client that asks.
#[derive(Debug)]
pub(super) struct Asking {
    /// The name of the sink.
    pub(super) sink: String,
}

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log(&self.sink, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(sink = self.sink, %error, reason, "a broker does not answer a question");
    }
}

/// How long an answer is waited for.
pub(super) fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(Timeout::After(PATIENCE)))
        .operation_timeout(Some(Timeout::After(PATIENCE)))
}
