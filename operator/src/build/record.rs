//! What a stream makes of a report, in the document's words.
//! It is pure and decides nothing.

use sluice_crds::record::{Compression, Key, Output, Split};
use sluice_wire::document as wire;

pub(super) const fn output(output: Output, compression: Compression) -> wire::Output {
    match output {
        Output::Raw => wire::Output::Raw,
        Output::InLongMsg => wire::Output::InLongMsg { snappy: matches!(compression, Compression::Snappy) },
        Output::CloudEvents => wire::Output::CloudEvents,
    }
}

pub(super) const fn split(split: Split) -> wire::Split {
    match split {
        Split::Auto => wire::Split::Auto,
        Split::Never => wire::Split::Never,
    }
}

/// A rule keeps keys to exactly one source; one without any is none.
pub(super) fn key(key: &Key) -> Option<wire::KeySource> {
    let parameter = key.from_parameter.clone().map(wire::KeySource::FromParameter);
    let header = || key.from_header.clone().map(wire::KeySource::FromHeader);
    let json = || key.from_json.clone().map(wire::KeySource::FromJson);
    parameter.or_else(header).or_else(json)
}
