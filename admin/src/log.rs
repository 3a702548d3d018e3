//! The form of log lines: one JSON object a line in a cluster, text for people in a terminal.
//! It must not decide what is logged, only how it looks and how much of it.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Logs to standard error from now on; without a form, for people where that is a terminal. `SLUICE_LOG` takes a
/// filter like `debug` or `sluice_proxy::sink=debug`.
pub fn start(form: Option<LogForm>) {
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let usual = if terminal { LogForm::Human } else { LogForm::Json };
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    match form.unwrap_or(usual) {
        LogForm::Json => subscriber.json().flatten_event(true).init(),
        LogForm::Human => subscriber.with_target(false).init(),
    }
}
