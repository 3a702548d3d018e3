//! What the suites share: real brokers and proxies as child processes, clients, faults, and the checker of histories.
//! It expects nothing of the product beyond its wire contracts; expectations stand in the suites.
//!
//! | module | what it gives |
//! |---|---|
//! | [`history`] | the checker: what producers were told against what a topic holds |
//! | [`books`] | the proxies' books against their topics, for every test that drops a proxy |
//! | [`cluster`] | a Kubernetes of one node |
//! | [`kafka`] | brokers that can be killed, stopped and restarted; topics written and read back |
//! | [`relay`] | a relay before Kafka that swallows, delays and breaks what passes |
//! | [`proxy`], [`dev`] | `sluice-proxy` and `sluice dev` as children |
//! | [`collector`] | an OTLP collector |
//! | [`operator`], [`ear`] | an operator that tells a configuration over long polling, and one that hears heartbeats |
//! | [`document`], [`mount`] | configuration documents, and volumes as the kubelet mounts them |
//! | [`http`], [`tls`], [`native`], [`load`] | clients that send any bytes, plain and over TLS, the native route's requests, and one that sends many reports |
//! | [`chart`] | the Helm chart as the real helm renders it, and an older one |
//! | [`markdown`] | what the documentation shows: blocks, tables, links |
//! | [`formats`], [`soul`] | the released libraries that read and write our formats, and the client of long polling |
//! | [`producers`] | producers in Java that find nodes by asking the operator |
//! | [`paths`], [`ports`], [`log`], [`wait`], [`process`] | the small things under them |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code, and a test's way of failing is to panic"
)]

pub mod books;
pub mod chart;
pub mod cluster;
pub mod collector;
pub mod dev;
pub mod document;
pub mod ear;
mod failure;
pub mod formats;
pub mod history;
pub mod http;
pub mod inlong_msg;
pub mod kafka;
pub mod load;
pub mod log;
pub mod markdown;
pub mod mount;
pub mod native;
pub mod operator;
pub mod paths;
pub mod ports;
pub mod process;
pub mod producers;
pub mod proxy;
pub mod relay;
pub mod service_account;
pub mod soul;
pub mod tls;
pub mod wait;
