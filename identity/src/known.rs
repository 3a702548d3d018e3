//! Tokens that were verified before, so that a request costs no signature check each time.
//! It holds digests, never tokens, and forgets all of them when the keys are others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sha256::sha256;
use crate::{Refused, Verifier};

/// SHA-256 of a token.
type TokenDigest = [u8; 32];

/// How many are remembered: those of the younger half, and as many before them.
const HALF: usize = 10_000;

/// Who somebody is, and until when the token holds, in seconds since 1970.
type Entry<I> = (Arc<I>, u64);

/// Who tokens are of, each verified once.
#[derive(Debug)]
pub struct Remembered<I>(Mutex<Known<I>>);

impl<I> Default for Remembered<I> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<I> Remembered<I> {
    /// Whose `token` it is, at `now` in seconds since 1970, by `verifier`; `verify` says it, and until when it holds, of
    /// one that is not remembered.
    ///
    /// # Errors
    /// What `verify` says.
    pub fn of(
        &self,
        verifier: &Arc<Verifier>,
        token: &str,
        now: u64,
        verify: impl FnOnce() -> Result<(I, u64), Refused>,
    ) -> Result<Arc<I>, Refused> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = sha256(&[token.as_bytes()]);
        if let Some(who) = known().find(verifier, &digest, now) {
            return Ok(who);
        }
        let (who, until) = verify()?;
        Ok(known().note(verifier, digest, who, until))
    }
}

/// Who tokens are of, as is remembered. Who was seen lately stays: when the young are as many as there may be, the old
/// are forgotten and the young become the old.
#[derive(Debug)]
struct Known<I> {
    /// That verified them.
    by: Option<Arc<Verifier>>,
    young: HashMap<TokenDigest, Entry<I>>,
    old: HashMap<TokenDigest, Entry<I>>,
}

impl<I> Default for Known<I> {
    fn default() -> Self {
        Self { by: None, young: HashMap::new(), old: HashMap::new() }
    }
}

impl<I> Known<I> {
    /// Whose token it is that `verifier` verified and that holds still.
    fn find(&mut self, verifier: &Arc<Verifier>, token: &TokenDigest, now: u64) -> Option<Arc<I>> {
        if !self.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, verifier)) {
            *self = Self { by: Some(Arc::clone(verifier)), ..Self::default() };
        }
        let young = self.young.get(token);
        let (who, until) =
            young.or_else(|| self.old.get(token)).map(|(who, until)| (Arc::clone(who), *until))?;
        if now >= until {
            return None;
        }
        if young.is_none() {
            self.put(*token, (Arc::clone(&who), until));
        }
        Some(who)
    }

    /// Remembers a token that `verifier` verified, until it holds no more; one that was asked for since is not mixed up
    /// with it.
    fn note(&mut self, verifier: &Arc<Verifier>, token: TokenDigest, who: I, until: u64) -> Arc<I> {
        let who = Arc::new(who);
        if self.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, verifier)) {
            self.put(token, (Arc::clone(&who), until));
        }
        who
    }

    fn put(&mut self, token: TokenDigest, entry: Entry<I>) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keys;

    fn digest(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    fn verifier() -> Arc<Verifier> {
        let key = r#"{"keys": [{"kty": "EC", "kid": "k", "crv": "P-256",
            "x": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "y": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#;
        Arc::new(Verifier::new("a", None, Keys::from_jwks(key.as_bytes()).unwrap()))
    }

    #[test]
    fn a_token_is_known_until_it_ends_and_by_the_verifier_that_verified_it() {
        let (one, other, mut known) = (verifier(), verifier(), Known::default());
        assert_eq!(known.find(&one, &digest(1), 5), None);
        known.note(&one, digest(1), "a", 10);
        assert_eq!(*known.find(&one, &digest(1), 9).unwrap(), "a");
        assert_eq!(known.find(&one, &digest(1), 10), None, "it has ended");
        assert_eq!(known.find(&one, &digest(2), 9), None);
        assert_eq!(known.find(&other, &digest(1), 9), None, "the keys are others");
        known.note(&one, digest(1), "a", 10);
        assert_eq!(known.find(&other, &digest(1), 9), None, "verified with keys that hold no more");
        assert_eq!(known.find(&one, &digest(1), 9), None);
    }

    #[test]
    fn no_more_than_twenty_thousand_are_remembered_and_who_was_seen_lately_stays() {
        let (by, mut known) = (verifier(), Known::default());
        known.find(&by, &digest(0), 1);
        for number in 0..50_000 {
            known.note(&by, digest(number), "a", 10);
            assert!(known.find(&by, &digest(0), 1).is_some(), "{number}");
            assert!(known.young.len() + known.old.len() <= 2 * HALF);
        }
        assert!(known.find(&by, &digest(1), 1).is_none());
        assert!(known.find(&by, &digest(49_999), 1).is_some());
    }
}
