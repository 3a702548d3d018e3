//! `sluice-bench`: Sluice beside a bare hyper server, interleaved in one run.
//! It measures and prints; it asserts nothing, because a machine's mood is no test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that can't go on has nothing better to do than to say so and stop"
)]

mod bare;
mod cpu;
mod isolation;
mod load;
mod rounds;

use std::time::Duration;

use clap::{Parser, Subcommand};

/// Measures Sluice beside a bare hyper server, interleaved in one run.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Length of each measurement, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often each server is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Reports a second of the open loop.
    #[arg(long, default_value_t = 8_000)]
    rate: u32,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures only what one topic in trouble costs the others.
    Isolation,
    /// Serves as the bare server, until standard input ends.
    #[command(hide = true)]
    Bare,
}

fn main() {
    let args = Args::parse();
    match args.command {
        Some(Command::Bare) => bare::serve(),
        Some(Command::Isolation) => isolation::run(),
        None => {
            rounds::run(&rounds::Plan {
                length: Duration::from_secs(args.seconds),
                rounds: args.rounds,
                rate: args.rate,
                connections: args.connections,
            });
            isolation::run();
        }
    }
}
