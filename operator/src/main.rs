//! `sluice-operator`: see the crate's documentation.

use std::process::ExitCode;

use clap::Parser;
use sluice_operator::args::Args;
use sluice_operator::{app, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::log(args.log_form());
    match app::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "can't run");
            ExitCode::FAILURE
        }
    }
}
