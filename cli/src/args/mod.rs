//! What a person types.
//! It names and checks arguments; what they mean is the commands' business.

mod check;
mod send;
mod tail;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use check::CheckArgs;
pub(crate) use send::{Format, Repeat, SendArgs};
pub(crate) use tail::TailArgs;

/// Reports over HTTP, stored safely in Kafka.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What local mode does at length, after its options.
const DEV_NOTES: &str = "\
Every ProxyFleet of the directory runs as a process of this machine and serves the DataStreams attached to
it. An edit takes effect within a second; a mistake is told in one line and the last good version stays.

The first Ctrl-C lets proxies finish what they took, a second one ends them at once.
SLUICE_LOG sets what proxies log, as in SLUICE_LOG=info; the default is warn.

Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 can't start (a port that is taken, say), 2 wrong usage.";

/// What validation does at length, after its options.
const VALIDATE_NOTES: &str = "\
Each resource is checked alone as the API server would, and those given are checked against each other.
Valid resources are told on standard output, problems and warnings on standard error, each in one line;
with --output json all are in one object on standard output. A warning is what can't be decided here: whether
a fleet's selector lets a namespace in. Give the Namespace too, and its labels decide.

Exit codes: 0 all resources are valid, 1 some are not or can't be read, 2 wrong usage.";

/// How to use a completion script, after the options.
const COMPLETIONS_NOTES: &str = "\
For this shell alone: source <(sluice completions bash)

Exit codes: 0 printed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send the lines of a file, or of standard input, to a stream
    #[command(after_help = send::NOTES)]
    Send(Box<SendArgs>),
    /// Show the last records of a stream in a file sink
    #[command(after_help = tail::NOTES)]
    Tail(TailArgs),
    /// Check that the books of nodes balance
    #[command(after_help = check::NOTES)]
    Check(CheckArgs),
    /// Run fleets and streams from a directory of YAML files, on this machine
    #[command(after_help = DEV_NOTES)]
    Dev(Dev),
    /// Check files of resources
    #[command(after_help = VALIDATE_NOTES)]
    Validate(Validate),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_NOTES)]
    Completions(Completions),
}

/// In which form a command tells what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Directory of *.yaml, *.yml and *.json files
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Use this Kafka in place of every fleet's sinks, and create topics that are missing
    #[arg(long, value_name = "HOST:PORT", env = "SLUICE_KAFKA", value_parser = addresses)]
    pub(crate) kafka: Option<String>,
    /// Directory of Secrets, one directory each with a file per key [default: DIR/secrets]
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
    /// Address that proxies listen on
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Address of this machine alone that answers producers that ask for nodes, or none [default: 127.0.0.1:8083 if it is free]
    #[arg(long, value_name = "IP:PORT|none", value_parser = manager)]
    pub(crate) manager: Option<ManagerAt>,
}

/// Where producers that ask for nodes are answered, unless something else is said.
pub(crate) const MANAGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_083);

/// Where producers that ask for nodes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManagerAt {
    /// There.
    Address(SocketAddr),
    /// Nowhere.
    Nowhere,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Validate {
    /// Files, or directories of *.yaml, *.yml and *.json files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Judge by the rules of a cluster, not by those of local mode
    #[arg(long)]
    pub(crate) cluster: bool,
    /// Form of what is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Takes an address of this machine alone: who asks there is believed without a token.
fn manager(text: &str) -> Result<ManagerAt, String> {
    if text == "none" {
        return Ok(ManagerAt::Nowhere);
    }
    let address: SocketAddr = text.parse().map_err(|_| "must be IP:PORT or none".to_owned())?;
    match address.ip().is_loopback() {
        true => Ok(ManagerAt::Address(address)),
        false => Err("must be a loopback address, as 127.0.0.1:8083".to_owned()),
    }
}

/// Takes `host:port`, several comma separated. Empty, as an environment variable may be, is none.
fn addresses(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    text.split(',').try_for_each(|one| address(one).map(drop))?;
    Ok(text.to_owned())
}

/// Takes one `host:port`.
fn address(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let fits = !host.is_empty() && !host.contains(['/', ' ']) && port.parse::<u16>().is_ok();
    if fits { Ok(text.to_owned()) } else { Err("must be HOST:PORT".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn every_command_says_its_exit_codes() {
        for command in <Args as clap::CommandFactory>::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Exit codes: 0 "), "{help}");
        }
    }

    #[test]
    fn producers_are_answered_on_this_machine_alone() {
        assert_eq!(manager("none"), Ok(ManagerAt::Nowhere));
        assert_eq!(manager("127.0.0.1:8083"), Ok(ManagerAt::Address(MANAGER)));
        assert!(matches!(manager("[::1]:1"), Ok(ManagerAt::Address(_))));
        for text in ["0.0.0.0:8083", "10.0.0.1:8083", "8083", "localhost:8083", ""] {
            assert!(manager(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_kafka_is_host_and_port() {
        assert_eq!(addresses("localhost:9092"), Ok("localhost:9092".to_owned()));
        assert_eq!(addresses("a:1,[::1]:2"), Ok("a:1,[::1]:2".to_owned()));
        assert_eq!(addresses(""), Ok(String::new()));
        for text in ["localhost", ":9092", "localhost:", "localhost:70000", "a:1,", "http://a:1"] {
            assert!(addresses(text).is_err(), "{text}");
        }
    }
}
