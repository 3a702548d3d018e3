//! Which librdkafka properties a fleet may set beside those the product sets.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use sluice_wire::document::{PROPERTIES, PROPERTY_PREFIXES};

/// Why a property is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// It loads code, runs commands or names files or secrets.
    #[error("{name:?} is never allowed: {reason}")]
    Dangerous {
        /// The property.
        name: String,
        /// What to do instead.
        reason: &'static str,
    },
    /// It is not on the list.
    #[error("{0:?} can't be set: it is set by the proxy itself or not on the list of allowed properties")]
    NotAllowed(String),
    /// librdkafka does not take the value.
    #[error("{0}")]
    Value(String),
}

/// Checks every property, names and values.
///
/// # Errors
/// The first [`PropertyError`] in the order of the names.
pub fn check(properties: &BTreeMap<String, String>) -> Result<(), PropertyError> {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        check_name(name)?;
        config.set(name, value);
    }
    config.create_native_config().map_err(|error| PropertyError::Value(error.to_string()))?;
    Ok(())
}

fn check_name(name: &str) -> Result<(), PropertyError> {
    let dangerous = |reason| Err(PropertyError::Dangerous { name: name.to_owned(), reason });
    if name == "plugin.library.paths" || name.starts_with("ssl.engine") || name.starts_with("ssl.provider") {
        return dangerous("it loads code into the proxy");
    }
    if name == "sasl.kerberos.kinit.cmd" {
        return dangerous("it runs a command in the proxy");
    }
    if name.ends_with(".location") {
        return dangerous("it names a file of the proxy; use the sink's tls and sasl with a Secret");
    }
    if name.contains("password") || name.ends_with(".pem") || name.contains("secret") {
        return dangerous("it would hold a secret in the open; use the sink's tls and sasl with a Secret");
    }
    if PROPERTIES.contains(&name) || PROPERTY_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(());
    }
    Err(PropertyError::NotAllowed(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<(), PropertyError> {
        check(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn allowed_properties_pass() {
        for (name, value) in [
            ("linger.ms", "5"),
            ("compression.codec", "lz4"),
            ("client.rack", "a"),
            ("broker.address.ttl", "100"),
        ] {
            assert_eq!(one(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_loads_code_or_names_secrets_is_refused_by_name() {
        for name in [
            "plugin.library.paths",
            "sasl.kerberos.kinit.cmd",
            "ssl.engine.location",
            "ssl.engine.id",
            "ssl.ca.location",
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
        ] {
            let error = one(name, "x").unwrap_err();
            assert!(matches!(error, PropertyError::Dangerous { .. }), "{name}");
            assert!(error.to_string().contains(name));
        }
    }

    #[test]
    fn what_the_proxy_sets_is_refused() {
        for name in ["acks", "enable.idempotence", "bootstrap.servers", "message.timeout.ms", "partitioner"] {
            assert_eq!(one(name, "1"), Err(PropertyError::NotAllowed(name.to_owned())));
        }
    }

    #[test]
    fn a_value_librdkafka_does_not_take_is_refused() {
        let error = one("linger.ms", "soon").unwrap_err();
        assert!(error.to_string().contains("linger.ms"), "{error}");
    }
}
