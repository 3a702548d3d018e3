//! `sluice dev`: the operator's steps on a directory, and proxies as child processes.
//! It is for trying, developing and single machines; it checks and builds nothing by itself.

mod child;
mod console;
mod fleet;
mod holder;
mod invite;
mod kafka;
mod log;
mod manager;
mod report;
mod session;
mod supervisor;
mod tokens;
mod view;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sluice_operator::local::Local;
use sluice_operator::validate;
use sluice_operator::watch::Directory;
use tempfile::TempDir;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::args::{Dev, MANAGER, ManagerAt};
use crate::nodes;
use crate::stop::Stop;
use console::Console;
use manager::Manager;
use session::Session;
use supervisor::{Place, Supervisor};

/// The proxy's binary, beside our own.
const PROXY: &str = "sluice-proxy";

/// Events of proxies that wait to be seen.
const EVENTS_WAITING: usize = 1024;

/// Why local mode can't start.
#[derive(Debug, Error)]
enum StartError {
    #[error("{0}: not a directory; name one that holds *.yaml files")]
    NoDirectory(PathBuf),
    #[error("{0}: {PROXY} is not there; install it beside sluice, or build it with cargo build -p {PROXY}")]
    NoProxy(PathBuf),
    #[error("can't tell where this program is: {0}")]
    NoSelf(io::Error),
    #[error("can't make a temporary directory: {0}")]
    Temporary(io::Error),
    #[error("can't listen for signals: {0}")]
    Signals(io::Error),
    #[error("can't start: {0}")]
    Runtime(io::Error),
    #[error("{0}")]
    Taken(String),
    #[error(transparent)]
    Definitions(#[from] validate::Error),
}

pub(crate) fn main(args: &Dev) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Dev) -> Result<(), StartError> {
    if !fs::metadata(&args.directory).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(StartError::NoDirectory(args.directory.clone()));
    }
    let program = proxy_beside(&std::env::current_exe().map_err(StartError::NoSelf)?)?;
    let secrets = args.secrets.clone().unwrap_or_else(|| args.directory.join("secrets"));
    let place = Place { program, secrets: secrets.clone(), host: args.host, manager: None };
    // Proxies read their configuration here; it goes away with us.
    let documents = TempDir::with_prefix(nodes::DIRECTORY_PREFIX).map_err(StartError::Temporary)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Runtime)?;
    runtime.block_on(serve(args, (place, secrets), &documents))
}

async fn serve(
    args: &Dev,
    (place, secrets): (Place, PathBuf),
    documents: &TempDir,
) -> Result<(), StartError> {
    let mut stop = Stop::listen().map_err(StartError::Signals)?;
    let mut console = Console::new(io::stdout());
    let (address, manager) = manage(args.manager, &mut console).await?;
    let place = Place { manager: address, ..place };
    let (sender, events) = mpsc::channel(EVENTS_WAITING);
    let mut session = Session::new(
        Directory::new(&args.directory),
        Local::new()?,
        documents.path().to_owned(),
        Supervisor::new(place, sender),
        (args.kafka.clone().filter(|address| !address.is_empty()), secrets),
        console,
        events,
    )
    .with_manager(manager);
    session.start().map_err(StartError::Taken)?;
    session.run(stop.told()).await;
    session.leave(stop.told()).await;
    Ok(())
}

/// Answers producers that ask for nodes, at the address given or at the usual one. That somebody else has the usual one
/// is no reason not to run: a second local mode finds it taken by the first.
async fn manage<W: io::Write>(
    wanted: Option<ManagerAt>,
    console: &mut Console<W>,
) -> Result<(Option<SocketAddr>, Option<Manager>), StartError> {
    let address = match wanted {
        Some(ManagerAt::Nowhere) => return Ok((None, None)),
        Some(ManagerAt::Address(address)) => address,
        None => MANAGER,
    };
    match Manager::start(address).await {
        Ok(manager) => {
            console.say(&format!("producers that ask for nodes are answered on http://{address}"));
            Ok((Some(address), Some(manager)))
        }
        Err(error) => {
            let why =
                holder::trouble(address).unwrap_or_else(|| format!("can't listen on {address}: {error}"));
            if wanted.is_some() {
                return Err(StartError::Taken(why));
            }
            console.say(&format!(
                "producers that ask for nodes are not answered: {why}; --manager takes another address"
            ));
            Ok((None, None))
        }
    }
}

fn proxy_beside(own: &Path) -> Result<PathBuf, StartError> {
    let program = own.with_file_name(PROXY);
    if program.is_file() { Ok(program) } else { Err(StartError::NoProxy(program)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_is_not_beside_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("sluice");
        let error = proxy_beside(&own).unwrap_err().to_string();
        assert!(error.contains("sluice-proxy is not there"), "{error}");
        fs::write(directory.path().join(PROXY), "").unwrap();
        assert_eq!(proxy_beside(&own).unwrap(), directory.path().join(PROXY));
    }
}
