//! Whether producers can prove who they are: what a stream asks for, whether it is there, and whether every node has it.
//! It sees marks and names of tokens, never a token.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sluice_crds::DataStream;
use sluice_crds::auth::{AuthStatus, AuthType, TokenStatus};

use super::condition::{self, Told};
use super::nodes;
use super::reason::{AuthReady, Reason as _};
use super::stream::Served;

/// What a stream asks of its producers, and what there is for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What nodes call it that have it.
    pub mark: String,
    /// Names of tokens, each with since when it is this token, in milliseconds since 1970, if that was seen.
    pub tokens: BTreeMap<String, Option<u64>>,
    /// The Secret with them; absent: it asks for service accounts.
    pub secret: Option<String>,
    /// What is amiss.
    pub trouble: Trouble,
}

/// What is amiss with what a stream asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The Secret was not read yet.
    Unread,
    /// There is no such Secret.
    Missing,
    /// It can't be used: why.
    Unfit(String),
    /// A token of it can't be used, the others are: why.
    Partly(String),
    /// It may not be read, as the API server says.
    Forbidden(String),
    /// The keys of service accounts' tokens are not known.
    NoKeys,
}

/// The condition; `proof` is absent where a stream asks for nothing.
pub(super) fn ready(stream: &DataStream, served: &Served<'_>, proof: Option<&Proof>) -> Told {
    let Some(proof) = proof else {
        let asks = stream.spec.auth.as_ref().is_some_and(|auth| auth.kind != AuthType::None);
        let words = if asks {
            "spec.auth does not apply to a sidecar, which is reached from its own pod alone"
        } else {
            "spec.auth asks producers for nothing"
        };
        return Told::new(AuthReady::NotRequired, words);
    };
    // An operator that has just begun to lead has read nothing yet; what is published stays meanwhile.
    if matches!(proof.trouble, Trouble::Unread | Trouble::NoKeys) || served.nodes.is_partial() {
        let before = condition::find(served.before, AuthReady::CONDITION);
        let held = before.filter(|before| before.observed_generation == Some(served.generation));
        if let Some(held) = held.filter(|held| held.status == "True") {
            return Told::again::<AuthReady>(held);
        }
    }
    if let Some((reason, message)) = amiss(proof) {
        return Told::new(reason, message);
    }
    if served.nodes.count == 0 {
        let message = format!("no node of ProxyFleet {} is ready", served.fleet_name());
        return Told::new(AuthReady::NoNodes, message);
    }
    let without = lacking(served, proof);
    if without > 0 {
        let share = nodes::share(served.nodes.count - without, served.nodes.count);
        let message =
            format!("what spec.auth asks for is known to {share} as yet; others go by what they had");
        return Told::new(AuthReady::Pending, message);
    }
    let message = match &proof.secret {
        Some(secret) => {
            format!("every ready node takes the {} of Secret {secret}", tokens(proof.tokens.len()))
        }
        None => "every ready node takes the tokens of spec.auth.serviceAccounts".to_owned(),
    };
    Told::new(AuthReady::Ready, message)
}

fn tokens(count: usize) -> String {
    if count == 1 { "1 token".to_owned() } else { format!("{count} tokens") }
}

/// What a person has to mend.
fn amiss(proof: &Proof) -> Option<(AuthReady, String)> {
    let secret = proof.secret.as_deref().unwrap_or_default();
    Some(match &proof.trouble {
        Trouble::None => return None,
        Trouble::Unread => (AuthReady::Pending, format!("Secret {secret} is being read")),
        Trouble::Missing => (
            AuthReady::TokensMissing,
            format!("there is no Secret {secret} in the stream's namespace, so nobody can report; make it"),
        ),
        Trouble::Unfit(why) => {
            (AuthReady::TokensUnfit, format!("Secret {secret} can't be used, so nobody can report: {why}"))
        }
        Trouble::Partly(why) => {
            (AuthReady::TokensUnfit, format!("Secret {secret}: {why}; its other tokens hold"))
        }
        Trouble::Forbidden(why) => {
            (AuthReady::TokensForbidden, format!("the operator may not read Secret {secret}: {why}"))
        }
        Trouble::NoKeys => (
            AuthReady::Pending,
            "the API server's keys for service accounts' tokens are being read".to_owned(),
        ),
    })
}

/// How many ready nodes don't have what is asked for, or have not said so.
fn lacking(served: &Served<'_>, proof: &Proof) -> usize {
    let has = |stream: Option<&sluice_wire::status::StreamStatus>| {
        stream.is_some_and(|stream| stream.auth.as_deref() == Some(proof.mark.as_str()))
    };
    let told = served.nodes.stream(served.decision, served.uid);
    served.nodes.count - told.into_iter().filter(|(_, stream)| has(*stream)).count()
}

/// The tokens that every ready node takes: `before` until all have what is asked for now, but for those that are
/// other tokens by now.
pub(super) fn status(
    served: &Served<'_>,
    proof: Option<&Proof>,
    before: Option<&AuthStatus>,
    now: &Time,
) -> Option<AuthStatus> {
    let proof = proof.filter(|proof| proof.secret.is_some())?;
    let known = before.map(|before| before.tokens.as_slice()).unwrap_or_default();
    let changed = |token: &TokenStatus| {
        let since = proof.tokens.get(&token.id).copied().flatten();
        since.is_some_and(|since| token.since.0 < time(since))
    };
    let held = known.iter().filter(|token| !changed(token));
    if served.nodes.count == 0 || lacking(served, proof) > 0 {
        return Some(AuthStatus { tokens: held.cloned().collect() });
    }
    let one = |id: &String| {
        let same = known.iter().find(|token| token.id == *id && !changed(token));
        same.cloned().unwrap_or_else(|| TokenStatus { id: id.clone(), since: now.clone() })
    };
    Some(AuthStatus { tokens: proof.tokens.keys().map(one).collect() })
}

/// To the second, as Kubernetes writes times.
fn time(ms: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(ms / 1_000).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
}
