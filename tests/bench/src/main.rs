//! `sluice-bench`: Sluice beside a bare hyper server, interleaved in one run.
//! It measures and prints; it asserts nothing, because a machine's mood is no test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that can't go on has nothing better to do than to say so and stop"
)]

mod bare;
mod batches;
mod cpu;
mod isolation;
mod load;
mod raw;
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
    /// Sends as librdkafka alone, until standard input ends.
    #[command(hide = true)]
    Raw(raw::Args),
    /// Only single reports, beside a bare hyper server.
    Reports,
    /// Only NDJSON batches, beside librdkafka alone.
    Batches,
}

fn main() {
    let args = Args::parse();
    let length = Duration::from_secs(args.seconds);
    let reports = || {
        rounds::run(&rounds::Plan {
            length,
            rounds: args.rounds,
            rate: args.rate,
            connections: args.connections,
        });
    };
    match &args.command {
        Some(Command::Bare) => bare::serve(),
        Some(Command::Raw(args)) => raw::send(args),
        Some(Command::Reports) => reports(),
        Some(Command::Batches) => batches::run(length, args.rounds),
        Some(Command::Isolation) => isolation::run(),
        None => {
            reports();
            batches::run(length, args.rounds);
            isolation::run();
        }
    }
}
