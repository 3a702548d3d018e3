//! Turns the resources people write into the configuration that proxies run from.
//! It never sees a report, and a proxy that runs needs nothing of it.
//!
//! The folders are the steps, in the order data takes; none imports a later one.
//!
//! | module | step | takes | gives |
//! |---|---|---|---|
//! | [`watch`] | reads a directory | files | objects as written |
//! | [`validate`] | checks each object alone | an object as written | a typed resource, defaults applied |
//! | [`resolve`] | checks objects against each other | all resources | fleets with their streams |
//! | [`scale`] | works out how many proxies a fleet is to have | how full they are | a number |
//! | [`build`] | makes a fleet's configuration | a fleet | a document |
//! | [`build::objects`] | makes what runs and serves it | a fleet | Kubernetes objects |
//! | [`inject`] | gives a pod that asks for it a sidecar | a pod, a fleet | what is added to the pod |
//! | [`apply`] | writes what is not as wanted | objects, wanted and live | requests |
//! | [`publish`] | hands it to proxies | a document | a file, replaced whole |
//! | [`status`] | tells what became of it | decisions, what nodes say | statuses, Events |
//!
//! Beside them, [`poll`] tells clients over HTTP which configuration changed, and [`registry`] which nodes to report to;
//! [`admission`] tells the API server what to refuse, by the same rules; [`pki`] and [`tokens`] let proxies know the
//! operator, and the operator proxies; [`credentials`] are producers' tokens.
//!
//! [`problem`] is what every step says when something is wrong; [`local`] runs the first three in a row and
//! remembers what was good.

pub mod admin;
pub mod admission;
pub mod app;
pub mod apply;
pub mod args;
mod body;
pub mod build;
pub mod caller;
mod clock;
mod connection;
pub mod credentials;
mod hex;
pub mod inject;
pub mod kind;
pub mod lead;
pub mod local;
pub mod marks;
pub mod names;
pub mod nodes;
pub mod observe;
pub mod pki;
pub mod poll;
pub mod problem;
pub mod publish;
pub mod reconcile;
pub mod registry;
pub mod resolve;
pub mod scale;
mod secured;
pub mod status;
pub mod telemetry;
mod tls;
pub mod tokens;
pub mod validate;
pub mod watch;

pub use problem::{ObjectRef, Problem, Reason};
