//! A token's parts: a JSON Web Signature in its compact form (RFC 7515), as bytes.
//! It believes nothing that a token says of itself, such as where its key is to be found.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::keys::{Algorithm, decode};
use crate::verifier::Refused;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 << 10;

/// A token taken apart; nothing of it is verified.
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: Option<String>,
    /// What the signature is of.
    pub(crate) signed: &'a str,
    pub(crate) claims: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Names what has to be understood of the header; there is nothing of the kind that is.
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(crate) fn read(text: &'a str) -> Result<Self, Refused> {
        if text.len() > MAX_TOKEN {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header = decode(header).ok_or(Refused::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Refused::Malformed)?;
        let algorithm = Algorithm::from_name(&header.alg).ok_or(Refused::Algorithm)?;
        if header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        Ok(Self {
            algorithm,
            key: header.kid,
            signed,
            claims: decode(claims).ok_or(Refused::Malformed)?,
            signature: decode(signature).ok_or(Refused::Malformed)?,
        })
    }
}
