//! The rules of a `ProxyFleet`.
//! Each stands here whole: where, in CEL, in words and in Rust.

use serde_json::Value;
use sluice_wire::document::{PROPERTIES, PROPERTY_PREFIXES};

use super::access::port_stays;
use super::{Rule, Twin, size_within, span_within};
use crate::{Kind, Size, Span, quantity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: Kind::ProxyFleet,
        path: "",
        field: "",
        cel: "size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        message: "a fleet's name must have at most 40 characters, of a-z, 0-9 and -, starting with a letter and not ending with -",
        twin: Twin::State(|object| {
            object.pointer("/metadata/name").and_then(Value::as_str).is_some_and(is_fleet_name)
        }),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.mode",
        field: "",
        cel: "self == oldSelf",
        message: "mode can't be changed; make another fleet, name it in the streams, then delete this one",
        twin: Twin::Change(|mode, old| mode == old),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec",
        field: "autoscaling",
        cel: "!has(self.autoscaling) || !has(self.mode) || self.mode != 'DaemonSet'",
        message: "a DaemonSet runs one proxy on each node, however full they are; take autoscaling out, or make a fleet of another mode",
        twin: Twin::State(|spec| {
            spec.get("autoscaling").is_none() || spec.get("mode").is_none_or(|mode| mode != "DaemonSet")
        }),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.autoscaling",
        field: "min",
        cel: "self.min <= self.max",
        message: "min is more than max; lower it, or raise max",
        twin: Twin::State(|autoscaling| {
            let bound = |name| autoscaling.get(name).and_then(Value::as_i64);
            bound("min") <= bound("max")
        }),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.autoscaling.scaleDownStabilization",
        field: "",
        cel: "duration(self) >= duration('10s') && duration(self) <= duration('60m')",
        message: "must be from 10s to 60m",
        twin: Twin::State(|value| span_within(value, Span::from_secs(10), Span::from_secs(3_600))),
    },
    port_stays("spec.listeners.http.port"),
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.allowedStreams.namespaces",
        field: "selector",
        cel: "has(self.selector) == (has(self.from) && self.from == 'Selector')",
        message: "selector goes with from: Selector and with nothing else; write both or neither",
        twin: Twin::State(|namespaces| {
            namespaces.get("selector").is_some()
                == namespaces.get("from").is_some_and(|from| from == "Selector")
        }),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.resources",
        field: "requests",
        cel: "!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
        message: "more is asked for than may be used; lower it, or raise the limit of the same name",
        twin: Twin::State(requests_fit_limits),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.listeners.http.port",
        field: "",
        cel: "self != 9102",
        message: "9102 is the port of metrics and probes; choose another",
        twin: Twin::State(|port| port != 9102),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.sinks[]",
        field: "",
        cel: "has(self.kafka) != has(self.file)",
        message: "a sink must have exactly one of kafka and file",
        twin: Twin::State(|sink| sink.get("kafka").is_some() != sink.get("file").is_some()),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.sinks[].kafka.deliveryTimeout",
        field: "",
        cel: "duration(self) >= duration('1s') && duration(self) <= duration('60s')",
        message: "must be from 1s to 60s",
        twin: Twin::State(|value| span_within(value, Span::from_secs(1), Span::from_secs(60))),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.sinks[].kafka.properties",
        field: "",
        cel: "self.all(k, !(k in ['plugin.library.paths', 'sasl.kerberos.kinit.cmd']) && !k.startsWith('ssl.engine.') && !k.endsWith('.location') && !k.endsWith('password') && !k.endsWith('.pem'))",
        message: "properties that load code, name files or hold secrets (plugin.library.paths, sasl.kerberos.kinit.cmd, ssl.engine.*, *.location, *password, *.pem) are refused; use tls and sasl, which name Secrets",
        twin: Twin::State(|map| names(map).all(|name| !is_dangerous(name))),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.sinks[].kafka.properties",
        field: "",
        cel: "self.all(k, k in ['client.dns.lookup', 'client.rack', 'connections.max.idle.ms', 'linger.ms', 'metadata.max.age.ms', 'socket.keepalive.enable', 'ssl.cipher.suites', 'ssl.curves.list', 'ssl.endpoint.identification.algorithm', 'ssl.sigalgs.list'] || k.startsWith('broker.address.') || k.startsWith('compression.') || k.startsWith('reconnect.backoff.') || k.startsWith('socket.receive.') || k.startsWith('socket.send.'))",
        message: "only linger.ms, compression.*, client.rack, client.dns.lookup, broker.address.*, reconnect.backoff.*, connections.max.idle.ms, metadata.max.age.ms, socket.keepalive.enable, socket.send.*, socket.receive.*, ssl.cipher.suites, ssl.curves.list, ssl.sigalgs.list and ssl.endpoint.identification.algorithm can be set; Sluice sets the others itself",
        twin: Twin::State(|map| names(map).all(may_be_set)),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.sinks[].file.maxBytes",
        field: "",
        cel: "quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('16Ti')) <= 0",
        message: "must be from 1Mi to 16Ti",
        twin: Twin::State(|value| size_within(value, Size::mebi(1), Size::gibi(16 * 1024))),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.overload.maxInflightBytes",
        field: "",
        cel: "quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Gi')) <= 0",
        message: "must be from 1Mi to 64Gi",
        twin: Twin::State(|value| size_within(value, Size::mebi(1), Size::gibi(64))),
    },
    Rule {
        kind: Kind::ProxyFleet,
        path: "spec.drain.notify",
        field: "",
        cel: "duration(self) <= duration('5m')",
        message: "must be from 0s to 5m",
        twin: Twin::State(|value| span_within(value, Span::from_secs(0), Span::from_secs(300))),
    },
];

/// Whether no amount asked for is larger than the limit of the same name.
fn requests_fit_limits(resources: &Value) -> bool {
    let amount = |value: &Value| match value {
        Value::String(text) => quantity::nanos(text),
        number => quantity::nanos(&number.to_string()),
    };
    let limit = |name: &str| resources.get("limits").and_then(|limits| limits.get(name)).and_then(amount);
    let requests = resources.get("requests").and_then(Value::as_object);
    requests.into_iter().flatten().all(|(name, request)| match (amount(request), limit(name)) {
        (Some(request), Some(limit)) => request <= limit,
        _ => true,
    })
}

fn may_be_set(name: &str) -> bool {
    PROPERTIES.contains(&name) || PROPERTY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_fleet_name(name: &str) -> bool {
    let body = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(body)
        && !name.ends_with('-')
}

fn is_dangerous(name: &str) -> bool {
    ["plugin.library.paths", "sasl.kerberos.kinit.cmd"].contains(&name)
        || name.starts_with("ssl.engine.")
        || [".location", "password", ".pem"].iter().any(|end| name.ends_with(end))
}

fn names(map: &Value) -> impl Iterator<Item = &str> {
    map.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
}
