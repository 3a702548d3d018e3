//! What producers have to show: which Secrets are to be read for it, and what was read, put into the fleets' streams.
//! What is not read yet stays as it is published, so that no stream loses its tokens when an operator starts; a stream that
//! is not published lets nobody in until then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use sluice_wire::auth::{Auth, TokenKeys};

use super::Round;
use crate::ObjectRef;
use crate::credentials::{Credentials, Reading, Wanted};
use crate::registry::http::{Configuration, Configurations};
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

/// What of a published configuration is held on to.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Former {
    listeners: FormerListeners,
    streams: Vec<FormerStream>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FormerListeners {
    token_keys: Option<TokenKeys>,
}

#[derive(Deserialize)]
struct FormerStream {
    namespace: String,
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    auth: Auth,
}

impl Former {
    fn read(configuration: &Configuration) -> Self {
        serde_json::from_slice(&configuration.json).unwrap_or_default()
    }

    /// The tokens of a stream, if it asked for tokens.
    fn tokens(&self, of: &ResolvedStream) -> Option<&Auth> {
        let same = |stream: &&FormerStream| {
            (&stream.namespace, &stream.name, &stream.uid) == (&of.namespace, &of.name, &of.uid)
        };
        let stream = self.streams.iter().find(same)?;
        Some(&stream.auth).filter(|auth| matches!(auth, Auth::Tokens(_)))
    }
}

/// Puts into the streams of every fleet what their producers have to show.
pub(super) fn fill(round: &mut Round<'_>, given: &Given) {
    let mut proofs = Proofs::default();
    for fleet in &mut round.resolution.fleets {
        let key = fleet.key();
        let mut unread = Vec::new();
        for (at, stream) in fleet.streams.iter_mut().enumerate() {
            let Some(trouble) = one(stream, given, &mut proofs.wanted) else { continue };
            if trouble == Trouble::Unread {
                unread.push(at);
            }
            proofs.of.insert(stream.reference(), proof(stream, trouble, given));
        }
        let asks = fleet.streams.iter().any(|stream| matches!(stream.auth, Auth::ServiceAccounts(_)));
        fleet.token_keys = given.keys.clone().filter(|_| asks);
        if unread.is_empty() && (!asks || given.keys.is_some()) {
            continue;
        }
        let Some(published) = &given.published else {
            proofs.waiting.insert(key);
            continue;
        };
        let former = published.of(&key).map(|configuration| Former::read(&configuration)).unwrap_or_default();
        if asks && given.keys.is_none() {
            fleet.token_keys.clone_from(&former.listeners.token_keys);
        }
        for at in unread {
            let Some(stream) = fleet.streams.get_mut(at) else { continue };
            if let Some(tokens) = former.tokens(stream) {
                stream.auth = tokens.clone();
            }
        }
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
