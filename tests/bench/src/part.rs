//! Parts of a measurement that are processes of their own: this program again, with another subcommand. A part takes
//! commands on its standard input, a line each, answers in lines, and ends with its input or with this value.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::sync::mpsc;

/// The longest that a part may take for anything.
const LONGEST: Duration = Duration::from_secs(180);
/// Commands that wait for a part to look.
const COMMANDS: usize = 16;

/// A part that runs.
pub(crate) struct Part {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Part {
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the path of this program"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, input, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its next line.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(LONGEST).expect("a line in time of a part that goes on")
    }

    /// Gives it a command.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("a part that goes on");
    }

    /// Its answer to a command.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.line()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Inside a part: its commands. The end of the input ends the process.
pub(crate) fn commands() -> mpsc::Receiver<String> {
    let (sender, commands) = mpsc::channel(COMMANDS);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    commands
}
