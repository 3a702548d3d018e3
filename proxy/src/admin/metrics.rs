//! `/metrics`: the node's numbers in Prometheus' text form, read when asked for. Series of a stream
//! come and go with it; ids that producers make up never become labels.

use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::catalog::Stream;
use crate::counters::{Count, StreamCounters, Tally};
use crate::load::Component;
use crate::sink::Sink;
use crate::status::Node;

/// The node's numbers as text.
pub(super) fn text(node: &Node) -> prometheus::Result<String> {
    let families: Vec<_> = [
        of_node(node),
        of_load(node),
        of_polls(node),
        of_connections(node),
        of_https(node),
        of_spans(node),
        of_sinks(node),
        of_streams(node),
    ]
    .into_iter()
    .flatten()
    .filter(|family| !family.get_metric().is_empty())
    .collect();
    TextEncoder::new().encode_to_string(&families)
}

fn of_node(node: &Node) -> Vec<MetricFamily> {
    let catalog = node.catalog.load();
    let revision = catalog.as_ref().map_or(0, |catalog| catalog.revision);
    let labels = vec![label("version", env!("CARGO_PKG_VERSION"))];
    let (applied, refused) = (node.config.applied(), node.config.refused());
    vec![
        gauge("sluice_build_info", "The proxy's version.", vec![value(labels, 1)]),
        gauge(
            "sluice_ready",
            "1 while the node takes reports.",
            one(u64::from(node.state() == sluice_wire::status::NodeState::Ready)),
        ),
        gauge("sluice_config_revision", "Revision of the configuration in effect.", one(revision)),
        gauge(
            "sluice_config_valid",
            "0 while the newest configuration is not in effect.",
            one(u64::from(node.config.error().is_none())),
        ),
        counter("sluice_config_applied_total", "Configurations put into effect.", one(applied)),
        counter(
            "sluice_config_refused_total",
            "Configurations refused; the one in effect stays.",
            one(refused),
        ),
        gauge(
            "sluice_inflight_bytes",
            "Bytes of reports being read or waiting for their outcome.",
            one(node.budget.used()),
        ),
        gauge("sluice_inflight_limit_bytes", "The limit on sluice_inflight_bytes.", one(node.budget.limit())),
    ]
}

fn of_load(node: &Node) -> Vec<MetricFamily> {
    let (measured, identity) = (node.load.now(), &node.identity);
    let component = |(component, percent): (Component, Option<f64>)| {
        Some(real(vec![label("component", component.name())], percent?))
    };
    let counts = &node.heartbeats;
    let heartbeats = [("taken", &counts.taken), ("refused", &counts.refused), ("failed", &counts.failed)];
    let components = Component::ALL.into_iter().zip(measured.components).filter_map(component);
    vec![
        gauge(
            "sluice_node_info",
            "Whose numbers these are; the uid that its heartbeats tell.",
            vec![value(vec![label("uid", &identity.uid)], 1)],
        ),
        gauge(
            "sluice_start_time_seconds",
            "When the process started, in seconds since 1970.",
            vec![real(Vec::new(), identity.started as f64 / 1_000.0)],
        ),
        gauge(
            "sluice_load",
            "How full the node is, 0 to 200: the largest of its components; 100 is full.",
            one(u64::from(measured.load)),
        ),
        gauge(
            "sluice_load_band",
            "The band of sluice_load that the node announces, its lower edge.",
            one(u64::from(measured.band)),
        ),
        gauge(
            "sluice_load_component",
            "What sluice_load is the largest of, smoothed over 10 s; 100 is full.",
            components.collect(),
        ),
        counter(
            "sluice_heartbeats_total",
            "Heartbeats to operators, by what became of them.",
            heartbeats.map(|(result, count)| value(vec![label("result", result)], count.get())).to_vec(),
        ),
    ]
}

fn of_polls(node: &Node) -> Vec<MetricFamily> {
    let polls = &node.config.polls;
    let results = [
        ("changed", &polls.changed),
        ("unchanged", &polls.unchanged),
        ("refused", &polls.refused),
        ("failed", &polls.failed),
    ];
    let results = results.map(|(result, count)| value(vec![label("result", result)], count.get()));
    vec![
        counter(
            "sluice_config_polls_total",
            "Times an operator was asked for changes, by result.",
            results.to_vec(),
        ),
        gauge(
            "sluice_config_poll_failing",
            "1 while operators can't be asked; the configuration in effect stays.",
            one(u64::from(polls.is_failing())),
        ),
    ]
}

