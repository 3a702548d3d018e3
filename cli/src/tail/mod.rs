//! `sluice tail`: the last records of a stream out of a file sink, and those to come.
//! It reads the sink's files as anyone may; it never writes there.
//!
//! | module | what it does |
//! |---|---|
//! | [`segments`] | which files there are, and where the last lines begin |
//! | [`reader`] | whole lines, from file to file |
//! | [`show`] | a line as a person or a program wants it |

mod reader;
mod segments;
mod show;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;

use crate::args::TailArgs;
use crate::exit::Exit;
use reader::{Next, Reader};
use show::Form;

/// How often it is looked for more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why it ended.
#[derive(Debug, Error)]
enum TailError {
    #[error("{0}: no record is there; name the sink's directory with --dir, or wait for one with --follow")]
    Nothing(PathBuf),
    #[error("{directory}: {source}")]
    Read { directory: PathBuf, source: io::Error },
    /// Whoever read it has enough.
    #[error("the output is closed")]
    Closed,
}

pub(crate) fn main(args: &TailArgs) -> ExitCode {
    let form = Form { output: args.output, headers: args.headers, escape: io::stdout().is_terminal() };
    match tail(args, form, &mut io::stdout().lock()) {
        Ok(()) | Err(TailError::Closed) => Exit::Done.into(),
        Err(error) => {
            eprintln!("sluice: {error}");
            Exit::Failed.into()
        }
    }
}

fn tail(args: &TailArgs, form: Form, out: &mut impl Write) -> Result<(), TailError> {
    let directory = args.directory.join(&args.group_id).join(&args.stream_id);
    let failed = |source| TailError::Read { directory: directory.clone(), source };
    let mut reader = match segments::last_lines(&directory, args.lines).map_err(failed)? {
        Some(place) => Reader::at(directory.clone(), place),
        None if args.follow => Reader::waiting(directory.clone()),
        None => return Err(TailError::Nothing(directory)),
    };
    loop {
        match reader.next().map_err(failed)? {
            Next::Line(line) => form.write(out, &line).map_err(|_| TailError::Closed)?,
            Next::TooLong => eprintln!("sluice: a line over {} bytes is left out", reader::LINE_MAX),
            Next::NoMore if args.follow => {
                out.flush().map_err(|_| TailError::Closed)?;
                std::thread::sleep(LOOK_EVERY);
            }
            Next::NoMore => return out.flush().map_err(|_| TailError::Closed),
        }
    }
}
