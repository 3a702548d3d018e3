//! What a command's end tells the shell, in one place for all commands.
//! docs/cli.md and each command's help name the same numbers; 2, wrong usage, is the argument parser's.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is as it should be.
    Done = 0,
    /// Something is not; the output says what.
    Failed = 1,
    /// Of some records it is not known whether they are stored.
    Unknown = 3,
    /// A node can't be reached.
    Unreachable = 4,
    /// Ended by Ctrl-C with more to do, as shells number it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
