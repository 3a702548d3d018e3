//! The arguments of `sluice check`.

use super::{Output, address};

/// What checking does at length, after its options.
pub(super) const NOTES: &str = "\
A node's books balance when, for every stream, admitted = delivered + waiting + dead-lettered + suppressed +
failed + unknown. Numbers count records since a node started; refused counts reports.

Exit codes: 0 all books balance, 1 some do not, 2 wrong usage, 4 a node can't be asked. Where both hold, 1.";

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Where a node's metrics are; can be repeated [default: the nodes of a running sluice dev, else 127.0.0.1:9102]
    #[arg(long = "node", value_name = "HOST:PORT", value_delimiter = ',', value_parser = address)]
    pub(crate) nodes: Vec<String>,
    /// Form of what is printed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}
