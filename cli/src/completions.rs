//! `sluice completions`: a script that makes a shell complete commands and options.
//! It is made from the arguments as they are parsed, so it is never behind.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::exit::Exit;

pub(crate) fn main(args: &Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "sluice", &mut script);
    // Whoever closed the other end does not want the script.
    let _ = io::stdout().write_all(&script);
    Exit::Done.into()
}
