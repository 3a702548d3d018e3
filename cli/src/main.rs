//! `sluice`: the command line. It reads arguments, runs one command and gives its exit code.
//! What commands do is in their modules; nothing of the operator or a proxy is built here.
//!
//! | module | command |
//! |---|---|
//! | [`send`] | lines to a stream, over HTTP |
//! | [`tail`] | records out of a file sink |
//! | [`check`] | the books of nodes |
//! | [`dev`] | local mode |
//! | [`validate`] | resources in files |
//! | [`completions`] | for shells |

mod args;
mod check;
mod completions;
mod dev;
mod exit;
mod http;
mod nodes;
mod send;
mod stop;
mod tail;
mod validate;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Send(args) => send::main(&args),
        Command::Tail(args) => tail::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Dev(args) => dev::main(&args),
        Command::Validate(args) => validate::main(&args),
        Command::Completions(args) => completions::main(&args),
    }
}
