//! What became of every record read, for the summary and the exit code.
//! Every record is counted once: read = stored + refused + unknown.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::batch::Batch;
use super::input::Line;
use super::reply::{UNREACHABLE, Why};
use crate::exit::Exit;

/// Ranges of lines that are named; more are only counted.
const NAMED_MAX: usize = 100;

/// Of those, how many are told to people.
const TOLD_MAX: usize = 20;

/// What became of records.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) read: u64,
    pub(super) stored: u64,
    pub(super) unknown: u64,
    /// Sent again though perhaps stored.
    pub(super) repeated: u64,
    /// By status and name of the problem.
    pub(super) refused: BTreeMap<(Option<u16>, String), u64>,
    named: Vec<Named>,
    not_named: u64,
    /// The last line that was sent or refused.
    last_line: u64,
    ended: Option<Ended>,
}

/// Why the run ended before its input did.
#[derive(Debug)]
pub(super) enum Ended {
    /// No more would be taken.
    Refused(Why),
    /// The input can't be read.
    Input(String),
    /// By a person.
    Interrupted,
}

/// Lines one after the other with one outcome that is not stored.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    first: u64,
    last: u64,
    records: u64,
    outcome: &'static str,
    why: Why,
}

impl Ledger {
    /// A batch is about to be sent.
    pub(super) fn begin(&mut self, batch: &Batch) {
        self.read += batch.len() as u64;
        self.last_line = batch.lines().last().map_or(self.last_line, |line| line.number);
    }

    /// A line that can't be sent.
    pub(super) fn too_long(&mut self, number: u64, longest: usize) {
        self.read += 1;
        self.last_line = number;
        let why = Why::own("line too long", format!("over {longest} bytes"));
        self.refuse(&[Line { number, record: 0, bytes: Vec::new(), doubtful: false }], &why);
    }

    pub(super) fn store(&mut self, records: usize) {
        self.stored += records as u64;
    }

    pub(super) fn repeat(&mut self, records: usize) {
        self.repeated += records as u64;
    }

    /// Lines that are surely not stored by the last attempt. Of those that were sent before and may be stored
    /// by that, it stays unknown.
    pub(super) fn refuse(&mut self, lines: &[Line], why: &Why) {
        for run in runs(lines) {
            let records = run.len() as u64;
            if run[0].doubtful {
                self.unknown += records;
            } else {
                *self.refused.entry((why.status, why.name.clone())).or_default() += records;
            }
            self.name(run, if run[0].doubtful { "unknown" } else { "refused" }, why);
        }
    }

    /// Lines of which it is not known whether they are stored.
    pub(super) fn doubt(&mut self, lines: &[Line], why: &Why) {
        self.unknown += lines.len() as u64;
        runs(lines).for_each(|run| self.name(run, "unknown", why));
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    fn name(&mut self, run: &[Line], outcome: &'static str, why: &Why) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
        if self.named.len() == NAMED_MAX {
            self.not_named += run.len() as u64;
            return;
        }
        let records = run.len() as u64;
        self.named.push(Named { first: first.number, last: last.number, records, outcome, why: why.clone() });
    }

    pub(super) fn exit(&self) -> Exit {
        let unreachable = (None, UNREACHABLE.to_owned());
        match &self.ended {
            _ if self.unknown > 0 => Exit::Unknown,
            Some(Ended::Refused(why)) if why.name == UNREACHABLE => Exit::Unreachable,
            _ if self.refused.contains_key(&unreachable) => Exit::Unreachable,
            Some(Ended::Refused(_) | Ended::Input(_)) => Exit::Failed,
            _ if !self.refused.is_empty() => Exit::Failed,
            Some(Ended::Interrupted) => Exit::Interrupted,
            None => Exit::Done,
        }
    }

    fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The numbers on `out`, what is not stored on `errors`.
    pub(super) fn write_text(&self, out: &mut impl Write, errors: &mut impl Write) -> io::Result<()> {
        for named in self.named.iter().take(TOLD_MAX) {
            writeln!(errors, "sluice: {}: {}: {}", named.lines(), named.outcome, named.why)?;
        }
        let more: u64 = self.named.iter().skip(TOLD_MAX).map(|named| named.records).sum();
        if more + self.not_named > 0 {
            writeln!(errors, "sluice: and {} more records", more + self.not_named)?;
        }
        if let Some(why) = self.ended_because() {
            writeln!(errors, "sluice: stopped after line {}: {why}", self.last_line)?;
        }
        errors.flush()?;
        let (read, stored, refused) = (self.read, self.stored, self.refused_in_all());
        let (unknown, repeated) = (self.unknown, self.repeated);
        writeln!(
            out,
            "read {read}, stored {stored}, refused {refused}, unknown {unknown}, repeated {repeated}"
        )?;
        for ((status, name), records) in &self.refused {
            let why = Why { status: *status, name: name.clone(), detail: String::new() };
            writeln!(out, "  refused {records}: {}", why.label())?;
        }
        out.flush()
    }

    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.json())?;
        out.flush()
    }

    fn json(&self) -> Value {
        let refused = self.refused.iter();
        let refused =
            refused.map(|((status, name), n)| json!({"status": status, "name": name, "records": n}));
        json!({
            "read": self.read, "stored": self.stored, "refused": self.refused_in_all(),
            "unknown": self.unknown, "repeated": self.repeated,
            "refusals": refused.collect::<Vec<_>>(),
            "lines": self.named.iter().map(Named::json).collect::<Vec<_>>(),
            "recordsNotListed": self.not_named,
            "lastLine": self.last_line, "stopped": self.ended_because(),
        })
    }

    fn ended_because(&self) -> Option<String> {
        self.ended.as_ref().map(|ended| match ended {
            Ended::Refused(why) => why.to_string(),
            Ended::Input(error) => format!("the input can't be read: {error}"),
            Ended::Interrupted => "interrupted".to_owned(),
        })
    }
}

