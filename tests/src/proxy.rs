//! `sluice-proxy` as a child process with a document of its own.
//! It never restarts one by itself: that a proxy goes on is for the suites to see.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sluice_wire::document::{Document, Output};
use sluice_wire::status::{Announcement, Books, NodeState, NodeStatus, StreamStatus};
use tempfile::TempDir;

use crate::books;
use crate::history::Outcome;
use crate::http::{self, Answer};
use crate::log::Log;
use crate::mount::{self, Mount};
use crate::process::{self, Signal};
use crate::{paths, wait};

/// How long anything a healthy proxy does may take on a busy machine: more than the 30 s between its looks at a
/// topic that isn't there.
pub const SOON: Duration = Duration::from_secs(60);

/// How to start a proxy.
#[derive(Debug)]
pub struct Builder {
    directory: TempDir,
    command: Command,
    http: String,
    settle: String,
    notify: Option<String>,
    mount: Option<Mount>,
}

/// A running proxy; dropping it checks its books, kills and reaps it and removes its directory.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    input: Option<ChildStdin>,
    directory: TempDir,
    announcement: Announcement,
    log: Log,
    mount: Option<Mount>,
    /// The topics it may have written to.
    places: Mutex<BTreeMap<(String, String), Output>>,
}

impl Builder {
    /// A proxy without a document yet, with no time to settle in its drain.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("sluice-proxy-").tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("secrets")).expect("a directory");
        Self {
            directory,
            command: Command::new(paths::binary("sluice-proxy")),
            http: "127.0.0.1:0".to_owned(),
            settle: "0s".to_owned(),
            notify: None,
            mount: None,
        }
    }

    /// Its directory, which holds `config.json`, `secrets/` and what a test puts there.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A further environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Further arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// How long phase A of a drain takes, and phase B instead of the document's.
    #[must_use]
    pub fn drain(mut self, settle: &str, notify: &str) -> Self {
        settle.clone_into(&mut self.settle);
        self.notify = Some(notify.to_owned());
        self
    }

    /// Where it listens for reports, instead of on a port of 127.0.0.1.
    #[must_use]
    pub fn listening(mut self, address: &str) -> Self {
        address.clone_into(&mut self.http);
        self
    }

    /// Its document comes as parts in a mounted volume, not as a file.
    #[must_use]
    pub fn mounted(mut self) -> Self {
        self.mount = Some(Mount::new(self.directory.path().join("config")));
        self
    }

    /// The volume of its document, to be filled before the start.
    ///
    /// # Panics
    /// When it was not made so with [`mounted`](Self::mounted).
    #[must_use]
    pub fn mount(&self) -> &Mount {
        self.mount.as_ref().expect("it is mounted")
    }

    /// Writes a secret's value.
    #[must_use]
    pub fn secret(self, name: &str, key: &str, value: &str) -> Self {
        write_secret(self.directory.path(), name, key, value);
        self
    }

    /// Starts it with a document and waits until it is ready to take reports of every stream.
    ///
    /// # Panics
    /// When it isn't soon; the message ends with its log.
    #[must_use]
    pub fn start(self, document: &Document) -> Proxy {
        let proxy = self.start_unready(Some(document));
        proxy.wait_for("every stream to be ready", |status| {
            status.state == NodeState::Ready && status.streams.iter().all(|stream| stream.ready)
        });
        proxy
    }

    /// Starts it, with a document or without, and waits only until its listeners are bound.
    ///
    /// # Panics
    /// When they aren't.
    #[must_use]
    pub fn start_unready(mut self, document: Option<&Document>) -> Proxy {
        let file = self.directory.path().join("config.json");
        if let Some(document) = document {
            put(self.mount.as_ref(), &file, document);
        }
        let config = self.mount.as_ref().map_or(&*file, Mount::directory);
        self.command
            .args(["--http", &self.http, "--admin", "127.0.0.1:0", "--supervised", "--log", "human"])
            .args(["--drain-settle", &self.settle])
            .arg("--config")
            .arg(config)
            .arg("--secrets")
            .arg(self.directory.path().join("secrets"));
        if let Some(notify) = &self.notify {
            self.command.args(["--drain-notify", notify]);
        }
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("sluice-proxy runs");
        let input = child.stdin.take();
        let log = Log::follow(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("its output can be read");
        let announcement = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: announced {line:?}; {}", log.text()));
        let (directory, mount, places) = (self.directory, self.mount, Mutex::default());
        let proxy = Proxy { child, input, directory, announcement, log, mount, places };
        document.into_iter().for_each(|document| proxy.may_write(document));
        proxy
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Proxy {
    /// Starts one with nothing special; see [`Builder::start`].
    #[must_use]
    pub fn start(document: &Document) -> Self {
        Builder::new().start(document)
    }

    /// `ip:port` for reports.
    #[must_use]
    pub fn http(&self) -> &str {
        &self.announcement.http
    }

    /// `ip:port` for reports over TLS.
    ///
    /// # Panics
    /// When it wasn't started with `--https`.
    #[must_use]
    pub fn https(&self) -> &str {
        self.announcement.https.as_deref().expect("it listens there")
    }

    /// `ip:port` of the admin listener.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.announcement.admin
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its directory; see [`Builder::directory`].
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where its document lies.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    /// What it wrote on standard error.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The volume of its document.
    ///
    /// # Panics
    /// When it wasn't started so.
    #[must_use]
    pub fn mount(&self) -> &Mount {
        self.mount.as_ref().expect("it is mounted")
    }

    /// Puts a document in place by renaming, as an editor or a ConfigMap does; doesn't wait.
    pub fn publish(&self, document: &Document) {
        self.may_write(document);
        put(self.mount.as_ref(), &self.config_path(), document);
    }

    /// The same for any bytes.
    pub fn publish_bytes(&self, bytes: &[u8]) {
        replace(&self.config_path(), bytes);
    }

    /// Puts a document in place and waits until it is in effect.
    pub fn apply(&self, document: &Document) {
        self.publish(document);
        self.wait_for("the revision", |status| status.revision == document.revision);
    }

    /// Mounts a secret as the kubelet does; its values can be changed on what is returned, in one step.
    #[must_use]
    pub fn mount_secret(&self, name: &str) -> Mount {
        Mount::new(self.directory.path().join("secrets").join(name))
    }

    /// Writes a secret's value.
    pub fn write_secret(&self, name: &str, key: &str, value: &str) {
        write_secret(self.directory.path(), name, key, value);
    }

    /// Sends one request and returns the answer.
    #[must_use]
    pub fn exchange(&self, request: &[u8]) -> Answer {
        http::exchange(self.http(), request)
    }

    /// Sends one report and says what became of it.
    #[must_use]
    pub fn report(&self, group_id: &str, stream_id: &str, body: &str) -> (String, Outcome) {
        let answer = self.exchange(&http::report(group_id, stream_id, body));
        (answer.code(), Outcome::of(Some(&answer), "0"))
    }

    /// `GET` on the admin listener.
    #[must_use]
    pub fn get_admin(&self, path: &str) -> Answer {
        http::exchange(self.admin(), &http::get(path))
    }

    /// `GET /status`.
    ///
    /// # Panics
    /// When it isn't a status.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let answer = self.get_admin("/status");
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
    }

    /// The status of one stream, which must be configured.
    ///
    /// # Panics
    /// When it isn't.
    #[must_use]
    pub fn stream(&self, stream_id: &str) -> StreamStatus {
        let streams = self.status().streams;
        let found = streams.into_iter().find(|stream| stream.stream_id == stream_id);
        found.unwrap_or_else(|| panic!("no stream {stream_id}"))
    }

    /// Waits until the stream is ready, or isn't.
    ///
    /// # Panics
    /// When that doesn't come soon.
    pub fn wait_stream(&self, stream_id: &str, ready: bool) {
        self.wait_for(&format!("stream {stream_id} ready: {ready}"), |status| {
            status.streams.iter().any(|stream| stream.stream_id == stream_id && stream.ready == ready)
        });
    }

    /// `GET /metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.get_admin("/metrics").text().to_owned()
    }

    /// The sum over a metric's series, those that hold every text of `labels`.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let metrics = self.metrics();
        let ours = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        };
        metrics.lines().filter(ours).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until its status is as `check` wants it.
    ///
    /// # Panics
    /// When it isn't soon; the message ends with the status and the log.
    pub fn wait_for(&self, what: &str, check: impl Fn(&NodeStatus) -> bool) {
        if !wait::holds(SOON, || check(&self.status())) {
            panic!("{what}: not within {SOON:?}\n{:#?}\n{}", self.status(), self.log.text());
        }
    }

    /// Waits until nothing is charged to its budget: every outcome is known, no permit lost.
    pub fn wait_idle(&self) {
        self.wait_for("no bytes in flight", |status| status.inflight_bytes == 0);
    }

    /// Its resident memory, KiB.
    #[must_use]
    pub fn rss_kib(&self) -> u64 {
        process::rss_kib(self.pid())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Ends its standard input, as the death of its parent would.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Its exit status once it ended by itself; `None` when it runs on.
    pub fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        process::exit(&mut self.child, within)
    }
}

