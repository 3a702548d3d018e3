//! The resource types of Sluice, `sluice.dev/v1alpha1`, and the definitions generated from them.
//! It says what a resource may hold; it never reads one from anywhere, nor knows of other resources.
//!
//! | module | holds |
//! |---|---|
//! | [`stream`] | `DataStream`: what an application team declares |
//! | [`record`] | what a stream makes of a report: form, split, key |
//! | [`fleet`] | `ProxyFleet`: the proxies, and the connections they store through |
//! | [`access`] | where a fleet is reached, and who may report to a stream |
//! | [`attach`] | which streams may attach to a fleet, and what they may name |
//! | [`pods`] | how a fleet runs as pods |
//! | [`autoscaling`] | how many there are by their load |
//! | [`sink`] | a fleet's connections: Kafka, files |
//! | [`size`], [`span`], [`quantity`] | sizes such as `64Ki`, lengths of time such as `8s`, amounts such as `250m` |
//! | [`pattern`] | what names look like, and in words |
//! | [`kind`] | the kinds there are |
//! | [`rules`] | what a schema can't say: each rule as CEL for the API server and as Rust for local mode |
//! | [`definition`] | the `CustomResourceDefinition`s, with the rules in them, as `crds/yaml` holds them |
//! | [`reference`] | the same as tables for people, as `docs/` holds them |

pub mod access;
pub mod attach;
pub mod auth;
pub mod autoscaling;
mod conditions;
pub mod definition;
pub mod fleet;
pub mod kind;
pub mod pattern;
pub mod pods;
pub mod quantity;
pub mod record;
pub mod reference;
pub mod rules;
pub mod sink;
pub mod size;
pub mod span;
pub mod stream;

pub use autoscaling::Autoscaling;
pub use fleet::{ProxyFleet, ProxyFleetSpec, ProxyFleetStatus};
pub use kind::Kind;
pub use size::Size;
pub use span::Span;
pub use stream::{DataStream, DataStreamSpec, DataStreamStatus};

/// The API group of every resource.
pub const GROUP: &str = "sluice.dev";

/// The API version of every resource.
pub const VERSION: &str = "v1alpha1";
