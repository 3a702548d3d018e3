//! What the operator counts, and its log. Nothing here decides anything.

mod metrics;

use tracing_subscriber::EnvFilter;

pub use metrics::Metrics;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Logs to standard error from now on; `SLUICE_LOG` says what, by the rules of `RUST_LOG`.
pub fn log(form: LogForm) {
    let filter = EnvFilter::try_from_env("SLUICE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match form {
        LogForm::Human => subscriber.init(),
        LogForm::Json => subscriber.json().flatten_event(true).init(),
    }
}
