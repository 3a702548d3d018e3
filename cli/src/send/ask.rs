//! Whether records that are perhaps stored are sent again: an option's word, or a person's.
//! It asks at the terminal itself, because standard input may be the records.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use crate::args::Repeat;

/// Who decides.
#[derive(Debug)]
pub(super) enum Asker {
    /// It is decided.
    Decided(bool),
    /// A person.
    Person(Terminal),
}

/// A person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    This(bool),
    Every(bool),
}

impl Asker {
    /// By the option; without it a person is asked if one is there, and else nothing is repeated.
    pub(super) fn new(repeat: Option<Repeat>) -> Self {
        match repeat {
            Some(Repeat::Never) => Self::Decided(false),
            Some(Repeat::Always) => Self::Decided(true),
            Some(Repeat::Ask) | None => {
                let terminal = if io::stderr().is_terminal() { Terminal::open() } else { None };
                terminal.map_or(Self::Decided(false), Self::Person)
            }
        }
    }

    /// Whether it has to wait for a person.
    pub(super) fn is_person(&self) -> bool {
        matches!(self, Self::Person(_))
    }

    /// Whether `records` records are sent again.
    pub(super) fn decide(&mut self, records: usize, why: &str) -> bool {
        let word = match self {
            Self::Decided(word) => return *word,
            Self::Person(terminal) => terminal.ask(records, why),
        };
        match word {
            Word::This(word) => word,
            Word::Every(word) => {
                *self = Self::Decided(word);
                word
            }
        }
    }
}

/// A terminal with a person before it.
#[derive(Debug)]
pub(super) struct Terminal {
    out: File,
    answers: BufReader<File>,
}

impl Terminal {
    fn open() -> Option<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        Some(Self { out: terminal.try_clone().ok()?, answers: BufReader::new(terminal) })
    }

    fn ask(&mut self, records: usize, why: &str) -> Word {
        ask(&mut self.out, &mut self.answers, records, why)
    }
}

/// Asks until there is an answer; a person who left says no to all.
fn ask(out: &mut impl Write, answers: &mut impl BufRead, records: usize, why: &str) -> Word {
    loop {
        let question = format!(
            "\nof {records} record(s) it is not known whether they are stored: {why}\n\
             sending them again may duplicate them. Again? [y]es, [n]o, [all] such, [none] such: "
        );
        let mut answer = String::new();
        let asked = out.write_all(question.as_bytes()).and_then(|()| out.flush());
        if asked.is_err() || answers.read_line(&mut answer).unwrap_or(0) == 0 {
            return Word::Every(false);
        }
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Word::This(true),
            "n" | "no" => return Word::This(false),
            "all" => return Word::Every(true),
            "none" => return Word::Every(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(typed: &str) -> (Word, String) {
        let mut out = Vec::new();
        let word = ask(&mut out, &mut typed.as_bytes(), 3, "late");
        (word, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_person_decides_for_these_or_for_all() {
        for (typed, expected) in [
            ("y\n", Word::This(true)),
            ("No\n", Word::This(false)),
            ("all\n", Word::Every(true)),
            ("none\n", Word::Every(false)),
        ] {
            let (word, asked) = word(typed);
            assert_eq!(word, expected, "{typed}");
            assert!(asked.contains("3 record(s)") && asked.contains("may duplicate"), "{asked}");
        }
    }

    #[test]
    fn what_is_no_answer_is_asked_again_and_silence_is_no() {
        let (word, asked) = word("what?\n\n");
        assert_eq!(word, Word::Every(false));
        assert_eq!(asked.matches("Again?").count(), 3);
    }

    #[test]
    fn an_option_decides_without_a_person() {
        assert!(!Asker::new(Some(Repeat::Never)).decide(1, ""));
        assert!(Asker::new(Some(Repeat::Always)).decide(1, ""));
    }
}
