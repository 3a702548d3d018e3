//! What the poller has: the document that it claims to an operator, and the next one after an update. It holds the
//! document compressed, because it is looked into only when something changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use sluice_wire::document::{FleetRef, Group};
use sluice_wire::parts::MAX_DOCUMENT;
use sluice_wire::polling::{GROUPS, Update};

use super::error::PollError;
use super::pieces::Pieces;
use crate::args::FleetName;
use crate::config::effect::Effect;
use crate::config::parts::Set;
use crate::config::source::Whole;

/// A document, and what an operator knows it by.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    whole: Option<Arc<Whole>>,
    /// Elements of the fleet's group that have no place in the document.
    more: Vec<Box<RawValue>>,
    /// Digests of its groups; empty where they are not known.
    groups: BTreeMap<String, Group>,
    /// Uid of its fleet.
    fleet: String,
    revision: u64,
}

impl Base {
    /// From the document in effect. What it says of its groups counts only where it is so.
    pub(super) fn of(effect: &Effect) -> Self {
        let text = effect.whole.text();
        let groups = text.as_deref().ok().and_then(|text| {
            let (pieces, groups) = Pieces::of(text, &[]).ok()?;
            pieces.are(&groups).is_ok().then_some(groups)
        });
        let whole = groups.is_some().then(|| Arc::clone(&effect.whole));
        Self {
            whole,
            more: Vec::new(),
            groups: groups.unwrap_or_default(),
            fleet: effect.fleet.clone(),
            revision: effect.revision,
        }
    }

    /// Whether this, or what led on from it, is the document in effect: nothing later of its fleet is.
    pub(super) fn is_of(&self, effect: &Effect) -> bool {
        self.fleet == effect.fleet && self.revision >= effect.revision && self.whole.is_some()
    }

    /// The one after an update, and the document that it is to put into effect.
    ///
    /// # Errors
    /// [`PollError`] where the update leads from or to something else than it says, back, or to another fleet.
    pub(super) fn after(&self, update: &Update, fleet: &FleetName) -> Result<(Self, Arc<Set>), PollError> {
        if update.revision < self.revision {
            return Err(PollError::Behind { theirs: update.revision, ours: self.revision });
        }
        let text = self.whole.as_ref().map(|whole| whole.text()).transpose().map_err(PollError::Unusable)?;
        let before = text.as_deref().map(|text| Pieces::of(text, &self.more)).transpose()?;
        let before = before.map(|(pieces, _)| pieces).unwrap_or_default();
        let after = before.updated(&self.groups, update)?;
        let uid = uid(after.fleet(), fleet)?;
        let document = after.document(update.major, update.revision, &update.groups)?;
        if document.len() > MAX_DOCUMENT {
            return Err(PollError::Unusable(format!("longer than {MAX_DOCUMENT} bytes")));
        }
        let set = Arc::new(Set::pack(uid, update.revision, &document).map_err(PollError::Unusable)?);
        let base = Self {
            whole: Some(Arc::new(Whole::Set(Arc::clone(&set)))),
            more: after.more(),
            groups: update.groups.clone(),
            fleet: set.fleet.clone(),
            revision: update.revision,
        };
        Ok((base, set))
    }

    /// Forgets what it has, so that the next answer is whole.
    pub(super) fn forget(&mut self) {
        (self.whole, self.groups) = (None, BTreeMap::new());
        self.more.clear();
    }

    /// Each group with its md5 and time; empty and 0 where they are not known.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&'static str, &str, u64)> {
        GROUPS.into_iter().map(|name| {
            let known = self.groups.get(name);
            (name, known.map_or("", |group| &*group.md5), known.map_or(0, |group| group.last_modify_time))
        })
    }

    /// The revision that an operator must have reached to be of use.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }
}

/// The uid of a fleet, which must be the one that was asked for.
fn uid(element: Option<&RawValue>, asked: &FleetName) -> Result<String, PollError> {
    let text = element.map_or("null", RawValue::get);
    let fleet: FleetRef =
        serde_json::from_str(text).map_err(|error| PollError::Unusable(format!("no fleet: {error}")))?;
    if (&fleet.namespace, &fleet.name) != (&asked.namespace, &asked.name) {
        let of = FleetName { namespace: fleet.namespace, name: fleet.name };
        return Err(PollError::Unusable(format!("it is of fleet {of}, not of {asked}")));
    }
    Ok(fleet.uid)
}
