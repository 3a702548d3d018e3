//! Conditions as Kubernetes keeps them: bounded, with the time of the last change of status.
//! It decides nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::reason::{Reason, Status};

/// The longest message, in bytes.
pub(super) const MESSAGE_MAX: usize = 1024;

/// What is to be told: a condition by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) condition: &'static str,
    pub(super) reason: String,
    pub(super) status: Status,
    pub(super) message: String,
}

impl Told {
    pub(super) fn new<R: Reason>(reason: R, message: impl Into<String>) -> Self {
        Self {
            condition: R::CONDITION,
            reason: reason.name().to_owned(),
            status: reason.status(),
            message: message.into(),
        }
    }

    /// The same as it was told before.
    pub(super) fn again<R: Reason>(before: &Condition) -> Self {
        let status = match before.status.as_str() {
            "True" => Status::True,
            "False" => Status::False,
            _ => Status::Unknown,
        };
        Self {
            condition: R::CONDITION,
            reason: before.reason.clone(),
            status,
            message: before.message.clone(),
        }
    }
}

pub(super) fn find<'a>(conditions: &'a [Condition], condition: &str) -> Option<&'a Condition> {
    conditions.iter().find(|known| known.type_ == condition)
}

/// `told` as conditions; the time of one whose status was the same before stays.
pub(super) fn conditions(
    told: Vec<Told>,
    before: &[Condition],
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    let one = |told: Told| {
        let same = find(before, told.condition).filter(|known| known.status == told.status.name());
        Condition {
            last_transition_time: same
                .map_or_else(|| now.clone(), |known| known.last_transition_time.clone()),
            message: bounded(&told.message),
            observed_generation: generation,
            reason: told.reason,
            status: told.status.name().to_owned(),
            type_: told.condition.to_owned(),
        }
    };
    told.into_iter().map(one).collect()
}

/// `text` in one line, cut where it gets too long.
pub(super) fn bounded(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() <= MESSAGE_MAX {
        return line;
    }
    let room = MESSAGE_MAX - '…'.len_utf8();
    let cut = line.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
    format!("{}…", line.get(..cut.unwrap_or(0)).unwrap_or_default())
}
