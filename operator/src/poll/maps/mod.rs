//! The labelled ConfigMaps of the namespaces that are opted in, as a source of the hub.
//! It reads no other ConfigMap, writes none, and passes their content on as it is.

pub mod book;
pub mod tell;
pub mod watch;

/// The label whose value is the group that a ConfigMap is the content of.
pub const GROUP: &str = "sluice.dev/config-group";

/// The key with the content.
pub const KEY: &str = "data.json";
