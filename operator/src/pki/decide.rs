//! What is to be done about authority and leaf, by what there is of them and the time. It is pure.

use super::certificate::Span;

/// What there is under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// Nothing.
    Absent,
    /// Something that is of no use.
    Broken {
        /// Whether this operator made it.
        ours: bool,
    },
    /// What it should be.
    Good {
        /// Whether this operator made it.
        ours: bool,
        /// What is known of it.
        facts: T,
    },
}

/// What is known of an authority. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorityFacts {
    /// Its certificate's digest.
    pub(crate) id: String,
    pub(crate) span: Span,
    /// When it was in every bundle.
    pub(crate) trusted: Option<u64>,
}

/// What is known of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeafFacts {
    /// Digest of the authority that signed it.
    pub(crate) authority: String,
    pub(crate) span: Span,
    /// Whether it is for all names that it has to be for.
    pub(crate) named: bool,
}

/// All that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) authority: Found<AuthorityFacts>,
    pub(crate) leaf: Found<LeafFacts>,
    /// Whether every namespace with a fleet has the bundle as it is to be now.
    pub(crate) out: bool,
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Make a new authority.
    MakeAuthority,
    /// Note that the authority is in every bundle.
    NoteTrusted,
    /// Have the authority sign a new leaf.
    Sign,
    /// Somebody else's authority is of no use; it is not replaced.
    ComplainOfAuthority,
    /// Somebody else's leaf is of no use; it is not replaced.
    ComplainOfLeaf,
}

impl Action {
    /// Whether it is a person's to do.
    pub(crate) const fn is_complaint(self) -> bool {
        matches!(self, Self::ComplainOfAuthority | Self::ComplainOfLeaf)
    }
}

/// What is to be done now, and when to look again if nothing happens, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) action: Option<Action>,
    pub(crate) again: u64,
}

/// Both are renewed when so much of their life is over.
const DUE: (u64, u64) = (2, 3);

/// A leaf is renewed by an authority that not everybody has when so much of its life is over: it must not end because
/// one namespace can't take its bundle.
const OVERDUE: (u64, u64) = (5, 6);

/// Decides at `now`; an authority signs once it has been in every bundle for `grace` seconds.
pub(crate) fn decide(seen: &Seen, grace: u64, now: u64) -> Decision {
    let (authority, renewal) = match &seen.authority {
        Found::Good { facts, ours } if !is_due(facts.span, *ours, now) => {
            (facts, if *ours { facts.span.at(DUE.0, DUE.1) } else { facts.span.until })
        }
        Found::Absent | Found::Broken { ours: true } | Found::Good { ours: true, .. } => {
            return act(Action::MakeAuthority, now);
        }
        Found::Broken { ours: false } | Found::Good { ours: false, .. } => {
            return act(Action::ComplainOfAuthority, now);
        }
    };
    let note = (authority.trusted.is_none() && seen.out).then_some(Action::NoteTrusted);
    let (leaf, ours) = match &seen.leaf {
        Found::Good { facts, ours } if now < facts.span.until => (facts, *ours),
        // Nobody is served by it any more: to wait would help nobody.
        Found::Absent | Found::Broken { ours: true } | Found::Good { ours: true, .. } => {
            return act(Action::Sign, now);
        }
        Found::Broken { ours: false } | Found::Good { ours: false, .. } => {
            return act(note.unwrap_or(Action::ComplainOfLeaf), now);
        }
    };
    if let Some(note) = note {
        return act(note, now);
    }
    let wanted_at =
        if leaf.authority == authority.id && leaf.named { leaf.span.at(DUE.0, DUE.1) } else { now };
    let trusted_at = authority.trusted.map_or(u64::MAX, |trusted| trusted.saturating_add(grace));
    let signs_at = wanted_at.max(trusted_at.min(leaf.span.at(OVERDUE.0, OVERDUE.1)));
    match (signs_at <= now, ours) {
        (true, true) => act(Action::Sign, now),
        (true, false) => act(Action::ComplainOfLeaf, now),
        (false, _) => Decision { action: None, again: signs_at.min(renewal) },
    }
}

/// Whether an authority signs no more: one of our own is renewed in time, another's is used to its end.
const fn is_due(span: Span, ours: bool, now: u64) -> bool {
    now >= if ours { span.at(DUE.0, DUE.1) } else { span.until }
}

const fn act(action: Action, now: u64) -> Decision {
    Decision { action: Some(action), again: now }
}

#[cfg(test)]
mod tests;
