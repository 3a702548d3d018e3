//! What a stream wants to be shown, and whether a request shows it.
//! Whatever is not surely right is refused, and a refusal says nothing of what was shown.

use std::collections::HashMap;

use sluice_wire::auth::{Account, Auth, Digest, MAX_TOKEN_LENGTH};

use crate::sha256::sha256;
use crate::{Credential, Refused, ServiceAccount};

/// Why a stream takes nothing of whoever sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Denied {
    /// There is no Authorization header.
    #[error("a credential is wanted: send it as Authorization: Bearer")]
    Missing,
    /// The header has no form that is known, or not the one that is wanted.
    #[error("the Authorization header can't be read; send Bearer and a token")]
    Unreadable,
    /// It is none of the stream's tokens.
    #[error("this is none of the stream's tokens")]
    Token,
    /// A service account's token is not accepted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Tokens can't be verified yet.
    #[error("tokens can't be verified yet; try again soon")]
    NoKeys,
    /// The token is good, and its service account may not report.
    #[error("the stream takes no reports from this service account")]
    Account,
}

impl Denied {
    /// All names.
    pub const REASONS: [&'static str; 16] = [
        "missing",
        "unreadable",
        "token",
        "no_keys",
        "account",
        "too_long",
        "malformed",
        "algorithm",
        "unknown_key",
        "signature",
        "issuer",
        "audience",
        "expired",
        "not_yet",
        "no_pod",
        "long_lived",
    ];

    /// Its name, as a metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Token => "token",
            Self::Refused(refused) => refused.name(),
            Self::NoKeys => "no_keys",
            Self::Account => "account",
        }
    }
}

/// What a stream wants to be shown.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Nothing.
    Open,
    /// One of these tokens, by their digests, each with the names it has.
    Tokens {
        /// The stream that they are of, as `<namespace>/<name>`.
        stream: String,
        /// Names by digest.
        tokens: HashMap<Digest, Vec<String>>,
    },
    /// The token of one of these service accounts.
    Accounts(Vec<Account>),
}

impl Guard {
    /// The guard of the stream `name` in `namespace`.
    #[must_use]
    pub fn new(auth: &Auth, namespace: &str, name: &str) -> Self {
        match auth {
            Auth::None => Self::Open,
            Auth::Tokens(list) => {
                let mut tokens: HashMap<Digest, Vec<String>> = HashMap::new();
                for token in list {
                    tokens.entry(token.sha256).or_default().push(token.id.clone());
                }
                Self::Tokens { stream: format!("{namespace}/{name}"), tokens }
            }
            Auth::ServiceAccounts(accounts) => Self::Accounts(accounts.clone()),
        }
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether what is shown is what is wanted; `account` says whose a service account's token is.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check<A>(
        &self,
        shown: &Credential<'_>,
        account: impl FnOnce(&str) -> Result<A, Denied>,
    ) -> Result<(), Denied>
    where
        A: AsRef<ServiceAccount>,
    {
        match (self, shown) {
            (Self::Open, _) => Ok(()),
            (_, Credential::None) => Err(Denied::Missing),
            (_, Credential::Unreadable) | (Self::Accounts(_), Credential::Basic { .. }) => {
                Err(Denied::Unreadable)
            }
            (Self::Tokens { .. }, Credential::Bearer(secret)) if secret.len() > MAX_TOKEN_LENGTH => {
                Err(Denied::Token)
            }
            (Self::Tokens { .. }, Credential::Basic { secret, .. }) if secret.len() > MAX_TOKEN_LENGTH => {
                Err(Denied::Token)
            }
            (Self::Tokens { stream, tokens }, Credential::Bearer(token)) => {
                let known = tokens.contains_key(&digest(stream, token));
                if known { Ok(()) } else { Err(Denied::Token) }
            }
            (Self::Tokens { stream, tokens }, Credential::Basic { id, secret }) => {
                let names = tokens.get(&digest(stream, secret));
                if names.is_some_and(|names| names.contains(id)) { Ok(()) } else { Err(Denied::Token) }
            }
            (Self::Accounts(accounts), Credential::Bearer(token)) => {
                let account = account(token)?;
                let allowed = accounts.iter().any(|allowed| is_of(account.as_ref(), allowed));
                if allowed { Ok(()) } else { Err(Denied::Account) }
            }
        }
    }
}

fn is_of(account: &ServiceAccount, allowed: &Account) -> bool {
    account.namespace == allowed.namespace && allowed.name.as_ref().is_none_or(|name| *name == account.name)
}

