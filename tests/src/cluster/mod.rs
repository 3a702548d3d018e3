//! A real Kubernetes of one node, with a Kafka beside it, started once for a test process and ended with it.
//! It knows nothing of the product but the names of its images; what is installed is for the suites to do.
//!
//! `SLUICE_CLUSTER` names the directory of one that runs already, and `SLUICE_TEST_KUBECONFIG` any other
//! Kubernetes, for the tests that need an API server alone.

mod audit;
mod definitions;
mod home;
mod inside;
mod kafka;
mod namespace;
pub mod operators;
pub mod pods;
pub mod product;
mod queue;
mod turn;

pub use audit::{Entry, Mark};
pub use kafka::{KAFKA, KAFKA_SERVICE, LOGIN_SERVICE};
pub use namespace::Namespace;
pub use turn::{Cluster, eventually};

/// The images that pods of this cluster can use, by the name of their binary.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn image(binary: &str) -> String {
    match binary {
        "sluice-operator" | "sluice-proxy" => format!("test.local/{binary}:{}", env!("CARGO_PKG_VERSION")),
        "sluice" => "test.local/producer:1".to_owned(),
        other => panic!("no image of {other}"),
    }
}
