//! Real Kafka: brokers as child processes, and topics made, read and deleted.
//! It is the tests' own view of Kafka, apart from the proxy's.

mod broker;
mod certificates;
mod topics;

pub use broker::{Broker, Listeners, PASSWORD, USER};
pub use certificates::Certificates;
pub use topics::{StoredRecord, config, create, create_all, delete, read, unique_name};
