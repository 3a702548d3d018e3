//! The history checker: what producers were told of each record, against what the topic holds.
//! It knows nothing of how records were sent, and trusts neither side.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::http::Answer;

/// What a producer was told of one try to send one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kafka has it.
    Stored,
    /// Surely not in Kafka by this try.
    NotStored,
    /// Either.
    Unknown,
}

impl Outcome {
    /// What `answer` tells; `None` is a request that was sent and got none.
    #[must_use]
    pub fn of(answer: Option<&Answer>, success: &str) -> Self {
        match answer.and_then(Answer::lenient_code).as_deref() {
            Some(code) if code == success => Self::Stored,
            None | Some("119") => Self::Unknown,
            Some(_) => Self::NotStored,
        }
    }
}

/// All tries of all records of one topic, by the records' ids.
#[derive(Debug, Default)]
pub struct History(Mutex<HashMap<String, Tries>>);

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    stored: usize,
    not_stored: usize,
    unknown: usize,
}

/// A promise broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Acknowledged, and in the topic fewer times than that.
    Lost(String),
    /// Only ever refused, and in the topic.
    RefusedButStored(String),
    /// In the topic more often than acknowledged, with no try in doubt.
    Duplicated(String, usize),
    /// In the topic and never sent.
    NeverSent(String),
}

/// What a history that holds amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records sent.
    pub records: usize,
    /// Tries acknowledged.
    pub stored: usize,
    /// Tries refused.
    pub not_stored: usize,
    /// Tries in doubt.
    pub unknown: usize,
    /// Records in the topic more often than acknowledged, all with a try in doubt.
    pub surplus: usize,
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one try of the record `id`.
    pub fn record(&self, id: impl Into<String>, outcome: Outcome) {
        let mut records = self.0.lock().unwrap();
        let tries = records.entry(id.into()).or_default();
        match outcome {
            Outcome::Stored => tries.stored += 1,
            Outcome::NotStored => tries.not_stored += 1,
            Outcome::Unknown => tries.unknown += 1,
        }
    }

    /// Tries so far that were acknowledged.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.0.lock().unwrap().values().map(|tries| tries.stored).sum()
    }

    /// Compares with the ids found in the topic, one for each record there.
    ///
    /// # Errors
    /// Every promise broken.
    pub fn check<I: AsRef<str>>(
        &self,
        found: impl IntoIterator<Item = I>,
    ) -> Result<Summary, Vec<Violation>> {
        let records = self.0.lock().unwrap();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for id in found {
            *counts.entry(id.as_ref().to_owned()).or_default() += 1;
        }
        let mut violations: Vec<_> = counts
            .keys()
            .filter(|id| !records.contains_key(*id))
            .cloned()
            .map(Violation::NeverSent)
            .collect();
        let mut summary = Summary { records: records.len(), ..Summary::default() };
        for (id, tries) in records.iter() {
            let count = counts.get(id).copied().unwrap_or(0);
            summary.stored += tries.stored;
            summary.not_stored += tries.not_stored;
            summary.unknown += tries.unknown;
            summary.surplus += usize::from(count > tries.stored);
            violations.extend(tries.judge(id, count));
        }
        if violations.is_empty() { Ok(summary) } else { Err(violations) }
    }

    /// [`check`](Self::check), for values in UTF-8 whose first word is the id, as text or as a JSON string.
    ///
    /// # Panics
    /// When a promise was broken; the message shows the first twenty.
    pub fn assert_holds<I: AsRef<[u8]>>(&self, values: impl IntoIterator<Item = I>) -> Summary {
        let ids = values.into_iter().map(|value| id_of(value.as_ref()));
        match self.check(ids) {
            Ok(summary) => summary,
            Err(violations) => {
                let shown = &violations[..violations.len().min(20)];
                panic!("{} promises broken, among them {shown:?}", violations.len())
            }
        }
    }
}

impl Tries {
    fn judge(&self, id: &str, count: usize) -> Option<Violation> {
        let id = id.to_owned();
        if count < self.stored {
            Some(Violation::Lost(id))
        } else if count == self.stored || self.unknown > 0 {
            None
        } else if self.stored == 0 {
            Some(Violation::RefusedButStored(id))
        } else {
            Some(Violation::Duplicated(id, count))
        }
    }
}

