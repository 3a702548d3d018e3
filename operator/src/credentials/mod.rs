//! Producers' tokens, out of the Secrets that streams name: read again and again, held as digests.
//! Nothing else of users' Secrets is ever read, and no token is kept, logged or told.
//!
//! | module | holds |
//! |---|---|
//! | `secret` | a Secret as the digests of its tokens, or what is wrong with it |
//! | `published` | what a published configuration asks of producers |
//! | `keep` | when Secrets are read |

mod keep;
mod published;
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;
use sluice_wire::auth::Token;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::names::Name;

pub(crate) use published::{Asked, AskedBy};
pub use secret::{TYPE, read};

/// Secrets to be read, by namespace and name, with the names of the streams of that namespace whose tokens they hold.
pub type Wanted = BTreeMap<Name, BTreeSet<String>>;

/// What was read, by the Secrets' namespaces and names.
pub type Credentials = BTreeMap<Name, Arc<Reading>>;

/// What a Secret was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It holds tokens.
    Tokens {
        /// By stream.
        streams: BTreeMap<String, Vec<Held>>,
        /// What is wrong with a value that is not taken; empty where all are.
        fault: String,
    },
    /// There is none of that name.
    Missing,
    /// It is of no use: why.
    Unfit(String),
    /// It may not be read, as the API server says.
    Forbidden(String),
}

/// A token that is held as its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// As the configuration has it.
    pub token: Token,
    /// Since when it is this token, in milliseconds since 1970; absent: since before anybody looked.
    pub since_ms: Option<u64>,
}

impl Reading {
    /// The tokens of a stream.
    #[must_use]
    pub fn tokens(&self, stream: &str) -> &[Held] {
        match self {
            Self::Tokens { streams, .. } => streams.get(stream).map(Vec::as_slice).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Reads what is wanted until `stop`; gives what was read, and the task.
pub fn start(
    client: Client,
    wanted: watch::Receiver<Wanted>,
    stop: CancellationToken,
) -> (watch::Receiver<Credentials>, impl Future<Output = ()>) {
    let (sender, read) = watch::channel(Credentials::new());
    let get = move |(namespace, name): Name| {
        let client = client.clone();
        async move { keep::get(client, &namespace, &name).await }
    };
    (read, keep::Keeper::new(get, wanted, sender).run(stop))
}
