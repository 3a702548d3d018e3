//! `sluice-operator`: see the crate's documentation.

use std::process::ExitCode;

use clap::Parser;
use sluice_admin::log;
use sluice_operator::app;
use sluice_operator::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.log);
    match app::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "can't run");
            ExitCode::FAILURE
        }
    }
}
