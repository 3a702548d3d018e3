//! Service accounts' tokens, signed here in the API server's place, for proxies that run without one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sluice_wire::auth::{AUDIENCE, TokenKeys};

/// What the tokens' issuer calls itself.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// Signs tokens.
#[derive(Debug)]
pub struct Signer(EcdsaKeyPair);

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs()
}

/// What the token of an account holds, for an hour.
#[must_use]
pub fn claims(namespace: &str, account: &str) -> Value {
    json!({
        "aud": [AUDIENCE], "iss": ISSUER, "iat": now(), "nbf": now(), "exp": now() + 3_600,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": "u"}},
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
    })
}

impl Signer {
    /// With a key of its own.
    #[must_use]
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random);
        Self(key.expect("the key that was just made"))
    }

    /// What a fleet's configuration has of it.
    #[must_use]
    pub fn keys(&self) -> TokenKeys {
        let (x, y) = self.point();
        let jwks =
            json!({"keys": [{"kty": "EC", "kid": "key", "crv": "P-256", "alg": "ES256", "x": x, "y": y}]});
        TokenKeys { issuer: Some(ISSUER.to_owned()), jwks }
    }

    /// The coordinates of the public key, as text.
    #[must_use]
    pub fn point(&self) -> (String, String) {
        let point = self.0.public_key().as_ref();
        (text(&point[1..33]), text(&point[33..]))
    }

    /// A token that holds this.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "ES256", "kid": "key"}), claims)
    }

    /// The same under another header.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", text(signature))
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}
