//! Between those who bring documents and the one who puts them into effect: what is offered, and what is in effect.

use std::sync::Arc;

use sluice_wire::status::ConfigSource;
use tokio::sync::{mpsc, oneshot, watch};

use super::parts::Set;
use super::source::Whole;

/// The document in effect.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    /// As it was found.
    pub(super) whole: Arc<Whole>,
    /// Where it came from.
    pub(super) source: ConfigSource,
    /// Uid of its fleet.
    pub(super) fleet: String,
    /// Its revision.
    pub(super) revision: u64,
}

/// A document that an operator brought.
#[derive(Debug)]
pub(super) struct Offer {
    /// The document.
    pub(super) set: Arc<Set>,
    /// Told what became of it.
    pub(super) verdict: oneshot::Sender<Verdict>,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in effect.
    InEffect,
    /// It or a later one is already.
    NoNews,
    /// It can't be used; what was in effect still is.
    Refused,
}

/// The way to the one who puts documents into effect, and back.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(super) offers: mpsc::Sender<Offer>,
    pub(super) effects: watch::Receiver<Option<Effect>>,
}
