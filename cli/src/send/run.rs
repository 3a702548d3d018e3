//! A whole run: lines are gathered into batches, each batch is delivered, in order, one at a time.
//! It decides what a line is, and when no more is sent.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::ask::Asker;
use super::batch::{Batch, Batcher, Limits};
use super::client::{Client, Target, TargetError};
use super::deliver::Delivery;
use super::input::{self, LINE_MAX, Line, Piece};
use super::ledger::{Ended, Ledger};
use super::patience::Patience;
use super::screen::Screen;
use crate::args::{Format, Repeat, SendArgs};
use crate::stop::Told;

/// How long a batch waits for more lines of an input that pauses.
const LINGER: Duration = Duration::from_millis(200);

/// What is to be done, checked.
#[derive(Debug)]
pub(super) struct Plan {
    client: Client,
    file: PathBuf,
    format: Format,
    limits: Limits,
    repeat: Option<Repeat>,
    give_up_after: Duration,
    retries: Option<u32>,
}

/// What comes next of the input.
enum Next {
    Piece(Piece),
    /// Nothing for a while.
    Pause,
    End,
}

impl Plan {
    pub(super) fn new(args: &SendArgs) -> Result<Self, TargetError> {
        let target = Target {
            url: &args.url,
            group_id: &args.group_id,
            stream_id: &args.stream_id,
            parameters: &args.parameters,
            headers: &args.headers,
            token: args.token_file.as_deref(),
            timeout: args.timeout.into(),
        };
        Ok(Self {
            client: Client::new(&target)?,
            file: args.file.clone(),
            format: args.format,
            limits: Limits { records: usize::from(args.batch), bytes: args.batch_bytes.bytes() },
            repeat: args.repeat_unknown,
            give_up_after: args.give_up_after.into(),
            retries: args.retries,
        })
    }

    /// Sends what `source` holds.
    pub(super) async fn run(self, source: impl Read + Send + 'static, screen: Screen, stop: Told) -> Ledger {
        let mut run = Run {
            pieces: input::read(source),
            batcher: Batcher::new(self.limits),
            waiting_since: None,
            bytes: 0,
            is_known: false,
            file: self.file,
            format: self.format,
            delivery: Delivery {
                client: self.client,
                content_type: content_type(false),
                patience: Patience::new(self.give_up_after, self.retries),
                asker: Asker::new(self.repeat),
                ledger: Ledger::default(),
                screen,
                stop,
            },
        };
        run.all().await;
        run.delivery.screen.clear();
        run.delivery.ledger
    }
}

/// A run in progress.
struct Run {
    pieces: mpsc::Receiver<Piece>,
    batcher: Batcher,
    /// When the first line of the batch that is being gathered came.
    waiting_since: Option<Instant>,
    /// Bytes of lines that were sent.
    bytes: u64,
    /// Whether it is decided what a line is.
    is_known: bool,
    file: PathBuf,
    format: Format,
    delivery: Delivery,
}

impl Run {
    async fn all(&mut self) {
        loop {
            let go_on = match self.next().await {
                Some(Next::Piece(Piece::Lines(lines))) => self.take(lines).await,
                Some(Next::Piece(Piece::TooLong(number))) => {
                    let go_on = self.flush().await;
                    if go_on {
                        self.delivery.ledger.too_long(number, LINE_MAX);
                    }
                    go_on
                }
                Some(Next::Piece(Piece::Failed(error))) => {
                    // What was read before it is good.
                    if self.flush().await {
                        self.delivery.ledger.end(Ended::Input(error.to_string()));
                    }
                    false
                }
                Some(Next::Pause) => self.flush().await,
                Some(Next::End) => {
                    self.flush().await;
                    false
                }
                None => {
                    self.delivery.ledger.end(Ended::Interrupted);
                    false
                }
            };
            if !go_on {
                return;
            }
        }
    }

    /// Waits for the input; nothing when told to stop.
    async fn next(&mut self) -> Option<Next> {
        let pieces = &mut self.pieces;
        let piece = async {
            let piece = match self.waiting_since {
                Some(since) => match timeout_at(since + LINGER, pieces.recv()).await {
                    Ok(piece) => piece,
                    Err(_) => return Next::Pause,
                },
                None => pieces.recv().await,
            };
            piece.map_or(Next::End, Next::Piece)
        };
        tokio::select! {
            biased;
            () = self.delivery.stop.times(1) => None,
            next = piece => Some(next),
        }
    }

    async fn take(&mut self, lines: Vec<Line>) -> bool {
        for line in lines {
            if !self.is_known {
                self.is_known = true;
                self.delivery.content_type = content_type(is_ndjson(self.format, &self.file, &line.bytes));
            }
            if let Some(batch) = self.batcher.push(line)
                && !self.deliver(batch).await
            {
                return false;
            }
        }
        if self.waiting_since.is_none() && !self.batcher.is_empty() {
            self.waiting_since = Some(Instant::now());
        }
        true
    }

    async fn flush(&mut self) -> bool {
        match self.batcher.take() {
            Some(batch) => self.deliver(batch).await,
            None => true,
        }
    }

    async fn deliver(&mut self, batch: Batch) -> bool {
        self.waiting_since = None;
        if self.delivery.stop.once() {
            self.delivery.ledger.end(Ended::Interrupted);
            return false;
        }
        self.bytes += batch.lines().iter().map(|line| line.bytes.len() as u64 + 1).sum::<u64>();
        let go_on = self.delivery.deliver(batch).await;
        self.delivery.screen.progress(&self.delivery.ledger, self.bytes);
        go_on
    }
}

fn content_type(is_ndjson: bool) -> &'static str {
    if is_ndjson { "application/x-ndjson" } else { "text/plain; charset=utf-8" }
}

/// What lines are, by option, by the file's name, or by the first of them.
fn is_ndjson(format: Format, file: &std::path::Path, first: &[u8]) -> bool {
    match format {
        Format::Lines => false,
        Format::Ndjson => true,
        Format::Auto => {
            let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
            ["ndjson", "jsonl", "json"].iter().any(|one| extension.eq_ignore_ascii_case(one))
                || serde_json::from_slice::<Map<String, Value>>(first).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_form_is_the_options_the_names_or_the_first_lines() {
        let auto = |file, first: &str| is_ndjson(Format::Auto, Path::new(file), first.as_bytes());
        assert!(auto("a.ndjson", "x") && auto("a.JSONL", "x") && auto("a.json", "x"));
        assert!(auto("-", "{\"a\": 1}\r") && auto("a.txt", " {}"));
        assert!(!auto("-", "x") && !auto("a.txt", "[1]") && !auto("-", "{\"a\":") && !auto("-", "5"));
        assert!(is_ndjson(Format::Ndjson, Path::new("-"), b"x"));
        assert!(!is_ndjson(Format::Lines, Path::new("a.ndjson"), b"{}"));
    }
}
