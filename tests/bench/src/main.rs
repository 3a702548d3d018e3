//! `sluice-bench`: Sluice beside a bare hyper server, interleaved in one run; and what proxies cost their operator.
//! It measures and prints; it asserts nothing, because a machine's mood is no test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that can't go on has nothing better to do than to say so and stop"
)]

mod bare;
mod batches;
mod control;
mod cpu;
mod guards;
mod isolation;
mod load;
mod part;
mod raw;
mod rounds;

use std::time::Duration;

use clap::{Parser, Subcommand};

/// Measures Sluice beside a bare hyper server, interleaved in one run, and what proxies cost their operator.
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
    /// Only what it costs to be shown who a producer is, beside a stream that asks for nothing.
    Guards,
    /// Only NDJSON batches, beside librdkafka alone.
    Batches,
    /// Only long polling: from publishing one changed stream to the answer that each of many proxies gets.
    Poll {
        /// Proxies that poll.
        #[arg(long, default_value_t = POLLERS)]
        pollers: usize,
        /// Streams of their fleet.
        #[arg(long, default_value_t = STREAMS)]
        streams: usize,
        /// How often a stream is changed.
        #[arg(long, default_value_t = CHANGES)]
        changes: usize,
    },
    /// Only the memory of long polls that wait.
    Waiters {
        /// Over real sockets.
        #[arg(long, default_value_t = SOCKETS)]
        sockets: usize,
        /// In the hub alone.
        #[arg(long, default_value_t = ALONE)]
        alone: usize,
    },
    /// Only heartbeats: the CPU that they cost the operator.
    Heartbeats {
        /// Proxies that send them.
        #[arg(long, default_value_t = NODES)]
        nodes: usize,
    },
    /// Only webhooks: how long the API server waits for a review.
    Reviews {
        /// Streams that the operator knows.
        #[arg(long, default_value_t = STREAMS)]
        streams: usize,
    },
    /// Answers reviews as the operator, until standard input ends.
    #[command(hide = true)]
    Reviewer(control::reviewer::Args),
    /// Serves as the operator, until standard input ends.
    #[command(hide = true)]
    Operator(control::server::Args),
    /// Takes heartbeats as the operator, until standard input ends.
    #[command(hide = true)]
    Manager(control::manager::Args),
    /// Polls as many proxies, until standard input ends.
    #[command(hide = true)]
    Pollers(control::pollers::Args),
    /// Waits in the hub, until standard input ends.
    #[command(hide = true)]
    Hub(control::hub::Args),
    /// Sends heartbeats as many proxies, until standard input ends.
    #[command(hide = true)]
    Nodes(control::nodes::Args),
}

const POLLERS: usize = 10_000;
const STREAMS: usize = 10_000;
const CHANGES: usize = 5;
/// What one process holds of them is limited by its descriptors, 20,000 on many machines.
const SOCKETS: usize = 15_000;
const ALONE: usize = 100_000;
const NODES: usize = 10_000;
/// How long heartbeats are counted, at least.
const HEARTBEATS: Duration = Duration::from_secs(30);

fn main() {
    let args = Args::parse();
    let length = Duration::from_secs(args.seconds);
    let plan = rounds::Plan { length, rounds: args.rounds, rate: args.rate, connections: args.connections };
    match &args.command {
        Some(Command::Bare) => bare::serve(),
        Some(Command::Raw(args)) => raw::send(args),
        Some(Command::Reports) => rounds::run(&plan),
        Some(Command::Guards) => guards::run(&plan),
        Some(Command::Batches) => batches::run(length, args.rounds),
        Some(Command::Isolation) => isolation::run(),
        Some(Command::Poll { pollers, streams, changes }) => control::poll::run(*pollers, *streams, *changes),
        Some(Command::Waiters { sockets, alone }) => control::waiters::run(*sockets, *alone),
        Some(Command::Heartbeats { nodes }) => control::heartbeats::run(*nodes, length.max(HEARTBEATS)),
        Some(Command::Reviews { streams }) => control::reviews::run(*streams),
        Some(Command::Reviewer(args)) => control::reviewer::run(args),
        Some(Command::Operator(args)) => control::server::run(args),
        Some(Command::Manager(args)) => control::manager::run(args),
        Some(Command::Pollers(args)) => control::pollers::run(args),
        Some(Command::Hub(args)) => control::hub::run(args),
        Some(Command::Nodes(args)) => control::nodes::run(args),
        None => {
            rounds::run(&plan);
            guards::run(&plan);
            batches::run(length, args.rounds);
            isolation::run();
            control::poll::run(POLLERS, STREAMS, CHANGES);
            control::waiters::run(SOCKETS, ALONE);
            control::heartbeats::run(NODES, length.max(HEARTBEATS));
            control::reviews::run(STREAMS);
        }
    }
}