fn of_connections(node: &Node) -> Vec<MetricFamily> {
    let counters = &node.counters;
    let unattributed = counters
        .answers()
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| value(vec![label("code", &code.number().to_string())], count));
    vec![
        gauge("sluice_connections", "Open connections of producers.", one(u64::from(node.gate.open()))),
        counter(
            "sluice_connections_refused_total",
            "Connections answered busy because of the limit.",
            one(counters.connections_refused.get()),
        ),
        counter(
            "sluice_connections_closed_total",
            "Connections closed without an answer because of the limit.",
            one(counters.connections_closed.get()),
        ),
        counter(
            "sluice_connections_timed_out_total",
            "Connections ended because nothing came in time.",
            one(counters.connections_timed_out.get()),
        ),
        counter(
            "sluice_unattributed_requests_total",
            "Requests that belong to no stream, by the code of their answer.",
            unattributed.collect(),
        ),
    ]
}

/// Nothing where reports over TLS are not asked for.
fn of_https(node: &Node) -> Vec<MetricFamily> {
    let Some((https, status)) = node.https.as_ref().and_then(|https| Some((https, https.status()?))) else {
        return Vec::new();
    };
    let counts = &https.counts;
    let failed = [
        ("no_certificate", &counts.without_certificate),
        ("timed_out", &counts.timed_out),
        ("failed", &counts.failed),
    ];
    let failed = failed.map(|(reason, count)| value(vec![label("reason", reason)], count.get()));
    let not_after = status.not_after.map(|millis| real(Vec::new(), millis as f64 / 1_000.0));
    vec![
        gauge(
            "sluice_https_up",
            "0 while what https is to be served with can't be used; /status says why.",
            one(u64::from(status.ready)),
        ),
        gauge(
            "sluice_https_certificate_not_after_seconds",
            "When the certificate that is served expires, in seconds since 1970.",
            not_after.into_iter().collect(),
        ),
        counter(
            "sluice_https_certificates_loaded_total",
            "Times that other Secrets of https were put into effect.",
            one(counts.renewed.get()),
        ),
        counter(
            "sluice_https_certificates_refused_total",
            "Times that Secrets of https could not be used.",
            one(counts.refused.get()),
        ),
        counter(
            "sluice_https_handshakes_failed_total",
            "TLS connections that came to nothing, by the reason.",
            failed.to_vec(),
        ),
    ]
}

fn of_spans(node: &Node) -> Vec<MetricFamily> {
    let spans = node.traces.counts();
    let lost = [("queue_full", &spans.dropped), ("export_failed", &spans.failed)];
    let lost = lost.map(|(reason, count)| value(vec![label("reason", reason)], count.get()));
    vec![
        counter("sluice_spans_exported_total", "Spans taken by the collector.", one(spans.exported.get())),
        counter("sluice_spans_dropped_total", "Spans that were lost, by the reason.", lost.to_vec()),
    ]
}

