//! Fleets' published configuration as a source of the hub: what the leader put into ConfigMaps, at every replica.
//! It writes none, and judges nothing that a configuration says.
//!
//! | file | holds |
//! |---|---|
//! | `part` | one ConfigMap as a part of a set, and a set as JSON |
//! | `book` | which sets are complete, and which fleets there are |
//! | `watch` | the watch that feeds both, and hands editions on |

pub mod book;
pub mod part;
pub mod watch;
