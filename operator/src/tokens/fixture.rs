//! Tokens of a pod, for tests: signed here with a key that is made here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sluice_identity::{Keys, Verifier};

use super::AUDIENCE;

/// When tokens of these tests are looked at, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

/// Signs in the API server's place.
pub(crate) struct Signer(EcdsaKeyPair);

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap())
    }

    /// What the API server would publish.
    pub(crate) fn jwks(&self) -> String {
        let point = self.0.public_key().as_ref();
        let (x, y) = (text(&point[1..33]), text(&point[33..]));
        json!({"keys": [{"kty": "EC", "kid": "key", "crv": "P-256", "alg": "ES256", "x": x, "y": y}]})
            .to_string()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(AUDIENCE, None, Keys::from_jwks(self.jwks().as_bytes()).unwrap())
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_of("key", claims)
    }

    /// A token that names another key.
    pub(crate) fn token_of(&self, key: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": key}).to_string();
        let signed = format!("{}.{}", text(header), text(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", text(signature))
    }
}

/// What the token of a proxy holds, for an hour from [`NOW`] on.
pub(crate) fn claims() -> Value {
    json!({
        "aud": [AUDIENCE],
        "exp": NOW + 3_600,
        "nbf": NOW,
        "iss": "https://kubernetes.default.svc",
        "kubernetes.io": {
            "namespace": "shop",
            "pod": {"name": "sluice-orders-1", "uid": "pod-uid"},
            "serviceaccount": {"name": "sluice-orders", "uid": "account-uid"}
        },
        "sub": "system:serviceaccount:shop:sluice-orders"
    })
}
