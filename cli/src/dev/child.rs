//! One proxy process: started in a process group of its own, told to leave by the end of its standard
//! input, killed when it does not. It knows nothing of fleets or of starting again.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use sluice_wire::status::Announcement;
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::log;

/// How long a proxy may take to bind its listeners.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(10);

/// Longest line read of a proxy, in bytes.
const LINE_MAX: u64 = 64 << 10;

/// Lines of a proxy's log that wait to be shown; beyond that they are dropped, for a proxy must never wait
/// for its log to be read.
const LINES_WAITING: usize = 64;

/// How long the rest of an ended proxy's log is waited for.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// What a proxy does.
#[derive(Debug)]
pub(super) enum Happening {
    /// It logged a line.
    Line(String),
    /// It ended: how, and what it logged last.
    Ended { how: String, last: Vec<String> },
}

/// How a proxy is started.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    pub(super) secrets: PathBuf,
    pub(super) http: SocketAddr,
    /// Where it takes reports over TLS; absent: nowhere.
    pub(super) https: Option<SocketAddr>,
    /// Where it asks and says how it is, and as whom; absent: nowhere.
    pub(super) operator: Option<Operator>,
}

/// Where a proxy asks for its configuration and says how it is.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    /// As in `http://127.0.0.1:8083`.
    pub(super) url: String,
    /// Its fleet, as namespace/name.
    pub(super) fleet: String,
    /// Who it is.
    pub(super) uid: String,
}

impl Operator {
    fn args(&self) -> [&str; 6] {
        ["--operator", &self.url, "--fleet", &self.fleet, "--node-uid", &self.uid]
    }
}

/// Why a proxy is not up.
#[derive(Debug, Error)]
pub(super) enum ChildError {
    #[error("can't start {program}: {source}")]
    Spawn { program: String, source: io::Error },
    #[error("sluice-proxy did not listen within {ANNOUNCE_WITHIN:?}")]
    Slow,
    #[error("{0}")]
    Ended(String),
    #[error("sluice-proxy prints what is no announcement: {0}")]
    Announcement(serde_json::Error),
    #[error("sluice-proxy is version {0}, this is {ours}; install both of one version", ours = env!("CARGO_PKG_VERSION"))]
    Version(String),
}

/// A running proxy. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    /// Its log, in words for people.
    lines: mpsc::Receiver<String>,
}

impl Child {
    pub(super) fn spawn(spec: &Spec) -> Result<Self, ChildError> {
        let mut command = Command::new(&spec.program);
        command
            .arg("--supervised")
            .arg("--config")
            .arg(&spec.config)
            .arg("--secrets")
            .arg(&spec.secrets)
            .args(["--http", &spec.http.to_string(), "--admin", "127.0.0.1:0"])
            .args(spec.https.iter().flat_map(|https| ["--https".to_owned(), https.to_string()]))
            .args(spec.operator.iter().flat_map(Operator::args))
            .args(["--drain-settle", "0s", "--drain-notify", "0s", "--log", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for us alone: we let the proxy finish first.
            .process_group(0)
            .kill_on_drop(true);
        // Who asks for a log gets all of it.
        let whole_log = std::env::var_os("SLUICE_LOG").is_some();
        if !whole_log {
            command.env("SLUICE_LOG", "warn");
        }
        let failed = |source| ChildError::Spawn { program: spec.program.display().to_string(), source };
        let mut process = command.spawn().map_err(failed)?;
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(follow(BufReader::new(stderr), sender, whole_log));
        }
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().map(BufReader::new);
        Ok(Self { process, stdin, stdout, lines })
    }

    /// Waits until it listens, and says where.
    pub(super) async fn announced(&mut self) -> Result<Announcement, ChildError> {
        let line = match self.stdout.as_mut() {
            Some(stdout) => {
                timeout(ANNOUNCE_WITHIN, read_line(stdout)).await.map_err(|_| ChildError::Slow)?
            }
            None => None,
        };
        let Some(line) = line else {
            let why = self.last_lines().await.pop();
            return Err(ChildError::Ended(
                why.unwrap_or_else(|| "sluice-proxy ended before it listened".to_owned()),
            ));
        };
        let announcement: Announcement = serde_json::from_str(&line).map_err(ChildError::Announcement)?;
        if announcement.version != env!("CARGO_PKG_VERSION") {
            return Err(ChildError::Version(announcement.version));
        }
        if let Some(stdout) = self.stdout.take() {
            // It says no more, but if it did, nobody reading must not hold it up.
            tokio::spawn(discard(stdout));
        }
        Ok(announcement)
    }

    /// Waits for what it does next. After its end there is nothing more.
    pub(super) async fn next(&mut self) -> Happening {
        let how = tokio::select! {
            biased;
            Some(line) = self.lines.recv() => return Happening::Line(line),
            ended = self.process.wait() => match ended {
                Ok(status) => format!("sluice-proxy ended ({status})"),
                Err(error) => format!("sluice-proxy can't be waited for: {error}"),
            },
        };
        Happening::Ended { how, last: self.last_lines().await }
    }

    /// What it logged and nobody has read yet, once it has ended.
    async fn last_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        // Something it started may hold its end of the pipe; that is not waited for.
        while let Ok(Some(line)) = timeout(LAST_LINES_WITHIN, self.lines.recv()).await {
            lines.push(line);
        }
        lines
    }

    /// Tells it to finish what it took and to leave.
    pub(super) fn dismiss(&mut self) {
        self.stdin = None;
    }

    /// Kills it and whatever it started. It is still to be waited for.
    pub(super) fn kill(&mut self) {
        // Without an id it has been waited for, and the number may be another's by now.
        let group = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group {
            // It may just have ended by itself, which is as good.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn follow(mut stderr: impl AsyncBufRead + Unpin, lines: mpsc::Sender<String>, whole_log: bool) {
    while let Some(line) = read_line(&mut stderr).await {
        let words = log::words(&line);
        if !words.trim().is_empty() && (whole_log || !log::is_in_status(&words)) {
            // Full: see LINES_WAITING.
            let _ = lines.try_send(words);
        }
    }
}

async fn discard(mut stdout: impl AsyncBufRead + Unpin) {
    while read_line(&mut stdout).await.is_some() {}
}

/// The next line or as much of it as is read at once; nothing at the end.
async fn read_line(from: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    match from.take(LINE_MAX).read_until(b'\n', &mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
    }
}
