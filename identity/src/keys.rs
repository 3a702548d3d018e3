//! The API server's public keys, out of its JSON Web Key Set (RFC 7517).
//! It verifies signatures and nothing else; a key of another kind is left out, not guessed at.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest key set that is read, in bytes.
const MAX_SET: usize = 256 << 10;
/// How many keys a set may have.
const MAX_KEYS: usize = 64;
/// Bytes of an RSA modulus: 2,048 to 8,192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1_024;
/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;

/// What a signature is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// The algorithm of that name, if it is one that Kubernetes signs with.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// Why a key set is not used.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// It is longer than any that an API server has.
    #[error("the key set is longer than {MAX_SET} bytes")]
    TooLong,
    /// It is no key set.
    #[error("this is no JSON Web Key Set: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It has more keys than any API server has.
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooMany,
    /// It has no key that tokens are signed with.
    #[error("the key set has no key for RS256 or ES256")]
    Empty,
}

/// Public keys by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    id: String,
    public: Public,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Written>,
}

/// A key as it is written; only what is needed of it.
#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a key set, as `/openid/v1/jwks` answers it. Keys of other kinds, or without an id, are left out.
    ///
    /// # Errors
    /// [`BadKeys`], if no token could be verified with it.
    pub fn from_jwks(json: &[u8]) -> Result<Self, BadKeys> {
        if json.len() > MAX_SET {
            return Err(BadKeys::TooLong);
        }
        let set: Set = serde_json::from_slice(json)?;
        if set.keys.len() > MAX_KEYS {
            return Err(BadKeys::TooMany);
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::read).collect();
        if keys.is_empty() { Err(BadKeys::Empty) } else { Ok(Self(keys)) }
    }

    /// The keys that are used, as a key set.
    #[must_use]
    pub fn to_jwks(&self) -> Value {
        json!({"keys": self.0.iter().map(Key::written).collect::<Vec<_>>()})
    }

    /// The key of that id.
    pub(crate) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn read(written: Written) -> Option<Self> {
        if written.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let public = match written.kty.as_str() {
            "RSA" => Public::rsa(&written.n?, &written.e?),
            "EC" if written.crv.as_deref() == Some("P-256") => Public::p256(&written.x?, &written.y?),
            _ => None,
        }?;
        let fits = written.alg.is_none_or(|alg| Algorithm::from_name(&alg) == Some(public.algorithm()));
        Some(Self { id: written.kid.filter(|id| !id.is_empty() && fits)?, public })
    }

    fn written(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.public {
            Public::Rsa { modulus, exponent } => {
                json!({"kty": "RSA", "kid": self.id, "n": text(modulus), "e": text(exponent)})
            }
            Public::P256(point) => {
                // A byte that says how it is written, and two coordinates.
                let (x, y) = point.get(1..).unwrap_or_default().split_at(COORDINATE);
                json!({"kty": "EC", "kid": self.id, "crv": "P-256", "x": text(x), "y": text(y)})
            }
        }
    }

    /// What this key's signatures are made with.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// Whether `signature` is this key's of `message`.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
        }
    }
}

impl Public {
    fn rsa(modulus: &str, exponent: &str) -> Option<Self> {
        let (modulus, exponent) = (number(modulus)?, number(exponent)?);
        MODULUS.contains(&modulus.len()).then_some(Self::Rsa { modulus, exponent })
    }

    fn p256(x: &str, y: &str) -> Option<Self> {
        let (x, y) = (decode(x)?, decode(y)?);
        let whole = x.len() == COORDINATE && y.len() == COORDINATE;
        whole.then(|| Self::P256([&[4], x.as_slice(), &y].concat()))
    }

    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A positive number, without zeros in front.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let begin = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(begin..).map(<[u8]>::to_vec)
}
