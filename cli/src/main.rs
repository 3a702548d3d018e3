//! `sluice`: the command line. It reads arguments, runs one command and gives its exit code.
//! What commands do is in their modules; nothing of the operator or a proxy is built here.

mod args;
mod dev;
mod validate;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Dev(args) => dev::main(&args),
        Command::Validate(args) => validate::main(&args),
    }
}
