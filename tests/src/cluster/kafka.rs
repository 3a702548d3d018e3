//! The Kafka beside the cluster: addresses for tests and for pods, and its logins.
//! Topics are made and read with [`crate::kafka`].

use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::Cluster;
use super::turn::output;
use crate::paths;

/// `host:port` for a test that took its turn, and what Kafka tells clients to use.
pub const KAFKA: &str = "10.200.0.1:9092";
/// `host:port` for a test, of the listener that wants a login.
const LOGIN: &str = "10.200.0.1:9094";
/// `host:port` for pods.
pub const KAFKA_SERVICE: &str = "kafka.kafka:9092";
/// `host:port` for pods, of the listener that wants a SASL login (PLAIN or SCRAM) and speaks no TLS.
pub const LOGIN_SERVICE: &str = "kafka.kafka:9094";

impl Cluster {
    /// Gives a user of SCRAM-SHA-512 another password, and makes one that isn't there.
    ///
    /// # Panics
    /// When Kafka refuses.
    pub fn set_kafka_password(&self, user: &str, password: &str) {
        let home = paths::installed("tests/kafka/install.sh");
        let password = format!("SCRAM-SHA-512=[password={password}]");
        let mut java = self.command("java");
        java.arg("-cp").arg(home.join("lib/*")).args([
            "kafka.admin.ConfigCommand",
            "--bootstrap-server",
            KAFKA,
        ]);
        java.args(["--alter", "--add-config", &password, "--entity-type", "users", "--entity-name", user]);
        output(&mut java, "").unwrap_or_else(|error| panic!("{error}"));
    }

    /// Whether Kafka lets a user in by SCRAM-SHA-512.
    ///
    /// # Panics
    /// When no client can be made.
    #[must_use]
    pub fn kafka_lets_in(&self, user: &str, password: &str) -> bool {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", LOGIN).set("security.protocol", "SASL_PLAINTEXT");
        config
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", user)
            .set("sasl.password", password);
        // A refusal is expected; it shows as an answer.
        config.set_log_level(RDKafkaLogLevel::Emerg).set("log_level", "0");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.fetch_metadata(None, Duration::from_secs(5)).is_ok()
    }
}
