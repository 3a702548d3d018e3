//! The form of log lines: one JSON object a line in a cluster, text for people in a terminal.
//! It must not decide what is logged, only how it looks and how much of it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::LogForm;

/// Logs to standard error; `SLUICE_LOG` takes a filter like `debug` or `sluice_proxy::sink=debug`.
pub fn start(form: LogForm) {
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
