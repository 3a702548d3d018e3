//! What crosses the network between operator, proxies and producers: plain data with a serde form.
//! It holds no behaviour beyond reading, writing and bounding itself, and depends on nothing but serde and its JSON.
//!
//! | module | what crosses | from | to |
//! |---|---|---|---|
//! | [`document`] | a fleet's configuration | operator | proxies |
//! | [`access`] | of it: who may reach a fleet and report to a stream | operator | proxies |
//! | [`parts`] | the same, cut for ConfigMaps | operator | proxies |
//! | [`places`] | the same, taken apart unread | operator | proxies |
//! | [`code`] | the `code` of an InLong answer | proxies | producers |
//! | [`status`] | `GET 9102/status` and `/books`, and the line a supervised proxy prints | proxies | operator, CLI |
//! | [`heartbeat`] | how a node does, every few seconds | proxies | operators |
//! | [`polling`] | a fleet's configuration over long polling | operators | proxies |
//! | [`discovery`] | which nodes take reports: `getIpList`, `endpoints.json` | operator | producers |
//!
//! [`bounds`] says what the fields of a stream may hold.

pub mod access;
pub mod auth;
pub mod bounds;
pub mod code;
pub mod discovery;
pub mod document;
pub mod heartbeat;
pub mod parts;
pub mod places;
pub mod polling;
pub mod status;
