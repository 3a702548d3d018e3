//! The checks of a token in their order: its form, its key, its signature, and only then what it says.
//! It is pure: the time is passed in, and nothing is remembered from one token to the next.

use crate::claims::Claims;
use crate::keys::Keys;
use crate::token::{MAX_TOKEN, Token};
use crate::{PodIdentity, ServiceAccount};

/// How far clocks may be apart, in seconds.
pub const LEEWAY: u64 = 10;

/// Why a token is not accepted. It says nothing of what the token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    /// It is longer than any that Kubernetes makes.
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// It is no token of a service account.
    #[error("this is no service account's token")]
    Malformed,
    /// It is signed by what Kubernetes does not sign with, or by what its key is not for.
    #[error("the token is not signed by RS256 or ES256 as its key is")]
    Algorithm,
    /// Its key is none of the API server's, or not known yet.
    #[error("the token's key is not one of the API server's")]
    UnknownKey,
    /// Its signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// Another cluster issued it.
    #[error("the token is issued by somebody else")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token does not hold yet")]
    NotYet,
    /// It is bound to no pod.
    #[error("the token is bound to no pod")]
    NoPod,
    /// It holds for longer than is taken: it can't be taken back before.
    #[error("the token holds for too long")]
    LongLived,
}

impl Refused {
    /// Its name, as a metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::NoPod => "no_pod",
            Self::LongLived => "long_lived",
        }
    }
}

/// A token that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The pod it is bound to.
    pub pod: PodIdentity,
    /// When it is accepted no more, in seconds since 1970.
    pub until: u64,
}

/// A token of a service account that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccount {
    /// Whose it is.
    pub account: ServiceAccount,
    /// When it is accepted no more, in seconds since 1970.
    pub until: u64,
}

/// Verifies tokens for one audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    audience: String,
    issuer: Option<String>,
    keys: Keys,
}

impl Verifier {
    /// Accepts tokens for `audience` that one of `keys` signed; if `issuer` is known, those alone that it issued.
    #[must_use]
    pub fn new(audience: &str, issuer: Option<String>, keys: Keys) -> Self {
        Self { audience: audience.to_owned(), issuer, keys }
    }

    /// The same for another audience.
    #[must_use]
    pub fn for_audience(&self, audience: &str) -> Self {
        Self { audience: audience.to_owned(), ..self.clone() }
    }

    /// What it verifies with: the issuer, where that is known, and the keys.
    #[must_use]
    pub const fn parts(&self) -> (Option<&String>, &Keys) {
        (self.issuer.as_ref(), &self.keys)
    }

    /// The pod that a token is bound to, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// The first check that fails, see [`Refused`].
    pub fn verify(&self, token: &str, now: u64) -> Result<Verified, Refused> {
        let (claims, until) = self.claims(token, now)?;
        Ok(Verified { pod: claims.pod()?, until })
    }

    /// The service account whose token it is, at `now` in seconds since 1970, if it was issued for no longer than
    /// `longest` seconds.
    ///
    /// # Errors
    /// The first check that fails, see [`Refused`].
    pub fn account(&self, token: &str, longest: u64, now: u64) -> Result<VerifiedAccount, Refused> {
        let (claims, until) = self.claims(token, now)?;
        if claims.lifetime() > longest {
            return Err(Refused::LongLived);
        }
        Ok(VerifiedAccount { account: claims.account()?, until })
    }

    /// What a good token says, and when it is accepted no more.
    fn claims(&self, token: &str, now: u64) -> Result<(Claims, u64), Refused> {
        let token = Token::read(token)?;
        let key = token.key.as_deref().and_then(|id| self.keys.find(id)).ok_or(Refused::UnknownKey)?;
        if key.algorithm() != token.algorithm {
            return Err(Refused::Algorithm);
        }
        if !key.signed(token.signed.as_bytes(), &token.signature) {
            return Err(Refused::Signature);
        }
        let claims = Claims::read(&token.claims)?;
        if self.issuer.as_ref().is_some_and(|issuer| issuer != claims.issuer()) {
            return Err(Refused::Issuer);
        }
        if !claims.is_for(&self.audience) {
            return Err(Refused::Audience);
        }
        let (from, until) = claims.span();
        if now.saturating_add(LEEWAY) < from {
            return Err(Refused::NotYet);
        }
        let until = until.saturating_add(LEEWAY);
        if now >= until {
            return Err(Refused::Expired);
        }
        Ok((claims, until))
    }
}
