//! The arguments of `sluice tail`.
//! A groupId and a streamId name directories here, so they must be names of files.

use std::path::PathBuf;

use super::Output;

/// What showing does at length, after its options.
pub(super) const NOTES: &str = "\
Text is the record's value, with base64 where it isn't UTF-8; JSON is the file's line as it is. With --follow
it goes on until Ctrl-C, across new files and files that are not there yet.

Exit codes: 0 shown, 1 there is nothing or it can't be read, 2 wrong usage.";

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// groupId of the stream
    #[arg(value_name = "GROUP", value_parser = file_name)]
    pub(crate) group_id: String,
    /// streamId of the stream
    #[arg(value_name = "STREAM", value_parser = file_name)]
    pub(crate) stream_id: String,
    /// The sink's directory
    #[arg(long = "dir", value_name = "DIR", default_value = "./data")]
    pub(crate) directory: PathBuf,
    /// Go on with what is stored from now on
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many records to show first
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 10)]
    pub(crate) lines: u64,
    /// Show time, key and headers before each value, separated by tabs
    #[arg(long, conflicts_with = "output")]
    pub(crate) headers: bool,
    /// Form of a record
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

fn file_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "." || text == ".." || text.contains(['/', '\0']) {
        return Err("can't be the name of a directory".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_one_directory_below() {
        assert_eq!(file_name("shop.orders"), Ok("shop.orders".to_owned()));
        for text in ["", ".", "..", "a/b", "/", "../a"] {
            assert!(file_name(text).is_err(), "{text}");
        }
    }
}