impl Proxy {
    /// `GET /books`; `None` where it has ended.
    #[must_use]
    pub fn books(&self) -> Option<Books> {
        let answer = http::try_exchange(self.admin(), &http::get("/books"), Duration::from_secs(5))?;
        serde_json::from_slice(&answer.body).ok()
    }

    /// Notes the topics of a document, to which this proxy may write from now on.
    fn may_write(&self, document: &Document) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = books::places(document);
        new.retain(|place, _| !places.contains_key(place));
        books::open(new.keys());
        places.extend(new);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        if failing {
            eprintln!("--- log of the proxy, its end ---\n{}", tail(&self.log.text(), 40));
        }
        let runs = matches!(self.child.try_wait(), Ok(None));
        if runs {
            // A test may leave it stopped.
            process::signal(self.pid(), Signal::SIGCONT);
        }
        let books = if runs { self.books() } else { None };
        // One that has ended by itself can't be killed, and is reaped by the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !failing {
            books::close(books.as_ref(), &self.places.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn write_secret(directory: &Path, name: &str, key: &str, value: &str) {
    let secret = directory.join("secrets").join(name);
    std::fs::create_dir_all(&secret).expect("a directory");
    replace(&secret.join(key), value.as_bytes());
}

fn put(mount: Option<&Mount>, file: &Path, document: &Document) {
    match mount {
        Some(mount) => mount.put_parts(&mount::parts(document)),
        None => replace(file, &serde_json::to_vec(document).expect("a document is JSON")),
    }
}

fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("next");
    std::fs::write(&beside, bytes).expect("a file");
    std::fs::rename(&beside, path).expect("a rename in one directory");
}
