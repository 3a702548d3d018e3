//! Tokens that were verified before, so that a poll costs no signature check each time.
//! It holds digests, never tokens, and forgets all of them when the keys are others.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_identity::{PodIdentity, Verified, Verifier};

/// SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// How many are remembered: those of the younger half, and as many before them.
const HALF: usize = 10_000;

/// A pod, and until when its token holds, in seconds since 1970.
type Entry = (Arc<PodIdentity>, u64);

/// What is remembered of tokens. Who was seen lately stays: when the young are as many as there may be, the old are
/// forgotten and the young become the old.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// That verified them.
    by: Option<Arc<Verifier>>,
    young: HashMap<Digest, Entry>,
    old: HashMap<Digest, Entry>,
}

impl Known {
    /// The pod of a token that `verifier` verified and that holds still.
    pub(super) fn find(
        &mut self,
        verifier: &Arc<Verifier>,
        token: &Digest,
        now: u64,
    ) -> Option<Arc<PodIdentity>> {
        if !self.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, verifier)) {
            *self = Self { by: Some(Arc::clone(verifier)), ..Self::default() };
        }
        let young = self.young.get(token);
        let (pod, until) =
            young.or_else(|| self.old.get(token)).map(|(pod, until)| (Arc::clone(pod), *until))?;
        if now >= until {
            return None;
        }
        if young.is_none() {
            self.put(*token, (Arc::clone(&pod), until));
        }
        Some(pod)
    }

    /// Remembers a token that `verifier` verified; one that was asked for since is not mixed up with it.
    pub(super) fn note(
        &mut self,
        verifier: &Arc<Verifier>,
        token: Digest,
        verified: Verified,
    ) -> Arc<PodIdentity> {
        let pod = Arc::new(verified.pod);
        if self.by.as_ref().is_some_and(|by| Arc::ptr_eq(by, verifier)) {
            self.put(token, (Arc::clone(&pod), verified.until));
        }
        pod
    }

    fn put(&mut self, token: Digest, entry: Entry) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::fixture;

    fn digest(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    fn verified(uid: &str, until: u64) -> Verified {
        let text = |text: &str| text.to_owned();
        let pod =
            PodIdentity { namespace: text("n"), service_account: text("s"), pod: text("p"), uid: text(uid) };
        Verified { pod, until }
    }

    fn verifier() -> Arc<Verifier> {
        Arc::new(fixture::Signer::new().verifier())
    }

    #[test]
    fn a_token_is_known_until_it_ends_and_by_the_verifier_that_verified_it() {
        let (one, other, mut known) = (verifier(), verifier(), Known::default());
        assert_eq!(known.find(&one, &digest(1), 5), None);
        known.note(&one, digest(1), verified("a", 10));
        assert_eq!(known.find(&one, &digest(1), 9).unwrap().uid, "a");
        assert_eq!(known.find(&one, &digest(1), 10), None, "it has ended");
        assert_eq!(known.find(&one, &digest(2), 9), None);
        assert_eq!(known.find(&other, &digest(1), 9), None, "the keys are others");
        known.note(&one, digest(1), verified("a", 10));
        assert_eq!(known.find(&other, &digest(1), 9), None, "verified with keys that hold no more");
        assert_eq!(known.find(&one, &digest(1), 9), None);
    }

    #[test]
    fn no_more_than_twenty_thousand_are_remembered_and_who_was_seen_lately_stays() {
        let (by, mut known) = (verifier(), Known::default());
        known.find(&by, &digest(0), 1);
        for number in 0..50_000 {
            known.note(&by, digest(number), verified("a", 10));
            assert!(known.find(&by, &digest(0), 1).is_some(), "{number}");
            assert!(known.young.len() + known.old.len() <= 2 * HALF);
        }
        assert!(known.find(&by, &digest(1), 1).is_none());
        assert!(known.find(&by, &digest(49_999), 1).is_some());
    }
}
