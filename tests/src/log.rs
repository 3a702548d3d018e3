//! What a child process writes, kept and searchable while it runs.
//! It never blocks the writer.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::wait;

/// The text written so far; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    /// Reads `source` to its end in a thread of its own.
    #[must_use]
    pub fn follow(source: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let shared = log.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                shared.0.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        log
    }

    /// All of it so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Whether `words` were written within `within`.
    #[must_use]
    pub fn wait_for(&self, words: &str, within: Duration) -> bool {
        wait::holds(within, || self.0.lock().unwrap().contains(words))
    }

    /// How many lines hold `words` so far.
    #[must_use]
    pub fn count(&self, words: &str) -> usize {
        self.0.lock().unwrap().lines().filter(|line| line.contains(words)).count()
    }
}
