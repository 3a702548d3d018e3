//! What a person sees while it runs, on standard error: one line that changes, and notes.
//! Without a terminal there are only the notes.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::ledger::Ledger;

/// Before the line is shown, and between two changes of it.
const EVERY: Duration = Duration::from_millis(500);

/// Back to the start of the line, and clear it.
const CLEAR: &[u8] = b"\r\x1b[K";

/// Where notes and progress go.
pub(super) struct Screen {
    out: Box<dyn Write>,
    is_terminal: bool,
    size: Option<u64>,
    shown: bool,
    last: Instant,
}

impl Screen {
    /// Standard error, for an input of `size` bytes.
    pub(super) fn stderr(size: Option<u64>) -> Self {
        Self::new(Box::new(io::stderr()), io::stderr().is_terminal(), size)
    }

    pub(super) fn new(out: Box<dyn Write>, is_terminal: bool, size: Option<u64>) -> Self {
        Self { out, is_terminal, size, shown: false, last: Instant::now() }
    }

    /// A line that stays. That nobody sees it is no reason to stop.
    pub(super) fn note(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(self.out, "sluice: {text}").and_then(|()| self.out.flush());
    }

    /// The line that changes, on a terminal and not too often. `bytes` of the input are behind.
    pub(super) fn progress(&mut self, ledger: &Ledger, bytes: u64) {
        if !self.is_terminal || self.last.elapsed() < EVERY {
            return;
        }
        self.last = Instant::now();
        let line = line(ledger, bytes, self.size);
        let _ = self.out.write_all(CLEAR);
        let _ = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
        self.shown = true;
    }

    /// Takes the line that changes away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = self.out.write_all(CLEAR).and_then(|()| self.out.flush());
        }
    }
}

fn line(ledger: &Ledger, bytes: u64, size: Option<u64>) -> String {
    let mut line = format!("read {}, stored {}", ledger.read, ledger.stored);
    let refused: u64 = ledger.refused.values().sum();
    for (count, name) in [(refused, "refused"), (ledger.unknown, "unknown")] {
        if count > 0 {
            line.push_str(&format!(", {name} {count}"));
        }
    }
    match size.filter(|size| *size > 0) {
        Some(size) => line.push_str(&format!(", {} %", u128::from(bytes.min(size)) * 100 / u128::from(size))),
        None => line.push_str(&format!(", {} KiB", bytes >> 10)),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_how_much_of_a_file_is_behind() {
        let mut ledger = Ledger::default();
        (ledger.read, ledger.stored, ledger.unknown) = (10, 9, 1);
        assert_eq!(line(&ledger, 50, Some(200)), "read 10, stored 9, unknown 1, 25 %");
        assert_eq!(line(&ledger, 4096, None), "read 10, stored 9, unknown 1, 4 KiB");
        assert_eq!(line(&ledger, 0, Some(0)), "read 10, stored 9, unknown 1, 0 KiB");
    }
}
