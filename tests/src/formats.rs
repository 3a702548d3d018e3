//! The released libraries that read and write our formats, in a JVM of their own (`tests/clients/formats`).
//! It compares nothing: what a library read is handed on as it is.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::log::Log;
use crate::paths;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running JVM; it ends with its input, however this process ends.
#[derive(Debug)]
pub struct Formats {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
    errors: Log,
}

/// What `InLongMsg.parseFrom` read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InLongMsg {
    /// When it was made, in milliseconds since the epoch.
    pub created: i64,
    /// Attributes and records of each group.
    pub groups: Vec<(String, Vec<Vec<u8>>)>,
}

impl Formats {
    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start() -> Self {
        let home = paths::installed("tests/clients/formats/install.sh");
        let mut child = Command::new("java")
            .args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", "out:lib/*", "Formats"])
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("java runs");
        let errors = Log::follow(child.stderr.take().expect("piped"));
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { commands: child.stdin.take(), child, answers, errors }
    }

    /// Runs a command and returns its answer.
    ///
    /// # Panics
    /// When it fails, or takes long.
    pub fn ask(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().expect("open until dropped");
        writeln!(commands, "{command}").expect("it listens");
        let line = self.answers.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error}: {}", self.errors.text()));
        let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        assert_eq!(answer.get("error"), None, "{}", self.errors.text());
        answer
    }

    /// Reads an InLongMsg.
    pub fn parse(&mut self, message: &[u8]) -> InLongMsg {
        let answer = self.ask(&json!({"do": "parse", "message": STANDARD.encode(message)}));
        assert_eq!(answer["version"], 1);
        let groups = answer["groups"].as_array().expect("groups").iter().map(|group| {
            let records = group["records"].as_array().expect("records").iter().map(bytes).collect();
            (group["attributes"].as_str().expect("a text").to_owned(), records)
        });
        InLongMsg { created: answer["created"].as_i64().expect("a time"), groups: groups.collect() }
    }

    /// Writes an InLongMsg.
    pub fn build(&mut self, message: &InLongMsg, snappy: bool) -> Vec<u8> {
        let groups = message.groups.iter().map(|(attributes, records)| {
            let records: Vec<_> = records.iter().map(|record| STANDARD.encode(record)).collect();
            json!({"attributes": attributes, "records": records})
        });
        let groups: Vec<_> = groups.collect();
        let command = json!({"do": "build", "snappy": snappy, "created": message.created, "groups": groups});
        bytes(&self.ask(&command)["message"])
    }
}

impl Drop for Formats {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes as commands and answers hold them.
///
/// # Panics
/// When the value is no base64.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().expect("base64 is text")).expect("base64")
}