fn id_of(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let text = text.strip_prefix('"').unwrap_or(&text);
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Outcome::{NotStored, Stored, Unknown};
    use super::*;

    fn history(tries: &[(&str, Outcome)]) -> History {
        let history = History::new();
        for (id, outcome) in tries {
            history.record(*id, *outcome);
        }
        history
    }

    fn verdict(tries: &[(&str, Outcome)], found: &[&str]) -> Result<Summary, Vec<Violation>> {
        history(tries).check(found)
    }

    #[test]
    fn a_true_history_holds() {
        let tries = [("a", Stored), ("b", NotStored), ("c", Unknown), ("d", Unknown)];
        let summary = verdict(&tries, &["a", "d"]).unwrap();
        assert_eq!(summary, Summary { records: 4, stored: 1, not_stored: 1, unknown: 2, surplus: 1 });
    }

    #[test]
    fn an_acknowledged_record_that_is_missing_is_lost() {
        assert_eq!(verdict(&[("a", Stored)], &[]), Err(vec![Violation::Lost("a".into())]));
    }

    #[test]
    fn a_refused_record_that_is_there_is_a_violation() {
        let refused = Err(vec![Violation::RefusedButStored("a".into())]);
        assert_eq!(verdict(&[("a", NotStored)], &["a"]), refused);
        assert_eq!(verdict(&[("a", NotStored), ("a", NotStored)], &["a"]), refused);
    }

    #[test]
    fn a_record_nobody_sent_is_a_violation() {
        assert_eq!(verdict(&[], &["a"]), Err(vec![Violation::NeverSent("a".into())]));
    }

    #[test]
    fn a_duplicate_without_doubt_is_a_violation() {
        let twice = Err(vec![Violation::Duplicated("a".into(), 2)]);
        assert_eq!(verdict(&[("a", Stored)], &["a", "a"]), twice);
        assert_eq!(verdict(&[("a", NotStored), ("a", Stored)], &["a", "a"]), twice);
    }

    #[test]
    fn a_duplicate_of_a_record_in_doubt_or_sent_again_holds() {
        assert!(verdict(&[("a", Unknown), ("a", Stored)], &["a", "a"]).is_ok());
        assert!(verdict(&[("a", Stored), ("a", Stored)], &["a", "a"]).is_ok());
        assert_eq!(
            verdict(&[("a", Stored), ("a", Stored)], &["a"]),
            Err(vec![Violation::Lost("a".into())]),
            "acknowledged twice is there twice"
        );
    }

    #[test]
    fn every_broken_promise_is_reported() {
        let violations = verdict(&[("a", Stored), ("b", NotStored)], &["b", "c"]).unwrap_err();
        assert_eq!(violations.len(), 3, "{violations:?}");
    }

    #[test]
    fn answers_are_read_as_producers_read_them() {
        let answer = |body: &str| Answer { status: 200, headers: Vec::new(), body: body.into() };
        assert_eq!(Outcome::of(Some(&answer(r#"{"code":"0"}"#)), "0"), Stored);
        assert_eq!(Outcome::of(Some(&answer(r#"{"code":"1"}"#)), "1"), Stored);
        assert_eq!(Outcome::of(Some(&answer(r#"{"code":"119"}"#)), "0"), Unknown);
        assert_eq!(Outcome::of(Some(&answer(r#"{"code":"114"}"#)), "0"), NotStored);
        assert_eq!(Outcome::of(None, "0"), Unknown);
    }

    #[test]
    fn an_id_is_the_first_word_of_a_text_or_of_a_json_string() {
        let summary = history(&[("a-1", Stored), ("b-2", Stored)]).assert_holds(["a-1 ...", "\"b-2 ...\""]);
        assert_eq!(summary.stored, 2);
    }

    #[test]
    #[should_panic(expected = "1 promises broken")]
    fn the_assertion_fails_on_a_broken_promise() {
        history(&[("a", Stored)]).assert_holds(Vec::<Vec<u8>>::new());
    }
}
