//! One batch to its end: sent, sent again where it is surely not stored, halved where a record is at fault.
//! What is perhaps stored is sent again only by the asker's word.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::ask::Asker;
use super::batch::Batch;
use super::client::Client;
use super::input::Line;
use super::ledger::{Ended, Ledger};
use super::patience::Patience;
use super::reply::{self, Failed, Reply, Then, Why};
use super::screen::Screen;
use crate::stop::Told;

/// How batches are delivered.
pub(super) struct Delivery {
    pub(super) client: Client,
    pub(super) content_type: &'static str,
    pub(super) patience: Patience,
    pub(super) asker: Asker,
    pub(super) ledger: Ledger,
    pub(super) screen: Screen,
    pub(super) stop: Told,
}

/// What is next for a part of a batch.
enum Next {
    /// Every record of it has its outcome.
    Done,
    /// These, in their order.
    Parts(Vec<Batch>),
    /// This is not stored, and no more is sent.
    End(Batch, Ended, Why),
}

impl Delivery {
    /// Brings every record of the batch to its outcome. Gives false when no more batches are to be sent.
    pub(super) async fn deliver(&mut self, batch: Batch) -> bool {
        self.ledger.begin(&batch);
        let mut parts = VecDeque::from([batch]);
        while let Some(part) = parts.pop_front() {
            match self.attempt(part).await {
                Next::Done => {}
                Next::Parts(next) => next.into_iter().rev().for_each(|part| parts.push_front(part)),
                Next::End(part, ended, why) => {
                    parts.push_front(part);
                    parts.iter().for_each(|part| self.ledger.refuse(part.lines(), &why));
                    self.ledger.end(ended);
                    return false;
                }
            }
        }
        true
    }

    async fn attempt(&mut self, part: Batch) -> Next {
        match self.send(&part).await {
            Reply::Stored => {
                self.patience.renew();
                self.ledger.store(part.len());
                Next::Done
            }
            Reply::NotStored(why, then) => self.not_stored(part, why, then).await,
            Reply::Each { failed, why, retry_after } => self.each(part, &failed, why, retry_after).await,
            Reply::Unknown(why) => {
                let again = self.settle_doubt(part.into_lines(), &why).await;
                self.again(again, why, None).await
            }
        }
    }

    /// Sends it once. A second Ctrl-C leaves it on its way.
    async fn send(&mut self, part: &Batch) -> Reply {
        let result = tokio::select! {
            result = self.client.post(self.content_type, part.body()) => result,
            () = self.stop.times(2) => {
                return Reply::Unknown(Why::own("interrupted", "before the answer".to_owned()));
            }
        };
        reply::read(&result, part.len())
    }

    async fn not_stored(&mut self, part: Batch, why: Why, then: Then) -> Next {
        match then {
            Then::Again(after) => self.again(part.into_lines(), why, after).await,
            Then::Halve if part.len() > 1 => Next::Parts(part.halves()),
            Then::Halve => {
                self.ledger.refuse(part.lines(), &why);
                Next::Done
            }
            Then::End => Next::End(part, Ended::Refused(why.clone()), why),
        }
    }

    async fn each(&mut self, part: Batch, failed: &[Failed], why: Why, after: Option<Duration>) -> Next {
        let stored = part.len() - failed.len();
        if stored > 0 {
            self.patience.renew();
            self.ledger.store(stored);
        }
        let (mut again, doubtful) = take_failed(part, failed);
        if !doubtful.is_empty() {
            again.extend(self.settle_doubt(doubtful, &why).await);
            again.sort_by_key(|line| line.number);
        }
        self.again(again, why, after).await
    }

    /// Counts as unknown what is not to be sent again; gives back what is.
    async fn settle_doubt(&mut self, mut lines: Vec<Line>, why: &Why) -> Vec<Line> {
        if self.stop.once() || !self.decide(lines.len(), why).await {
            self.ledger.doubt(&lines, why);
            return Vec::new();
        }
        self.ledger.repeat(lines.len());
        lines.iter_mut().for_each(|line| line.doubtful = true);
        lines
    }

    async fn decide(&mut self, records: usize, why: &Why) -> bool {
        if !self.asker.is_person() {
            return self.asker.decide(records, &why.to_string());
        }
        self.screen.clear();
        let why = why.to_string();
        let mut asker = std::mem::replace(&mut self.asker, Asker::Decided(false));
        let asking = spawn_blocking(move || {
            let word = asker.decide(records, &why);
            (asker, word)
        });
        tokio::select! {
            answer = asking => match answer {
                Ok((asker, word)) => {
                    self.asker = asker;
                    word
                }
                Err(_) => false,
            },
            () = self.stop.times(1) => false,
        }
    }

    /// Waits as long as patience says; then the lines are sent again.
    async fn again(&mut self, lines: Vec<Line>, why: Why, after: Option<Duration>) -> Next {
        let Some(part) = Batch::of(lines) else { return Next::Done };
        let is_first = self.patience.is_fresh();
        let Some(wait) = self.patience.wait(Instant::now(), after, fastrand::f64()) else {
            return Next::End(part, Ended::Refused(why.clone()), why);
        };
        if is_first {
            self.screen.note(&format!("{why}; trying again"));
        }
        tokio::select! {
            () = sleep(wait) => Next::Parts(vec![part]),
            () = self.stop.times(1) => Next::End(part, Ended::Interrupted, why),
        }
    }
}

/// The records that are surely not stored, and those that perhaps are.
fn take_failed(part: Batch, failed: &[Failed]) -> (Vec<Line>, Vec<Line>) {
    let mut failed = failed.iter().peekable();
    let (mut not_stored, mut doubtful) = (Vec::new(), Vec::new());
    for (index, line) in part.into_lines().into_iter().enumerate() {
        if let Some(one) = failed.next_if(|one| one.index == index) {
            if one.not_stored { not_stored.push(line) } else { doubtful.push(line) }
        }
    }
    (not_stored, doubtful)
}
