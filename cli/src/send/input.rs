//! Lines out of a reader, numbered, in a thread of its own.
//! It never holds more than a few pieces of the input; a line longer than [`LINE_MAX`] is named and skipped.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;

use tokio::sync::mpsc;

/// The longest line that a stream can take, in bytes.
pub(super) const LINE_MAX: usize = 20 << 20;

/// Read at once, in bytes.
const PIECE: usize = 64 << 10;

/// Pieces that wait to be sent.
const PIECES_WAITING: usize = 2;

/// A record to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1, blank lines too.
    pub(super) number: u64,
    /// Counted from 1, without blank lines.
    pub(super) record: u64,
    /// Without its line feed.
    pub(super) bytes: Vec<u8>,
    /// Whether it was sent before and may be stored.
    pub(super) doubtful: bool,
}

/// What comes out of the input.
#[derive(Debug)]
pub(super) enum Piece {
    /// Lines that are not blank.
    Lines(Vec<Line>),
    /// The line of this number is longer than [`LINE_MAX`].
    TooLong(u64),
    /// No more can be read.
    Failed(io::Error),
}

/// Reads `source` to its end, as far as pieces are taken.
pub(super) fn read(source: impl Read + Send + 'static) -> mpsc::Receiver<Piece> {
    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
    thread::spawn(move || {
        // Nobody takes more when everything ends.
        let _ = Lines::new(LINE_MAX).read_all(source, &sender);
    });
    pieces
}

/// Takes bytes apart into lines.
#[derive(Debug)]
struct Lines {
    longest: usize,
    number: u64,
    records: u64,
    partial: Vec<u8>,
    too_long: bool,
    found: Vec<Line>,
}

/// Whether anybody wants more.
type Wanted = Result<(), mpsc::error::SendError<Piece>>;

impl Lines {
    fn new(longest: usize) -> Self {
        Self { longest, number: 0, records: 0, partial: Vec::new(), too_long: false, found: Vec::new() }
    }

    fn read_all(mut self, source: impl Read, to: &mpsc::Sender<Piece>) -> Wanted {
        let mut source = BufReader::with_capacity(PIECE, source);
        loop {
            let read = match source.fill_buf() {
                Ok([]) => break,
                Ok(bytes) => {
                    self.take(bytes, to)?;
                    bytes.len()
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What was read of a line is not the line.
                Err(error) => return to.blocking_send(Piece::Failed(error)),
            };
            source.consume(read);
        }
        if self.too_long || !self.partial.is_empty() {
            self.end_line(to)?;
        }
        self.hand_over(to)
    }

    fn take(&mut self, bytes: &[u8], to: &mpsc::Sender<Piece>) -> Wanted {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.extend(&rest[..at]);
            self.end_line(to)?;
            rest = &rest[at + 1..];
        }
        self.extend(rest);
        self.hand_over(to)
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.too_long || self.partial.len() + bytes.len() > self.longest {
            self.too_long = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, to: &mpsc::Sender<Piece>) -> Wanted {
        self.number += 1;
        let bytes = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.too_long) {
            self.hand_over(to)?;
            to.blocking_send(Piece::TooLong(self.number))?;
        } else if !is_blank(&bytes) {
            self.records += 1;
            self.found.push(Line { number: self.number, record: self.records, bytes, doubtful: false });
        }
        Ok(())
    }

    fn hand_over(&mut self, to: &mpsc::Sender<Piece>) -> Wanted {
        if self.found.is_empty() {
            return Ok(());
        }
        to.blocking_send(Piece::Lines(std::mem::take(&mut self.found)))
    }
}

/// Whether a node would drop the line: white space throughout, as Java's `String.isBlank` has it. The rule is
/// the intake's, so that as many records are answered as were sent.
fn is_blank(bytes: &[u8]) -> bool {
    let is_white = |c: char| {
        matches!(c,
            '\u{9}'..='\u{d}' | '\u{1c}'..='\u{20}' | '\u{1680}' | '\u{2000}'..='\u{2006}'
            | '\u{2008}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}')
    };
    !bytes.first().is_some_and(u8::is_ascii_graphic)
        && std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_white))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time, then perhaps fails.
    struct Slowly(Vec<u8>, usize, bool);

    impl Read for Slowly {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() && self.2 {
                return Err(io::Error::other("torn"));
            }
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    /// What comes out, as `number:text`, `number!` for too long, `failed`.
    fn pieces(text: &str, step: usize, fails: bool) -> Vec<String> {
        let (sender, mut pieces) = mpsc::channel(1_000);
        Lines::new(8).read_all(Slowly(text.into(), step, fails), &sender).unwrap();
        drop(sender);
        let mut all = Vec::new();
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Lines(lines) => all.extend(
                    lines.iter().map(|l| format!("{}:{}", l.number, String::from_utf8_lossy(&l.bytes))),
                ),
                Piece::TooLong(number) => all.push(format!("{number}!")),
                Piece::Failed(_) => all.push("failed".to_owned()),
            }
        }
        all
    }

    #[test]
    fn lines_are_numbered_wherever_the_input_is_cut_and_blank_ones_skipped() {
        let text = "a\n\n  \t\r\nbc\r\n\u{3000}\n\u{e9}";
        for step in 1..=text.len() {
            assert_eq!(pieces(text, step, false), ["1:a", "4:bc\r", "6:\u{e9}"], "{step}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_the_next_one_is_whole() {
        let text = "12345678\n123456789\nc\n123456789";
        for step in 1..=text.len() {
            assert_eq!(pieces(text, step, false), ["1:12345678", "2!", "3:c", "4!"], "{step}");
        }
    }

    #[test]
    fn a_line_that_could_not_be_read_to_its_end_is_no_record() {
        assert_eq!(pieces("a\nb", 3, true), ["1:a", "failed"]);
    }

    #[test]
    fn an_empty_input_has_no_lines() {
        assert_eq!(pieces("", 1, false), [""; 0]);
        assert_eq!(pieces("\n\n", 1, false), [""; 0]);
    }
}
