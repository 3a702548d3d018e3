//! What a published configuration asks of producers. It holds no more of it than that.

use serde::Deserialize;
use sluice_wire::auth::{Auth, TokenKeys};

use crate::registry::http::Configuration;

/// What is asked of producers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    listeners: Listeners,
    /// By each stream.
    pub(crate) streams: Vec<AskedBy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Listeners {
    token_keys: Option<TokenKeys>,
}

/// What a stream asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskedBy {
    pub(crate) namespace: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) uid: String,
    pub(crate) group_id: String,
    #[serde(default)]
    pub(crate) auth: Auth,
}

impl Asked {
    /// Of a configuration that can't be read nothing is known: no stream, and no keys.
    pub(crate) fn by(configuration: &Configuration) -> Self {
        serde_json::from_slice(&configuration.json).unwrap_or_default()
    }

    /// What service accounts' tokens are verified with.
    pub(crate) const fn keys(&self) -> Option<&TokenKeys> {
        self.listeners.token_keys.as_ref()
    }
}
