//! What the API server publishes of its tokens: the keys it signs with, and what it calls itself in them.
//! The keys are needed, the issuer is not: a cluster may keep it to itself.

use http::Request;
use kube::Client;
use serde::Deserialize;
use sluice_identity::{BadKeys, Keys};

/// Where the keys are.
const KEYS: &str = "/openid/v1/jwks";
/// Where the issuer is.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) keys: Keys,
    /// Absent where the API server does not tell it.
    pub(super) issuer: Option<String>,
}

/// Why the keys were not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The API server does not answer, or refuses.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// What it answers is of no use.
    #[error(transparent)]
    Keys(#[from] BadKeys),
    /// It did not answer in time.
    #[error("the API server does not answer")]
    Silent,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

/// Asks the API server.
pub(super) async fn published(client: &Client) -> Result<Published, FetchError> {
    let keys = Keys::from_jwks(get(client, KEYS).await?.as_bytes())?;
    let issuer = match get(client, DISCOVERY).await {
        Ok(text) => issuer(&text),
        Err(error) => {
            tracing::debug!(%error, "the API server does not tell its issuer");
            None
        }
    };
    Ok(Published { keys, issuer })
}

async fn get(client: &Client, path: &str) -> kube::Result<String> {
    let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await
}

fn issuer(discovery: &str) -> Option<String> {
    let discovery: Discovery = serde_json::from_str(discovery).ok()?;
    Some(discovery.issuer).filter(|issuer| !issuer.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_what_the_discovery_says_if_it_says_so() {
        let told = r#"{"issuer": "https://a", "jwks_uri": "https://b/openid/v1/jwks"}"#;
        assert_eq!(issuer(told).as_deref(), Some("https://a"));
        for nothing in ["", "{}", r#"{"issuer": ""}"#, r#"{"issuer": 1}"#] {
            assert_eq!(issuer(nothing), None, "{nothing}");
        }
    }
}
