//! The arguments of `sluice send`.
//! It refuses what can't work before anything is read or sent.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use sluice_crds::{Size, Span};

use super::Output;

/// What sending does at length, after its options.
pub(super) const NOTES: &str = "\
Every line that is not blank is a record. Lines go in batches; each batch is answered before the next one
is sent, so their order holds. What was surely not stored is sent again until --give-up-after has passed
without a success. A batch that is refused because of a record is halved until only that record is refused.
What is perhaps stored (no answer, or one that says so) is sent again only if you say so: it may be
stored twice. The run ends early when no batch would be taken (no such stream, say).

The first Ctrl-C lets the batch on its way finish, a second one ends at once.

Exit codes: 0 every record is stored, 1 some were refused, or the input can't be read, 2 wrong usage,
3 of some it is not known whether they are stored, 4 the node can't be reached, 130 interrupted while all
was well. Where several hold, the first of 3, 4, 1, 130.";

/// Longest batch, in bytes: what a stream can take at most.
const BATCH_BYTES_MAX: u64 = 20 << 20;

/// Headers that are the command's own business.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// groupId of the stream
    #[arg(value_name = "GROUP", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) group_id: String,
    /// streamId of the stream
    #[arg(value_name = "STREAM", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stream_id: String,
    /// File to read; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
    /// Where the node or its Service listens
    #[arg(
        long,
        value_name = "URL",
        env = "SLUICE_URL",
        default_value = "http://127.0.0.1:46802",
        value_parser = url
    )]
    pub(crate) url: Uri,
    /// What a line is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Records a batch holds at most
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 500,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    pub(crate) batch: u16,
    /// Bytes a batch holds at most, unless one record is longer; below the stream's limits.maxBodyBytes
    #[arg(long, value_name = "SIZE", default_value = "48Ki", value_parser = batch_bytes)]
    pub(crate) batch_bytes: Size,
    /// Header to send with every batch; can be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// File with a token, for a stream that asks for one; read again for each batch, as the kubelet renews it
    #[arg(long, value_name = "FILE", env = "SLUICE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Parameter to send with every batch, such as dt or the one that the stream takes its key from
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Whether to send again what is perhaps stored [default: ask at a terminal, else never]
    #[arg(long, value_enum)]
    pub(crate) repeat_unknown: Option<Repeat>,
    /// How long to go on sending again while nothing is stored
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub(crate) give_up_after: Span,
    /// How often to send again, at most, while nothing is stored [default: no limit]
    #[arg(long, value_name = "COUNT")]
    pub(crate) retries: Option<u32>,
    /// How long to wait for an answer; longer than the sink's deliveryTimeout
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    pub(crate) timeout: Span,
    /// Form of the summary
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// What a line of the input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// NDJSON if the file's name ends in .ndjson, .jsonl or .json, or its first line is a JSON object; else lines
    #[default]
    Auto,
    /// Text, as it is
    Lines,
    /// A JSON value
    Ndjson,
}

/// Whether records that are perhaps stored are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Repeat {
    /// They end as unknown
    Never,
    /// A person decides, at the terminal
    Ask,
    /// They may be stored twice
    Always,
}

/// Takes `http://host:port`, perhaps with a path before the route.
fn url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err("https is not spoken yet".to_owned()),
        _ => return Err("must start with http://".to_owned()),
    }
    if uri.query().is_some() {
        return Err("must have no query; see --parameter".to_owned());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("must have no user".to_owned());
    }
    Ok(uri)
}

/// Takes `Name: value`, except what would change how a batch is read.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be 'Name: value'")?;
    let name: HeaderName = name.trim().parse().map_err(|_| "the name is no header's".to_owned())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "the value is no header's".to_owned())?;
    if OWN_HEADERS.contains(&name.as_str()) {
        return Err(format!("{name} is set by sluice"));
    }
    // One of these makes the whole body one CloudEvent.
    if name.as_str().starts_with("ce-") {
        return Err("ce- headers make one event of a whole batch".to_owned());
    }
    Ok((name, value))
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

fn batch_bytes(text: &str) -> Result<Size, String> {
    let size: Size = text.parse().map_err(|error: sluice_crds::size::NotASize| error.to_string())?;
    if (1..=BATCH_BYTES_MAX).contains(&size.bytes()) { Ok(size) } else { Err("must be 1 to 20Mi".to_owned()) }
}

fn timeout(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: sluice_crds::span::NotASpan| error.to_string())?;
    if span.millis() > 0 { Ok(span) } else { Err("must be longer than 0".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_without_a_query() {
        for text in ["http://127.0.0.1:46802", "http://a.b.svc:46802/below/", "http://[::1]:1"] {
            assert!(url(text).is_ok(), "{text}");
        }
        for text in
            ["", "127.0.0.1:46802", "https://a", "http://a?x=1", "ftp://a", "http://", "/x", "http://u:p@a"]
        {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_that_frame_a_batch_are_refused() {
        let (name, value) = header("X-Source: a: b ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-source", "a: b"));
        for text in ["", "x", "a b: c", "x: a\nb", "Content-Type: text/plain", "Host: a", "ce-id: 1"] {
            assert!(header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_has_a_name() {
        assert_eq!(parameter("k=a=b"), Ok(("k".to_owned(), "a=b".to_owned())));
        assert_eq!(parameter("k="), Ok(("k".to_owned(), String::new())));
        assert!(parameter("k").is_err() && parameter("=v").is_err());
    }

    #[test]
    fn a_batch_has_room_for_a_byte_and_an_answer_gets_time() {
        assert!(batch_bytes("0").is_err() && batch_bytes("21Mi").is_err() && batch_bytes("x").is_err());
        assert_eq!(batch_bytes("20Mi"), Ok(Size::mebi(20)));
        assert!(timeout("0s").is_err() && timeout("5").is_err());
    }
}
