//! `sluice send`: lines of a file or of standard input become records of a stream, over the native route.
//! What may be stored is never sent again unless a person or an option says so.
//!
//! | module | what it does |
//! |---|---|
//! | [`input`] | reads lines, bounded, in a thread of its own |
//! | [`batch`] | gathers lines into batches and takes batches apart |
//! | [`client`], [`reply`] | one request, and what its answer means for each record |
//! | [`deliver`], [`patience`], [`ask`] | one batch to its end: again, in halves, or given up |
//! | [`ledger`], [`screen`] | what became of all, and how it is told |

mod ask;
mod batch;
mod client;
mod deliver;
mod input;
mod ledger;
mod patience;
mod reply;
mod run;
mod screen;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use thiserror::Error;

use crate::args::{Output, SendArgs};
use crate::exit::Exit;
use crate::stop::Stop;
use ledger::Ledger;
use run::Plan;
use screen::Screen;

/// Why nothing was sent.
#[derive(Debug, Error)]
enum StartError {
    #[error("{path}: {source}")]
    Open { path: String, source: io::Error },
    #[error("{0}: is a directory")]
    Directory(String),
    #[error("can't start: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Client(#[from] client::TargetError),
}

pub(crate) fn main(args: &SendArgs) -> ExitCode {
    match send(args) {
        Ok(ledger) => {
            // Whoever closed the other end does not want the summary; the exit code still tells.
            let _ = match args.output {
                Output::Text => ledger.write_text(&mut io::stdout().lock(), &mut io::stderr().lock()),
                Output::Json => ledger.write_json(&mut io::stdout().lock()),
            };
            ledger.exit().into()
        }
        Err(error) => {
            eprintln!("sluice: {error}");
            Exit::Failed.into()
        }
    }
}

fn send(args: &SendArgs) -> Result<Ledger, StartError> {
    let (source, size) = open(&args.file)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Runtime)?;
    let ledger = runtime.block_on(async {
        let stop = Stop::listen().map_err(StartError::Runtime)?.count();
        let plan = Plan::new(args)?;
        Ok(plan.run(source, Screen::stderr(size), stop).await)
    });
    // A thread may still wait for a terminal's input, which nobody will type.
    runtime.shutdown_background();
    ledger
}

/// The input, and its size where that is known.
fn open(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), StartError> {
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            eprintln!("sluice: reading lines from the terminal; Ctrl-D ends");
        }
        return Ok((Box::new(io::stdin()), None));
    }
    let name = path.display().to_string();
    let failed = |source| StartError::Open { path: name.clone(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(StartError::Directory(name));
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), size))
}
