//! What producers have to show: which Secrets are to be read for it, and what was read, put into the fleets' streams.
//! A fleet with a Secret that nobody could read yet waits, so that no stream loses its tokens when the operator starts.

use std::collections::{BTreeMap, BTreeSet};

use sluice_wire::auth::{Auth, TokenKeys};

use super::Round;
use crate::ObjectRef;
use crate::credentials::{Credentials, Reading, Wanted};
use crate::resolve::{FleetKey, ResolvedStream};
use crate::status::{Proof, Trouble};

/// What there is to put in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// What was read of Secrets.
    pub(crate) credentials: Credentials,
    /// The keys of service accounts' tokens; absent while they are not known.
    pub(crate) keys: Option<TokenKeys>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Which Secrets are to be read.
    pub(super) wanted: Wanted,
    /// Fleets that can't be published yet.
    pub(super) waiting: BTreeSet<FleetKey>,
    /// Of streams that ask for something.
    pub(super) of: BTreeMap<ObjectRef, Proof>,
}

/// Puts into the streams of every fleet what their producers have to show.
pub(super) fn fill(round: &mut Round<'_>, given: &Given) {
    let mut proofs = Proofs::default();
    for fleet in &mut round.resolution.fleets {
        let key = fleet.key();
        for stream in &mut fleet.streams {
            let Some(trouble) = one(stream, given, &mut proofs.wanted) else { continue };
            if trouble == Trouble::Unread {
                proofs.waiting.insert(key.clone());
            }
            proofs.of.insert(stream.reference(), proof(stream, trouble, given));
        }
        let asks = |stream: &ResolvedStream| matches!(stream.auth, Auth::ServiceAccounts(_));
        fleet.token_keys = given.keys.clone().filter(|_| fleet.streams.iter().any(asks));
    }
    round.proofs = proofs;
}

/// What is amiss with what a stream asks for; `None`: it asks for nothing.
fn one(stream: &mut ResolvedStream, given: &Given, wanted: &mut Wanted) -> Option<Trouble> {
    match (&mut stream.auth, &stream.tokens_secret) {
        (Auth::None, _) => None,
        (Auth::ServiceAccounts(_), _) => Some(given.keys.as_ref().map_or(Trouble::NoKeys, |_| Trouble::None)),
        (Auth::Tokens(tokens), secret) => {
            let name = (stream.namespace.clone(), secret.clone().unwrap_or_default());
            let reading = given.credentials.get(&name);
            let held = reading.map(|reading| reading.tokens(&stream.name)).unwrap_or_default();
            *tokens = held.iter().map(|held| held.token.clone()).collect();
            wanted.entry(name).or_default().insert(stream.name.clone());
            Some(match reading.map(AsRef::as_ref) {
                None => Trouble::Unread,
                Some(Reading::Missing) => Trouble::Missing,
                Some(Reading::Forbidden(why)) => Trouble::Forbidden(why.clone()),
                Some(Reading::Unfit(why)) => Trouble::Unfit(why.clone()),
                Some(Reading::Tokens { streams, .. }) if !streams.contains_key(&stream.name) => {
                    Trouble::Unread
                }
                Some(Reading::Tokens { fault, .. }) if fault.is_empty() => Trouble::None,
                Some(Reading::Tokens { fault, .. }) => Trouble::Partly(fault.clone()),
            })
        }
    }
}

fn proof(stream: &ResolvedStream, trouble: Trouble, given: &Given) -> Proof {
    let secret = stream.tokens_secret.clone();
    let reading = secret.as_ref().and_then(|secret| {
        given.credentials.get(&(stream.namespace.clone(), secret.clone())).map(AsRef::as_ref)
    });
    let held = reading.map(|reading| reading.tokens(&stream.name)).unwrap_or_default();
    Proof {
        mark: sluice_identity::mark(&stream.auth),
        tokens: held.iter().map(|held| (held.token.id.clone(), held.since_ms)).collect(),
        secret,
        trouble,
    }
}