fn of_sinks(node: &Node) -> Vec<MetricFamily> {
    let (mut up, mut fatal, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    for (name, sink) in node.sinks.sinks() {
        let labels = vec![label("sink", &name)];
        up.push(value(labels.clone(), u64::from(sink.status(&name).ready)));
        if let Sink::Kafka(connection) = sink {
            fatal.push(value(labels.clone(), connection.fatal_errors()));
            replaced.extend(connection.replaced().map(|(reason, count)| {
                let reason = vec![label("reason", reason.name())];
                value([reason, labels.clone()].concat(), count)
            }));
        }
    }
    vec![
        gauge("sluice_sink_up", "0 while the sink is in trouble; /status says which.", up),
        counter("sluice_kafka_fatal_errors_total", "Producers replaced after a fatal error.", fatal),
        counter("sluice_kafka_producers_replaced_total", "Producers replaced, by reason.", replaced),
    ]
}

fn of_streams(node: &Node) -> Vec<MetricFamily> {
    let catalog = node.catalog.load();
    let mut streams: Vec<_> = catalog.iter().flat_map(|catalog| catalog.streams()).collect();
    streams.sort_by(|a, b| (&a.spec.group_id, &a.spec.stream_id).cmp(&(&b.spec.group_id, &b.spec.stream_id)));
    let mut reports = Vec::new();
    for stream in &streams {
        for (code, count) in stream.counters.answers() {
            let mut labels = ids(stream);
            labels.insert(0, label("code", &code.number().to_string()));
            reports.push(value(labels, count));
        }
    }
    let mut refused = Vec::new();
    for stream in &streams {
        for (reason, count) in stream.counters.sources_refused() {
            refused.push(value([vec![label("reason", reason)], ids(stream)].concat(), count));
        }
    }
    let mut denied = Vec::new();
    for stream in &streams {
        for (reason, count) in stream.counters.denials() {
            denied.push(value([vec![label("reason", reason)], ids(stream)].concat(), count));
        }
    }
    let ready = streams.iter().map(|s| value(ids(s), u64::from(s.outlet.longest_record().is_some())));
    let records = |name, help, count: fn(&Tally) -> u64| {
        let of = |s: &&Arc<Stream>| value(ids(s), count(&s.counters.tally()));
        counter(name, help, streams.iter().map(of).collect())
    };
    let counts = |name, help, count: fn(&StreamCounters) -> &Count| {
        counter(name, help, streams.iter().map(|s| value(ids(s), count(&s.counters).get())).collect())
    };
    let held = |name, help, amount: fn(&Stream) -> u64| {
        gauge(name, help, streams.iter().map(|s| value(ids(s), amount(s))).collect())
    };
    vec![
        gauge("sluice_stream_ready", "0 while the stream's topic is not known to be there.", ready.collect()),
        held("sluice_stream_breaker_open", "1 while the topic is in trouble and only probed.", |s| {
            u64::from(s.outlet.isolation().breaker_open)
        }),
        held("sluice_stream_quarantined", "1 while records go through a producer apart.", |s| {
            u64::from(s.outlet.isolation().quarantined)
        }),
        counter("sluice_reports_total", "Reports by the code of their answer; 0 is success.", reports),
        counter(
            "sluice_sources_refused_total",
            "Reports not taken from their client, by the reason.",
            refused,
        ),
        counter(
            "sluice_credentials_refused_total",
            "Reports whose sender did not prove who it is, by the reason.",
            denied,
        ),
        records("sluice_records_admitted_total", "Records handed to the sink.", |t| t.admitted),
        records("sluice_records_delivered_total", "Records stored.", |t| t.delivered),
        records("sluice_records_failed_total", "Records surely not stored.", |t| t.failed),
        records(
            "sluice_records_unknown_total",
            "Records of which it is not known whether they are stored.",
            |t| t.unknown,
        ),
        records("sluice_delivered_bytes_total", "Bytes of the messages stored.", |t| t.delivered_bytes),
        held("sluice_records_waiting", "Records in reports that are not settled yet.", |s| {
            s.counters.tally().waiting
        }),
        held("sluice_stream_inflight_bytes", "Bytes of the stream's reports in flight.", |s| s.share.used()),
        counts(
            "sluice_count_mismatch_total",
            "Reports whose cnt was not the number of records found.",
            |c| &c.count_mismatch,
        ),
        counts("sluice_key_missing_total", "Records without the key that their stream wants.", |c| {
            &c.key_missing
        }),
    ]
}

fn ids(stream: &Stream) -> Vec<LabelPair> {
    vec![label("group_id", &stream.spec.group_id), label("stream_id", &stream.spec.stream_id)]
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn one(number: u64) -> Vec<Metric> {
    vec![value(Vec::new(), number)]
}

/// A number with its labels; the family's type decides which of the two it is read as.
fn value(labels: Vec<LabelPair>, number: u64) -> Metric {
    // Prometheus' numbers are floating point; counts stay exact up to 2^53.
    real(labels, number as f64)
}

/// The same for what is no whole number.
fn real(labels: Vec<LabelPair>, number: f64) -> Metric {
    let mut metric = Metric::from_label(labels);
    let (mut counter, mut gauge) = (Counter::default(), Gauge::default());
    counter.set_value(number);
    gauge.set_value(number);
    metric.set_counter(counter);
    metric.set_gauge(gauge);
    metric
}

fn counter(name: &str, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    family(name, help, MetricType::COUNTER, metrics)
}

fn gauge(name: &str, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    family(name, help, MetricType::GAUGE, metrics)
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