impl Named {
    fn lines(&self) -> String {
        if self.first == self.last {
            return format!("line {}", self.first);
        }
        format!("lines {} to {}", self.first, self.last)
    }

    fn json(&self) -> Value {
        json!({"first": self.first, "last": self.last, "records": self.records, "outcome": self.outcome,
            "status": self.why.status, "name": self.why.name, "detail": self.why.detail})
    }
}

/// Lines in runs without another record between them, each to be named by first and last. None is empty.
fn runs(lines: &[Line]) -> impl Iterator<Item = &[Line]> {
    lines.chunk_by(|a, b| a.doubtful == b.doubtful && b.record == a.record + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: &[u64], doubtful: bool) -> Vec<Line> {
        let line = |number: &u64| Line { number: *number, record: *number, bytes: vec![b'x'], doubtful };
        numbers.iter().map(line).collect()
    }

    fn why(status: Option<u16>, name: &str) -> Why {
        Why { status, name: name.to_owned(), detail: String::new() }
    }

    fn text(ledger: &Ledger) -> (String, String) {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        ledger.write_text(&mut out, &mut errors).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(errors).unwrap())
    }

    #[test]
    fn a_good_run_is_one_line() {
        let mut ledger = Ledger::default();
        ledger.begin(&Batch::of(lines(&[1, 2], false)).unwrap());
        ledger.store(2);
        let out = "read 2, stored 2, refused 0, unknown 0, repeated 0\n".to_owned();
        assert_eq!(text(&ledger), (out, String::new()));
        assert_eq!(ledger.exit(), Exit::Done);
    }

    #[test]
    fn what_is_not_stored_is_named_by_lines_and_counted_by_code() {
        let mut ledger = Ledger::default();
        ledger.begin(&Batch::of(lines(&[1, 2, 3, 5], false)).unwrap());
        ledger.refuse(&lines(&[1, 2, 3, 5], false), &why(Some(400), "malformed"));
        let (out, errors) = text(&ledger);
        assert_eq!(out, "read 4, stored 0, refused 4, unknown 0, repeated 0\n  refused 4: 400 malformed\n");
        assert_eq!(
            errors,
            "sluice: lines 1 to 3: refused: 400 malformed\nsluice: line 5: refused: 400 malformed\n"
        );
        assert_eq!(ledger.exit(), Exit::Failed);
    }

    #[test]
    fn blank_lines_do_not_part_a_range_and_other_records_do() {
        let mut ledger = Ledger::default();
        let line = |number, record| Line { number, record, bytes: vec![b'x'], doubtful: false };
        ledger.refuse(&[line(1, 1), line(3, 2), line(9, 4)], &why(Some(503), "busy"));
        let errors = "sluice: lines 1 to 3: refused: 503 busy\nsluice: line 9: refused: 503 busy\n";
        assert_eq!(text(&ledger).1, errors);
    }

    #[test]
    fn a_repeated_record_that_is_refused_then_stays_unknown() {
        let mut ledger = Ledger::default();
        let mut both = lines(&[1], true);
        both.extend(lines(&[2], false));
        ledger.refuse(&both, &why(Some(503), "busy"));
        assert_eq!((ledger.unknown, ledger.refused_in_all()), (1, 1));
        assert_eq!(ledger.exit(), Exit::Unknown);
    }

    #[test]
    fn of_several_troubles_the_gravest_is_the_exit_code() {
        let mut ledger = Ledger::default();
        ledger.end(Ended::Interrupted);
        assert_eq!(ledger.exit(), Exit::Interrupted);
        ledger.refuse(&lines(&[1], false), &why(Some(413), "too-long"));
        assert_eq!(ledger.exit(), Exit::Failed);
        ledger.refuse(&lines(&[2], false), &why(None, UNREACHABLE));
        assert_eq!(ledger.exit(), Exit::Unreachable);
        ledger.doubt(&lines(&[3], false), &why(None, "timeout"));
        assert_eq!(ledger.exit(), Exit::Unknown);
    }

    #[test]
    fn an_end_before_the_inputs_is_told_with_its_place() {
        let mut ledger = Ledger::default();
        ledger.begin(&Batch::of(lines(&[1, 7], false)).unwrap());
        ledger.store(2);
        ledger.end(Ended::Input("torn".to_owned()));
        assert_eq!(text(&ledger).1, "sluice: stopped after line 7: the input can't be read: torn\n");
        assert_eq!(ledger.exit(), Exit::Failed);
    }

    #[test]
    fn only_so_many_lines_are_named_and_all_are_counted() {
        let mut ledger = Ledger::default();
        for number in 0..150 {
            ledger.refuse(&lines(&[number * 2], false), &why(Some(400), "malformed"));
        }
        assert!(text(&ledger).1.ends_with("sluice: and 130 more records\n"), "{}", text(&ledger).1);
        let json = ledger.json();
        assert_eq!((json["lines"].as_array().unwrap().len(), &json["recordsNotListed"]), (100, &json!(50)));
        assert_eq!(json["refusals"], json!([{"status": 400, "name": "malformed", "records": 150}]));
    }
}
