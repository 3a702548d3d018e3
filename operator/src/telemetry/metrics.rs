//! The operator's metrics: how long planning takes, what fails, what waits, how its objects are.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::apply::Write;
use crate::reconcile::Census as Conditions;
use crate::registry::Census;
use crate::scale::Kind;

/// Directions of steps, as the metric names them.
const UP: &str = "up";
const DOWN: &str = "down";

/// The operator's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconcile: Histogram,
    errors: IntCounterVec,
    writes: IntCounterVec,
    depth: IntGauge,
    objects: IntGaugeVec,
    interval: Histogram,
    leader: IntGauge,
    scalings: IntCounterVec,
    polls: IntGauge,
    poll_answers: IntCounterVec,
    discovered: IntCounterVec,
    nodes: IntGaugeVec,
    tokens_refused: IntCounterVec,
    handshakes_failed: IntCounter,
    certificate: IntGauge,
    reviews: IntCounterVec,
    review: Histogram,
}

/// A long poll that waits; it is counted no more when dropped.
#[derive(Debug)]
pub struct WaitingPoll(IntGauge);

impl Drop for WaitingPoll {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// A mistake in the product: two metrics of one name.
    pub fn new() -> prometheus::Result<Self> {
        let buckets = vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let reconcile = HistogramOpts::new(
            "sluice_operator_reconcile_duration_seconds",
            "Time to work out what is wanted of everything.",
        );
        let interval = HistogramOpts::new(
            "sluice_operator_publish_interval_seconds",
            "Time that a fleet waits after a publication of its configuration, by its size.",
        );
        let metrics = Self {
            registry: Registry::new(),
            reconcile: Histogram::with_opts(reconcile.buckets(buckets))?,
            errors: counters("sluice_operator_errors_total", "Writes that failed.", "kind")?,
            writes: counters("sluice_operator_writes_total", "Writes that came about.", "about")?,
            depth: IntGauge::new("sluice_operator_queue_depth", "Writes that wait or are on their way.")?,
            objects: IntGaugeVec::new(
                Opts::new("sluice_operator_objects", "Resources by condition and its status."),
                &["kind", "condition", "status"],
            )?,
            interval: Histogram::with_opts(
                interval.buckets(vec![0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0]),
            )?,
            leader: IntGauge::new("sluice_operator_leader", "Whether this operator may write: 1 or 0.")?,
            scalings: counters(
                "sluice_operator_scalings_total",
                "Steps of fleets that autoscale.",
                "direction",
            )?,
            polls: IntGauge::new("sluice_operator_polls_waiting", "Long polls that wait for a change.")?,
            poll_answers: IntCounterVec::new(
                Opts::new("sluice_operator_poll_answers_total", "Answers of the port of long polling."),
                &["route", "status"],
            )?,
            discovered: IntCounterVec::new(
                Opts::new(
                    "sluice_operator_discovery_answers_total",
                    "Answers of discovery and to heartbeats.",
                ),
                &["route", "answer"],
            )?,
            nodes: IntGaugeVec::new(
                Opts::new(
                    "sluice_operator_nodes",
                    "Nodes that are ready, are listed, and are ready but lost.",
                ),
                &["state"],
            )?,
            tokens_refused: counters(
                "sluice_operator_tokens_refused_total",
                "Requests whose token did not say who sends them.",
                "reason",
            )?,
            handshakes_failed: IntCounter::new(
                "sluice_operator_handshakes_failed_total",
                "Connections that came to no TLS handshake.",
            )?,
            certificate: IntGauge::new(
                "sluice_operator_certificate_expiry_timestamp_seconds",
                "When the certificate that is served expires; 0 while there is none.",
            )?,
            reviews: IntCounterVec::new(
                Opts::new("sluice_operator_reviews_total", "Answers of the port of webhooks."),
                &["route", "answer"],
            )?,
            review: Histogram::with_opts(
                HistogramOpts::new(
                    "sluice_operator_review_duration_seconds",
                    "Time to answer a review, once it has come whole.",
                )
                .buckets(vec![
                    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0,
                ]),
            )?,
        };
        metrics.registry.register(Box::new(metrics.reconcile.clone()))?;
        metrics.registry.register(Box::new(metrics.errors.clone()))?;
        metrics.registry.register(Box::new(metrics.writes.clone()))?;
        metrics.registry.register(Box::new(metrics.depth.clone()))?;
        metrics.registry.register(Box::new(metrics.objects.clone()))?;
        metrics.registry.register(Box::new(metrics.interval.clone()))?;
        metrics.registry.register(Box::new(metrics.leader.clone()))?;
        metrics.registry.register(Box::new(metrics.scalings.clone()))?;
        metrics.registry.register(Box::new(metrics.polls.clone()))?;
        metrics.registry.register(Box::new(metrics.poll_answers.clone()))?;
        metrics.registry.register(Box::new(metrics.discovered.clone()))?;
        metrics.registry.register(Box::new(metrics.nodes.clone()))?;
        for direction in [UP, DOWN] {
            metrics.scalings.with_label_values(&[direction]);
        }
        metrics.registry.register(Box::new(metrics.tokens_refused.clone()))?;
        metrics.registry.register(Box::new(metrics.handshakes_failed.clone()))?;
        metrics.registry.register(Box::new(metrics.certificate.clone()))?;
        metrics.registry.register(Box::new(metrics.reviews.clone()))?;
        metrics.registry.register(Box::new(metrics.review.clone()))?;
        Ok(metrics)
    }

