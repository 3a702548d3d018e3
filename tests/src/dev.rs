//! `sluice dev` as a child process on a directory of YAML files of its own.
//! It talks to it only as a person would: files, terminal, signals.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::log::Log;
use crate::process::{self, Signal};
use crate::{paths, ports};

/// A running local mode; dropping it ends it, reaps it and removes its directory.
#[derive(Debug)]
pub struct Dev {
    child: Child,
    directory: TempDir,
    port: u16,
    output: Log,
    errors: Log,
}

impl Dev {
    /// Starts it on a copy of `examples/local` whose fleet listens on a port of its own.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn on_the_example(args: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("sluice-dev-").tempdir().expect("a directory");
        let port = ports::free();
        copy_example(&directory.path().join("local"), port);
        // A killed one can't remove what it keeps beside its files; here it goes with the directory.
        let temporary = directory.path().join("tmp");
        std::fs::create_dir(&temporary).expect("a directory");
        let mut child = Command::new(paths::binary("sluice"))
            .arg("dev")
            .arg("local")
            .args(args)
            .current_dir(directory.path())
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sluice runs");
        let output = Log::follow(child.stdout.take().expect("piped"));
        let errors = Log::follow(child.stderr.take().expect("piped"));
        Self { child, directory, port, output, errors }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its working directory; the YAML files lie in `local/` below it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A YAML file of it.
    #[must_use]
    pub fn yaml(&self, name: &str) -> PathBuf {
        self.directory.path().join("local").join(name)
    }

    /// `ip:port` of its fleet.
    #[must_use]
    pub fn http(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it printed on standard output.
    #[must_use]
    pub fn output(&self) -> &Log {
        &self.output
    }

    /// What it printed on standard error.
    #[must_use]
    pub fn errors(&self) -> &Log {
        &self.errors
    }

    /// Everything it printed.
    #[must_use]
    pub fn printed(&self) -> String {
        format!("{}{}", self.output.text(), self.errors.text())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Its exit status once it ended by itself; `None` when it runs on.
    pub fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        process::exit(&mut self.child, within)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- sluice dev printed ---\n{}", self.printed());
        }
        // In order, so that its proxies end before their directory does; one that has ended can't be told.
        if process::exit(&mut self.child, Duration::ZERO).is_none() {
            self.signal(Signal::SIGTERM);
            if process::exit(&mut self.child, Duration::from_secs(10)).is_none() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

fn copy_example(target: &Path, port: u16) {
    std::fs::create_dir(target).expect("a directory");
    let example = paths::repository().join("examples/local");
    for entry in std::fs::read_dir(example).expect("examples/local is there").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("an example is text");
        let text = text.replace("46802", &port.to_string());
        std::fs::write(target.join(entry.file_name()), text).expect("a file");
    }
}
