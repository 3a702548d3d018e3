//! Real Kafka: brokers as child processes, and topics made, read and deleted.
//! It is the tests' own view of Kafka, apart from the proxy's.

mod broker;
mod certificates;
mod cluster;
mod topics;

pub use broker::{Broker, Listeners, PASSWORD, USER};
pub use certificates::Certificates;
pub use cluster::Cluster;
pub use topics::{
    StoredRecord, config, count, create, create_all, create_on, delete, delete_records, read, unique_name,
};
