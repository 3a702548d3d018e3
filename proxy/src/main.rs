//! `sluice-proxy`: see [`sluice_proxy`].

use std::process::ExitCode;

use clap::Parser;
use sluice_admin::log;
use sluice_proxy::app;
use sluice_proxy::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.log);
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
