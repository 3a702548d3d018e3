//! Producers in Java that know a manager's address alone (`tests/clients/producers`), in JVMs of their own.
//! What they were told is handed on as they printed it; nothing of it is judged here.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::history::{History, Outcome};
use crate::log::Log;
use crate::{paths, process, wait};

/// How long the record on its way may take once no more are wanted.
const LAST: Duration = Duration::from_secs(30);

/// How a producer deals with nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As InLong's Java SDK 2.4.0 does: up to 7 nodes in turn, one that answered 500 or more left for 20 s.
    Sdk,
    /// Any node of the list for each record.
    Random,
}

/// What a producer sends, and whom it asks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How it deals with nodes.
    pub kind: Kind,
    /// `http://host:port`.
    pub manager: String,
    /// What it says its own address is.
    pub ip: String,
    /// Of the stream.
    pub group_id: String,
    /// Of the stream.
    pub stream_id: String,
    /// What its records' ids begin with.
    pub prefix: String,
    /// Between an answer and the next record.
    pub pause: Duration,
    /// Between two questions to the manager.
    pub interval: Duration,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The record's id.
    pub id: String,
    /// `ip:port` of the node; `-` where none was known.
    pub node: String,
    /// What the producer was told.
    pub outcome: Outcome,
    /// In its words: status and code, or what went wrong.
    pub detail: String,
}

impl Sent {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let (id, node, outcome) = (words.next()?, words.next()?, words.next()?);
        let outcome = match outcome {
            "stored" => Outcome::Stored,
            "refused" => Outcome::NotStored,
            "unknown" => Outcome::Unknown,
            _ => return None,
        };
        let detail = words.next().unwrap_or_default().to_owned();
        Some(Self { id: id.to_owned(), node: node.to_owned(), outcome, detail })
    }
}

/// A running producer; it ends with its input, however this process ends.
#[derive(Debug)]
pub struct Producer {
    child: Child,
    input: Option<ChildStdin>,
    output: Log,
}

impl Producer {
    /// The folder it is started from; it is compiled the first time.
    ///
    /// # Panics
    /// When it can't be compiled.
    #[must_use]
    pub fn install() -> PathBuf {
        paths::installed("tests/clients/producers/install.sh")
    }

    /// Starts one by a command that is `java`, where its network and names are wanted.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(mut java: Command, home: &Path, plan: &Plan) -> Self {
        let kind = match plan.kind {
            Kind::Sdk => "sdk",
            Kind::Random => "random",
        };
        let millis = |time: Duration| time.as_millis().to_string();
        java.args(["-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]).arg(home.join("out"));
        java.args(["Produce", kind, &plan.manager, &plan.ip, &plan.group_id, &plan.stream_id, &plan.prefix]);
        java.args([millis(plan.pause), millis(plan.interval)]);
        let mut child =
            java.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a producer that starts");
        let output = Log::follow(child.stdout.take().expect("piped"));
        let input = child.stdin.take();
        Self { child, input, output }
    }

    /// What became of its records so far, in the order in which they were sent.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.output.text().lines().filter_map(Sent::parse).collect()
    }

    /// The lists of nodes that it was given, each time another one.
    #[must_use]
    pub fn lists(&self) -> Vec<Vec<String>> {
        let text = self.output.text();
        let lists = text.lines().filter_map(|line| line.strip_prefix("nodes "));
        lists.map(|list| list.split(' ').map(str::to_owned).collect()).collect()
    }

    /// Waits until this many records more came to an end.
    ///
    /// # Panics
    /// When they did not within `within`.
    pub fn until_more(&self, records: usize, within: Duration) {
        let wanted = self.sent().len() + records;
        let sends = wait::holds(within, || self.sent().len() >= wanted);
        assert!(sends, "fewer than {records} more within {within:?}; it printed\n{}", self.output.text());
    }

    /// Lets it finish the record that it is at, and gives what became of all.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn finish(mut self) -> Vec<Sent> {
        drop(self.input.take());
        let ended = process::exit(&mut self.child, LAST).is_some();
        assert!(ended && self.output.wait_for("\nend\n", LAST), "it printed\n{}", self.output.text());
        self.sent()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds what producers were told to a history, and counts what was not stored.
pub fn record(sent: &[Sent], history: &History) -> usize {
    for one in sent {
        history.record(&one.id, one.outcome);
    }
    sent.iter().filter(|one| one.outcome != Outcome::Stored).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_became_of_a_record() {
        let sent = Sent::parse("a7 10.0.0.1:46802 refused 503:2").unwrap();
        assert_eq!((&*sent.id, &*sent.node, &*sent.detail), ("a7", "10.0.0.1:46802", "503:2"));
        assert_eq!(sent.outcome, Outcome::NotStored);
        for line in ["nodes 10.0.0.1:46802", "nodes a b c", "asked 404 {}", "end", ""] {
            assert_eq!(Sent::parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_was_not_stored_is_counted_and_all_of_it_recorded() {
        let lines = ["a0 n:1 stored 200:0", "a1 n:1 refused 503:2", "a2 n:1 unknown java.io.IOException"];
        let sent: Vec<_> = lines.into_iter().filter_map(Sent::parse).collect();
        let history = History::new();
        assert_eq!(record(&sent, &history), 2);
        let summary = history.assert_holds(["a0 x"]);
        assert_eq!((summary.stored, summary.not_stored, summary.unknown), (1, 1, 1));
    }
}
