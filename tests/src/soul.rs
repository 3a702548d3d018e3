//! The released client of Soul that syncs by HTTP long polling, in a JVM of its own (`tests/clients/soul`).
//! It expects nothing: what the client was given is handed on as it printed it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::log::Log;
use crate::paths;

/// A running client; it ends with its input, however this process ends.
#[derive(Debug)]
pub struct Soul {
    child: Child,
    output: Log,
}

impl Soul {
    /// The folder it is started from. Maven fills it the first time, which needs the network outside a test cluster.
    ///
    /// # Panics
    /// When it can't be installed.
    #[must_use]
    pub fn install() -> PathBuf {
        paths::installed("tests/clients/soul/install.sh")
    }

    /// Starts it against a server, in the network of the calling thread.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(home: &Path, url: &str) -> Self {
        let mut child = Command::new("java")
            .args([
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                "out:lib/*",
                "Sync",
                url,
            ])
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java runs");
        let output = Log::follow(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// Waits until its last refresh of a kind, `plugins` or `keys`, was followed by these lines.
    ///
    /// # Panics
    /// When it was not within `within`.
    pub fn until(&self, kind: &str, lines: &[&str], within: Duration) {
        let item = &kind[..kind.len() - 1];
        let last = || {
            let text = self.output.text();
            let of_kind = text.lines().filter(|line| {
                *line == kind || line.strip_prefix(item).is_some_and(|rest| rest.starts_with(' '))
            });
            let mut lines: Vec<String> = of_kind.map(str::to_owned).collect();
            let begin = lines.iter().rposition(|line| line == kind).map(|index| index + 1);
            begin.map(|begin| lines.split_off(begin))
        };
        let there = crate::wait::holds(within, || last().is_some_and(|last| last == lines));
        assert!(there, "{kind} {lines:?}: not within {within:?}; the client printed\n{}", self.output.text());
    }
}

impl Drop for Soul {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
