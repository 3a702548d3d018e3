//! What producers have to show: which Secrets are to be read for it, and what was read, put into the fleets' streams.
//! What is not read yet stays as it is published, so that no stream loses its tokens when an operator starts; a stream that
//! is not published lets nobody in until then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_wire::auth::{Auth, TokenKeys};

use super::Round;
use crate::ObjectRef;
use crate::credentials::{Asked, AskedBy, Credentials, Held, Reading, Wanted};
use crate::registry::http::Configurations;
use crate::resolve::{FleetKey, ResolvedStream};
use crate::status::{Proof, Trouble};

/// What there is to put in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// What was read of Secrets.
    pub(crate) credentials: Credentials,
    /// The keys of service accounts' tokens; absent while they are not known.
    pub(crate) keys: Option<TokenKeys>,
    /// What is published; absent while that is not known.
    pub(crate) published: Option<Arc<dyn Configurations>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Which Secrets are to be read.
    pub(super) wanted: Wanted,
    /// Fleets that can't be published yet: neither what was read nor what is published is known.
    pub(super) waiting: BTreeSet<FleetKey>,
    /// Of streams that ask for something.
    pub(super) of: BTreeMap<ObjectRef, Proof>,
}

/// The tokens of a stream as they are published, if it asked for tokens.
fn published<'a>(asked: &'a Asked, of: &ResolvedStream) -> Option<&'a Auth> {
    let same = |stream: &&AskedBy| {
        (&stream.namespace, &stream.name, &stream.uid) == (&of.namespace, &of.name, &of.uid)
    };
    let stream = asked.streams.iter().find(same)?;
    Some(&stream.auth).filter(|auth| matches!(auth, Auth::Tokens(_)))
}

/// Puts into the streams of every fleet what their producers have to show.
pub(super) fn fill(round: &mut Round<'_>, given: &Given) {
    let mut proofs = Proofs::default();
    for fleet in &mut round.resolution.fleets {
        let key = fleet.key();
        let mut unread = Vec::new();
        for (at, stream) in fleet.streams.iter_mut().enumerate() {
            let Some(proof) = one(stream, given, &mut proofs.wanted) else { continue };
            if proof.trouble == Trouble::Unread {
                unread.push(at);
            }
            proofs.of.insert(stream.reference(), proof);
        }
        let asks = fleet.streams.iter().any(|stream| matches!(stream.auth, Auth::ServiceAccounts(_)));
        fleet.token_keys = given.keys.as_ref().filter(|_| asks).cloned();
        if unread.is_empty() && (!asks || given.keys.is_some()) {
            continue;
        }
        let Some(published) = &given.published else {
            proofs.waiting.insert(key);
            continue;
        };
        let former = published.of(&key).map(|configuration| Asked::by(&configuration)).unwrap_or_default();
        if asks && given.keys.is_none() {
            fleet.token_keys = former.keys().cloned();
        }
        for at in unread {
            let Some(stream) = fleet.streams.get_mut(at) else { continue };
            if let Some(tokens) = self::published(&former, stream) {
                stream.auth = tokens.clone();
            }
        }
    }
    round.proofs = proofs;
}

/// Puts in what was read for a stream, and gives what it comes to; `None`: it asks for nothing.
fn one(stream: &mut ResolvedStream, given: &Given, wanted: &mut Wanted) -> Option<Proof> {
    let (trouble, held) = match (&stream.auth, &stream.tokens_secret) {
        (Auth::None, _) => return None,
        (Auth::ServiceAccounts(_), _) => {
            (given.keys.as_ref().map_or(Trouble::NoKeys, |_| Trouble::None), &[][..])
        }
        (Auth::Tokens(_), secret) => {
            let name = (stream.namespace.clone(), secret.clone().unwrap_or_default());
            let reading = given.credentials.get(&name).map(AsRef::as_ref);
            wanted.entry(name).or_default().insert(stream.name.clone());
            let held = reading.map(|reading| reading.tokens(&stream.name)).unwrap_or_default();
            stream.auth = Auth::Tokens(held.iter().map(|held| held.token.clone()).collect());
            (amiss(reading, &stream.name), held)
        }
    };
    let token = |held: &Held| (held.token.id.clone(), held.since_ms);
    Some(Proof {
        mark: sluice_identity::mark(&stream.auth),
        tokens: held.iter().map(token).collect(),
        secret: stream.tokens_secret.clone(),
        trouble,
    })
}

/// What is amiss with what was read for a stream.
fn amiss(reading: Option<&Reading>, stream: &str) -> Trouble {
    match reading {
        None => Trouble::Unread,
        Some(Reading::Missing) => Trouble::Missing,
        Some(Reading::Forbidden(why)) => Trouble::Forbidden(why.clone()),
        Some(Reading::Unfit(why)) => Trouble::Unfit(why.clone()),
        Some(Reading::Tokens { streams, .. }) if !streams.contains_key(stream) => Trouble::Unread,
        Some(Reading::Tokens { fault, .. }) if fault.is_empty() => Trouble::None,
        Some(Reading::Tokens { fault, .. }) => Trouble::Partly(fault.clone()),
    }
}
