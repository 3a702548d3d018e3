//! What crosses the network between operator, proxies and producers: plain data with a serde form.
//! It holds no behaviour beyond reading and writing itself, and depends on nothing but serde.
//!
//! | module | what crosses | from | to |
//! |---|---|---|---|
//! | [`document`] | a fleet's configuration | operator | proxies |
//! | [`code`] | the `code` of an InLong answer | proxies | producers |
//! | [`status`] | `GET 9102/status` and `/books`, and the line a supervised proxy prints | proxies | operator, CLI |

pub mod code;
pub mod document;
pub mod status;
