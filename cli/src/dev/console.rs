//! What a person sees: plain lines, and each problem once until it changes.
//! It writes; what there is to say it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Problems by what they are about, each in one line.
pub(super) type Problems = BTreeMap<String, BTreeSet<String>>;

/// Writes lines for a person.
#[derive(Debug)]
pub(super) struct Console<W> {
    out: W,
    told: Problems,
}

impl<W: Write> Console<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, told: Problems::new() }
    }

    /// Writes a line. That nobody reads it is no reason to stop serving.
    pub(super) fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
    }

    /// Tells that what had problems is no longer written, which is not to say that it is fixed.
    pub(super) fn gone(&mut self, about: &str) {
        if self.told.remove(about).is_some() {
            self.say(&format!("gone: {about}"));
        }
    }

    /// Tells the problems that are new, and what is fixed: what had problems and has none any more.
    pub(super) fn problems(&mut self, now: Problems) {
        let before = std::mem::take(&mut self.told);
        let empty = BTreeSet::new();
        for (about, lines) in &now {
            for line in lines.difference(before.get(about).unwrap_or(&empty)) {
                self.say(line);
            }
        }
        for about in before.keys().filter(|about| !now.contains_key(*about)) {
            self.say(&format!("fixed: {about}"));
        }
        self.told = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(lines: &[(&str, &str)]) -> Problems {
        let mut problems = Problems::new();
        for (about, line) in lines {
            problems.entry((*about).to_owned()).or_default().insert((*line).to_owned());
        }
        problems
    }

    /// What is said of `steps`, one after the other.
    fn said(steps: &[&[(&str, &str)]]) -> Vec<Vec<String>> {
        let mut console = Console::new(Vec::new());
        let step = |lines: &&[(&str, &str)]| {
            console.out.clear();
            console.problems(problems(lines));
            String::from_utf8(console.out.clone()).unwrap().lines().map(str::to_owned).collect()
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn a_problem_is_told_once_and_then_that_it_is_fixed() {
        let steps: [&[_]; 4] = [&[("a", "a: odd")], &[("a", "a: odd")], &[], &[]];
        assert_eq!(said(&steps), [vec!["a: odd"], vec![], vec!["fixed: a"], vec![]]);
    }

    #[test]
    fn what_had_problems_and_is_gone_is_not_told_as_fixed() {
        let mut console = Console::new(Vec::new());
        console.problems(problems(&[("a", "a: odd")]));
        console.gone("a");
        console.gone("b");
        console.problems(Problems::new());
        assert_eq!(String::from_utf8(console.out).unwrap(), "a: odd\ngone: a\n");
    }

    #[test]
    fn a_problem_that_changed_is_told_anew_and_not_as_fixed() {
        let steps: [&[_]; 3] = [&[("a", "a: x")], &[("a", "a: y"), ("b", "b: z")], &[("b", "b: z")]];
        assert_eq!(said(&steps), [vec!["a: x"], vec!["a: y", "b: z"], vec!["fixed: a"]]);
    }
}
