//! `sluice-proxy`: see [`sluice_proxy`].

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use sluice_proxy::app;
use sluice_proxy::args::{Args, LogForm};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    log(args.log_form());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "can't start");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(app::run(args));
    // The thread that reads standard input can't be called off; everything else has ended.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "can't start");
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error; `SLUICE_LOG` takes a filter like `debug` or `sluice_proxy::sink=debug`.
fn log(form: LogForm) {
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match form {
        LogForm::Json => subscriber.json().flatten_event(true).init(),
        LogForm::Human => subscriber.with_target(false).init(),
    }
}
