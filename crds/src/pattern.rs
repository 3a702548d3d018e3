//! The patterns that strings must match, and each in words for people.
//! Lengths are the schema's own keyword wherever the pattern is not Kafka's or InLong's own.

use crate::{quantity, size, span};

/// A groupId or streamId.
pub const ID: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$";

/// A fleet or a sink.
pub const NAME: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";

/// A namespace.
pub const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// A Secret.
pub const SECRET: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// A Kafka topic.
pub const TOPIC: &str = "^[A-Za-z0-9._-]{1,249}$";

/// Brokers, comma separated.
pub const BROKERS: &str =
    r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}(,(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5})*$";

/// An HTTP header: a token of RFC 9110.
pub const HEADER: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// A parameter of a report.
pub const PARAMETER: &str = "^[A-Za-z0-9_.-]+$";

/// A JSON pointer, RFC 6901.
pub const POINTER: &str = "^(/([^~]|~[01])*)?$";

/// The value of a label.
pub const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/// A glob over groupIds or topics: their characters, `*` and `{namespace}`.
pub const GLOB: &str = r"^([A-Za-z0-9._*-]|\{namespace\})+$";

/// A glob over sinks.
pub const SINK_GLOB: &str = r"^([a-z0-9*-]|\{namespace\})+$";

/// A name in a client's certificate: a DNS name, the first label of which may be an asterisk, or a URI.
pub const CLIENT_NAME: &str =
    r"^((\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[A-Za-z][A-Za-z0-9+.-]*://[!-~]+)$";

/// A service account: a name, or a namespace and a name, or a namespace and an asterisk for all of it.
pub const ACCOUNT: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/\*|([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?)$";

/// What a value that does not match is, and what to do; it follows the value.
const WORDS: [(&str, &str); 17] = [
    (ID, "can't be an id; use 1 to 100 of A-Z, a-z, 0-9, _, . and -, beginning with a letter or digit"),
    (NAME, "can't be a name; use a-z, 0-9 and -, beginning with a letter and not ending with -"),
    (NAMESPACE, "can't be a namespace; use a-z, 0-9 and -, beginning and ending with a letter or digit"),
    (SECRET, "can't be a Secret's name; use a-z, 0-9, - and ., beginning and ending with a letter or digit"),
    (TOPIC, "can't be a topic; use 1 to 249 of A-Z, a-z, 0-9, ., _ and -"),
    (BROKERS, "names no brokers; write host:port, several with a comma and no space between"),
    (HEADER, "can't be an HTTP header's name; use letters, digits and -, without spaces and colons"),
    (PARAMETER, "can't be a parameter's name; use A-Z, a-z, 0-9, _, . and -"),
    (
        POINTER,
        "is no JSON pointer; begin it with /, as in /customer/id, and write ~0 for ~ and ~1 for / in a name",
    ),
    (
        LABEL_VALUE,
        "can't be a label's value; use at most 63 of A-Z, a-z, 0-9, -, _ and ., beginning and ending with a letter or digit",
    ),
    (
        GLOB,
        "is no glob; use A-Z, a-z, 0-9, ., _ and -, * for any characters and {namespace} for the stream's",
    ),
    (SINK_GLOB, "is no glob; use a-z, 0-9 and -, * for any characters and {namespace} for the stream's"),
    (
        CLIENT_NAME,
        "is no name of a certificate; write a DNS name, *. and a DNS name, or a URI such as spiffe://cluster.local/ns/a/sa/b",
    ),
    (
        ACCOUNT,
        "is no service account; write a name, <namespace>/<name>, or <namespace>/* for all of a namespace",
    ),
    (quantity::PATTERN, "is no amount; write 250m, 1.5, 64Mi or 1Gi"),
    (size::PATTERN, "is no size; write 65536, 64Ki or 1Gi"),
    (span::PATTERN, "is no length of time; write 250ms, 8s or 2m"),
];

/// What to say of a value that does not match `pattern`, after the value itself.
#[must_use]
pub fn words(pattern: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == pattern).map(|(_, words)| *words)
}