    /// A plan was made.
    pub fn planned(&self, took: Duration, census: &Conditions) {
        self.reconcile.observe(took.as_secs_f64());
        self.objects.reset();
        for ((kind, condition, status), count) in census {
            self.objects.with_label_values(&[*kind, condition.as_str(), status.as_str()]).set(*count);
        }
    }

    /// This operator plans nothing: what it counted of objects is another's to tell.
    pub fn idle(&self) {
        self.objects.reset();
        self.depth.set(0);
    }

    /// A write came about.
    pub fn wrote(&self, write: &Write) {
        let about = match write {
            Write::Apply { .. } | Write::Scale { .. } => "object",
            Write::Delete { .. } => "object_removed",
            Write::DefaultFleet { .. } => "default_fleet",
            Write::Publish(publication) => {
                self.interval.observe(publication.interval.as_secs_f64());
                "configuration"
            }
            Write::StreamStatus { .. } => "stream_status",
            Write::FleetStatus { .. } => "fleet_status",
            Write::PodEvent { .. } => "pod_event",
        };
        self.writes.with_label_values(&[about]).inc();
    }

    /// A write failed.
    pub fn failed(&self, kind: &str) {
        self.errors.with_label_values(&[kind]).inc();
    }

    /// So many writes wait or are on their way.
    pub fn queued(&self, depth: usize) {
        self.depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Whether this operator leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A fleet has got more or fewer proxies by their load.
    pub fn scaled(&self, kind: Kind) {
        let direction = match kind {
            Kind::ScaledUp => UP,
            Kind::ScaledDown => DOWN,
            Kind::LoadUnknown => return,
        };
        self.scalings.with_label_values(&[direction]).inc();
    }

    /// A long poll waits until what this gives is dropped.
    #[must_use]
    pub fn poll_waits(&self) -> WaitingPoll {
        self.polls.inc();
        WaitingPoll(self.polls.clone())
    }

    /// A request to the port of long polling was answered.
    pub fn poll_answered(&self, route: &str, status: &str) {
        self.poll_answers.with_label_values(&[route, status]).inc();
    }

    /// A request for nodes, or a heartbeat, was answered: `answer` is `ok` or why not.
    pub fn discovered(&self, route: &str, answer: &str) {
        self.discovered.with_label_values(&[route, answer]).inc();
    }

    /// So many nodes there are.
    pub fn nodes(&self, census: Census) {
        for (state, count) in [("ready", census.ready), ("listed", census.listed), ("lost", census.lost)] {
            self.nodes.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// A request's token did not say who sends it.
    pub fn token_refused(&self, reason: &str) {
        self.tokens_refused.with_label_values(&[reason]).inc();
    }

    /// A connection came to no TLS handshake.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// The certificate that is served expires then, in seconds since 1970.
    pub fn certificate_expires(&self, at: u64) {
        self.certificate.set(i64::try_from(at).unwrap_or(i64::MAX));
    }

    /// A request to the port of webhooks was answered, a review in this time.
    pub fn reviewed(&self, route: &str, answer: &str, took: Option<Duration>) {
        self.reviews.with_label_values(&[route, answer]).inc();
        if let Some(took) = took {
            self.review.observe(took.as_secs_f64());
        }
    }

    /// All of them in Prometheus' text form.
    ///
    /// # Errors
    /// They can't be written.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn counters(name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), &[label])
}
