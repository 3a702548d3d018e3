//! The rules of what a `DataStream` makes of a report: its form, keys and headers.
//! Each stands here whole: where, in CEL, in words and in Rust.

use serde_json::Value;
use sluice_wire::bounds::{OWN_PARAMETERS, RESERVED_PREFIXES, is_secret_header};
use sluice_wire::document::RESERVED_HEADERS;

use super::{Rule, Twin};
use crate::Kind;

pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: Kind::DataStream,
        path: "spec",
        field: "inLongMsg",
        cel: "!has(self.inLongMsg) || (has(self.output) && self.output == 'InLongMsg')",
        message: "only a stream with output InLongMsg has this; set that output, or take inLongMsg out",
        twin: Twin::State(|spec| {
            spec.get("inLongMsg").is_none() || spec.get("output").is_some_and(|output| output == "InLongMsg")
        }),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.key",
        field: "",
        cel: "(has(self.fromParameter) ? 1 : 0) + (has(self.fromHeader) ? 1 : 0) + (has(self.fromJson) ? 1 : 0) == 1",
        message: "a key must have exactly one of fromParameter, fromHeader and fromJson",
        twin: Twin::State(|key| {
            let sources = ["fromParameter", "fromHeader", "fromJson"];
            sources.iter().filter(|source| key.get(source).is_some()).count() == 1
        }),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.key.fromParameter",
        field: "",
        cel: "!(self in ['body', 'callback'])",
        message: "body is the record itself and callback is about the answer; name another parameter, or take the key out of the record with fromJson",
        twin: Twin::State(|name| is_no(name, |name| OWN_PARAMETERS.contains(&name))),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.key.fromHeader",
        field: "",
        cel: "!(self.lowerAscii() in ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])",
        message: "this header holds a producer's secret, which must not be stored; let producers send the key in another header",
        twin: Twin::State(|name| is_no(name, is_secret_header)),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.headers",
        field: "",
        cel: "self.all(one, self.exists_one(other, other.lowerAscii() == one.lowerAscii()))",
        message: "a header stands here twice (upper and lower case are the same); leave one",
        twin: Twin::State(is_unique),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.headers[]",
        field: "",
        cel: "!(self.lowerAscii() in ['rt', 'st', 'dt', 'srcip', 'dpip', 'msgentype', 'version', 'auditversion', 'traceparent', 'tracestate', 'content-type', 'content-encoding'])",
        message: "Sluice itself writes a record header of this name; take it out, or let producers send theirs under another name",
        twin: Twin::State(|name| {
            is_no(name, |name| RESERVED_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)))
        }),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.headers[]",
        field: "",
        cel: "!self.lowerAscii().startsWith('ce_') && !self.lowerAscii().startsWith('ce-')",
        message: "names that begin with ce_ or ce- are the attributes of CloudEvents, which Sluice itself writes; take it out, or use output CloudEvents",
        twin: Twin::State(|name| {
            let lower = |name: &str| name.to_ascii_lowercase();
            is_no(name, |name| RESERVED_PREFIXES.iter().any(|prefix| lower(name).starts_with(prefix)))
        }),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.headers[]",
        field: "",
        cel: "!(self.lowerAscii() in ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])",
        message: "this header holds a producer's secret, which must not be stored; take it out, or let producers send what consumers need in another header",
        twin: Twin::State(|name| is_no(name, is_secret_header)),
    },
];

/// Whether `value` is not one of those.
fn is_no(value: &Value, those: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_none_or(|text| !those(text))
}

/// Whether no text stands twice, in whatever case.
fn is_unique(list: &Value) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_ascii_lowercase).all(|text| seen.insert(text))
}