/// What nodes and operators call what a stream wants to be shown: the same for the same, and another for anything else.
#[must_use]
pub fn mark(auth: &Auth) -> String {
    let text = serde_json::to_vec(auth).unwrap_or_default();
    sha256(&[&text]).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a token of the stream `<namespace>/<name>`. No name has a zero byte in it.
#[must_use]
pub fn digest(stream: &str, token: &str) -> Digest {
    Digest(sha256(&[stream.as_bytes(), &[0], token.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_wire::auth::Token;

    use super::*;

    fn nobody(_: &str) -> Result<Arc<ServiceAccount>, Denied> {
        Err(Denied::NoKeys)
    }

    fn token(id: &str, secret: &str) -> Token {
        Token { id: id.to_owned(), sha256: digest("shop/orders", secret) }
    }

    fn basic(id: &str, secret: &str) -> Credential<'static> {
        Credential::Basic { id: id.to_owned(), secret: secret.to_owned() }
    }

    #[test]
    fn an_open_stream_wants_nothing_and_minds_nothing() {
        let guard = Guard::new(&Auth::None, "shop", "orders");
        for shown in [Credential::None, Credential::Unreadable, Credential::Bearer("x"), basic("a", "b")] {
            assert_eq!(guard.check(&shown, nobody), Ok(()));
        }
    }

    #[test]
    fn any_of_a_streams_tokens_opens_it_and_a_pair_must_belong_together() {
        let auth = Auth::Tokens(vec![token("a", "first"), token("b", "second"), token("c", "second")]);
        let guard = Guard::new(&auth, "shop", "orders");
        let check = |shown: Credential<'_>| guard.check(&shown, nobody);
        for secret in ["first", "second"] {
            assert_eq!(check(Credential::Bearer(secret)), Ok(()));
        }
        for (id, secret) in [("a", "first"), ("b", "second"), ("c", "second")] {
            assert_eq!(check(basic(id, secret)), Ok(()));
        }
        for shown in [Credential::Bearer("third"), basic("b", "first"), basic("", "first"), basic("a", "")] {
            assert_eq!(check(shown), Err(Denied::Token));
        }
        assert_eq!(check(Credential::None), Err(Denied::Missing));
        assert_eq!(check(Credential::Unreadable), Err(Denied::Unreadable));
    }

    #[test]
    fn a_token_of_one_stream_opens_no_other() {
        let auth = Auth::Tokens(vec![token("a", "first")]);
        for (namespace, name) in [("shop", "bills"), ("shopp", "orders"), ("sho", "p/orders")] {
            let guard = Guard::new(&auth, namespace, name);
            let opened = guard.check(&Credential::Bearer("first"), nobody);
            assert_eq!(opened.is_ok(), format!("{namespace}/{name}") == "shop/orders");
        }
    }

    #[test]
    fn without_any_token_nobody_may_report() {
        let guard = Guard::new(&Auth::Tokens(Vec::new()), "shop", "orders");
        assert_eq!(guard.check(&Credential::Bearer(""), nobody), Err(Denied::Token));
    }

    #[test]
    fn a_service_account_is_allowed_by_name_or_by_namespace() {
        let account = |namespace: &str, name: Option<&str>| Account {
            namespace: namespace.to_owned(),
            name: name.map(str::to_owned),
        };
        let auth = Auth::ServiceAccounts(vec![account("shop", Some("orders")), account("pay", None)]);
        let guard = Guard::new(&auth, "shop", "orders");
        let check = |namespace: &str, name: &str| {
            let of = ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() };
            guard.check(&Credential::Bearer("x"), |_| Ok(Arc::new(of)))
        };
        for (namespace, name) in [("shop", "orders"), ("pay", "a"), ("pay", "b")] {
            assert_eq!(check(namespace, name), Ok(()), "{namespace}/{name}");
        }
        for (namespace, name) in [("shop", "other"), ("other", "orders"), ("payy", "a"), ("", "orders")] {
            assert_eq!(check(namespace, name), Err(Denied::Account), "{namespace}/{name}");
        }
        assert_eq!(guard.check(&basic("a", "b"), nobody), Err(Denied::Unreadable));
        assert_eq!(guard.check(&Credential::Bearer("x"), nobody), Err(Denied::NoKeys));
        assert_eq!(guard.check(&Credential::None, nobody), Err(Denied::Missing));
    }
}
