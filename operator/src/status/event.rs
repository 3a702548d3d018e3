//! Which Events a new status is worth.
//! It lists them; it sends none.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_crds::Kind;

use super::condition;
use super::reason::{Row, Tell, table};

/// An Event to emit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether it warns.
    pub warns: bool,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub note: String,
}

/// The Events of the way from the conditions `old` to `new` of a resource: one for each condition that came to
/// another reason worth telling.
#[must_use]
pub fn events(kind: Kind, old: &[Condition], new: &[Condition]) -> Vec<Event> {
    let rows = table();
    let told = new.iter().filter_map(|new| {
        let old = condition::find(old, &new.type_);
        if old.is_some_and(|old| old.status == new.status && old.reason == new.reason) {
            return None;
        }
        let is_its = |row: &&Row| row.kind == kind && row.condition == new.type_ && row.reason == new.reason;
        let warns = match rows.iter().find(is_its)?.tell {
            Tell::Never => return None,
            Tell::News => false,
            Tell::Warning => true,
            Tell::Loss => old.filter(|old| old.status == "True").map(|_| true)?,
        };
        Some(Event { warns, reason: new.reason.clone(), note: new.message.clone() })
    });
    told.collect()
}
