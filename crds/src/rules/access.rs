//! The rules of who may reach a fleet and report to a stream.
//! Each stands here whole: where, in CEL, in words and in Rust.

use serde_json::Value;
use sluice_wire::access::Cidr;

use super::{Rule, Twin};
use crate::Kind;

/// Kubernetes' own `isCIDR` says the same but for IPv4 addresses written as IPv6 in hexadecimal; this is CEL that every
/// interpreter knows.
const CIDR: &str = "self.matches('^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])/(3[0-2]|[12]?[0-9])$') || self.matches('^(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,7}:|([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}|[0-9a-fA-F]{1,4}:(:[0-9a-fA-F]{1,4}){1,6}|:((:[0-9a-fA-F]{1,4}){1,7}|:))/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$')";

const NO_CIDR: &str =
    "is no range of addresses; write 10.0.0.0/8 or fd00::/8, and /32 or /128 for a single address";

/// Every text there is a range of addresses.
const fn ranges(kind: Kind, path: &'static str) -> Rule {
    Rule { kind, path, field: "", cel: CIDR, message: NO_CIDR, twin: Twin::State(is_cidr) }
}

/// The port of a fleet there stays what it is.
pub(super) const fn port_stays(path: &'static str) -> Rule {
    Rule {
        kind: Kind::ProxyFleet,
        path,
        field: "",
        cel: "self == oldSelf",
        message: "the port can't be changed; make another fleet, name it in the streams, then delete this one",
        twin: Twin::Change(|port, old| port == old),
    }
}

pub(super) const RULES: &[Rule] = &[
    port_stays("spec.listeners.https.port"),
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.listeners.https.port",
        field: "",
        cel: "self != 9102",
        message: "9102 is the port of metrics and probes; choose another",
        twin: Twin::State(|port| port != 9102),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.listeners",
        field: "https.port",
        cel: "!has(self.http) || !has(self.http.port) || !has(self.https) || !has(self.https.port) || self.http.port != self.https.port",
        message: "this is the port of plain HTTP too; choose another",
        twin: Twin::State(|listeners| {
            let port = |place| listeners.pointer(place).and_then(Value::as_i64);
            port("/http/port").is_none() || port("/http/port") != port("/https/port")
        }),
    },
    ranges(Kind::ProxyFleet, "spec.listeners.trustedProxies[]"),
    ranges(Kind::DataStream, "spec.sources.allow[]"),
    ranges(Kind::DataStream, "spec.sources.deny[]"),
];

/// An IPv6 range with an IPv4 address in it is refused, as Kubernetes does: who reads it takes it for either.
fn is_cidr(value: &Value) -> bool {
    let plain = |text: &str| !(text.contains(':') && text.contains('.'));
    value.as_str().is_some_and(|text| plain(text) && text.parse::<Cidr>().is_ok())
}
