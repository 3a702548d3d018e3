//! The proxy: takes reports over HTTP, hands their records to a sink, and answers what they came to.
//! It needs no operator and no API server to go on; it never calls stored what is not.
//!
//! | module | what it is |
//! |---|---|
//! | [`args`], [`app`] | the command line, and the parts put together |
//! | [`operators`] | who the operators are and how to speak to them |
//! | [`config`], [`secrets`], [`catalog`] | from the published document to what the node serves |
//! | [`intake`] → [`admit`] → [`output`] → [`sink`] | the way of a report, in that order |
//! | [`https`] | what reports over TLS are served with |
//! | [`counters`], [`status`], [`admin`] | what the node says of itself |
//! | [`load`], [`heartbeat`] | how full it is, and what operators hear of it |
//! | [`telemetry`] | what it tells while it works: log lines and spans |
//! | [`lifecycle`] | how it leaves |

pub mod admin;
pub mod admit;
pub mod app;
pub mod args;
pub mod catalog;
pub mod config;
pub mod counters;
pub mod heartbeat;
pub mod https;
pub mod intake;
pub mod lifecycle;
pub mod load;
pub mod operators;
pub mod output;
pub mod secrets;
pub mod sink;
pub mod status;
pub mod telemetry;
