//! How producers prove who they are: what a node knows of their tokens and of the service accounts that may report.
//! No token is in it, only digests, each made for one stream, so that what leaks from one opens no other.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most tokens that hold for a stream at once.
pub const MAX_TOKENS: usize = 256;

/// The longest token, in bytes: a longer one is none, and is not looked at.
pub const MAX_TOKEN_LENGTH: usize = 1_024;

/// The most service accounts a stream may list.
pub const MAX_ACCOUNTS: usize = 64;

/// Whom producers' service account tokens have to be meant for.
pub const AUDIENCE: &str = "sluice";

/// The longest that a producer's service account token may hold, in seconds: it can't be taken back before.
pub const MAX_LIFETIME: u64 = 2 * 60 * 60;

/// What a producer has to show, written as the one key of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// One of these tokens, at most [`MAX_TOKENS`]. Without any, nobody may report.
    Tokens(Vec<Token>),
    /// The token of one of these service accounts, at most [`MAX_ACCOUNTS`].
    ServiceAccounts(Vec<Account>),
}

impl Auth {
    /// Whether nothing has to be shown.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// A token that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// What it is called: its key in the Secret, and InLong's `secretId`.
    pub id: String,
    /// Of the stream's namespace, `/`, its name, a zero byte and the token.
    pub sha256: Digest,
}

/// A service account that may report, or all of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name; absent: all of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What service account tokens are verified with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenKeys {
    /// What the API server calls itself in them; absent: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Its public keys, as a JSON Web Key Set (RFC 7517).
    pub jwks: Value,
}

/// SHA-256, written as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        let mut text = Self::with_capacity(64);
        let _ = write!(text, "{digest}");
        text
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        const WRONG: &str = "a SHA-256 has 64 hexadecimal digits";
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut digest = [0; 32];
        // A sign would be read as part of a number.
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if pairs.len() != digest.len() || !rest.is_empty() || !digits {
            return Err(WRONG);
        }
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).map_err(|_| WRONG)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| WRONG)?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_the_one_key_of_an_object() {
        let sha256 = Digest([0xab; 32]);
        let tokens = Auth::Tokens(vec![Token { id: "a".to_owned(), sha256 }]);
        let text = format!(r#"{{"tokens":[{{"id":"a","sha256":"{}"}}]}}"#, "ab".repeat(32));
        assert_eq!(serde_json::to_string(&tokens).unwrap(), text);
        assert_eq!(serde_json::from_str::<Auth>(&text).unwrap(), tokens);
        let accounts = r#"{"serviceAccounts":[{"namespace":"shop","name":"a"},{"namespace":"pay"}]}"#;
        let read: Auth = serde_json::from_str(accounts).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), accounts);
    }

    #[test]
    fn what_this_version_does_not_know_is_refused_and_never_taken_for_open() {
        assert!(serde_json::from_str::<Auth>(r#"{"oidc":{}}"#).is_err());
        assert!(serde_json::from_str::<Auth>("{}").is_err());
    }

    #[test]
    fn a_digest_has_sixty_four_digits() {
        for odd in ["", "ab", &"ab".repeat(33), &"a".repeat(63), &"+a".repeat(32), &"é".repeat(32)] {
            assert!(Digest::try_from((*odd).to_owned()).is_err(), "{odd}");
        }
        let text = "0123456789abcdef".repeat(4);
        assert_eq!(Digest::try_from(text.clone()).unwrap().to_string(), text);
    }
}
