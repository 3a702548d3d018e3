//! The way of spans out: sampled, queued within a bound, sent in batches by a thread of the SDK, and counted.
//! It must not make a report wait: what finds no room is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use tokio::runtime::Handle;

use super::collector::{Collector, Trouble};
use super::settings::Settings;
use crate::counters::Count;

/// The part of traces that begin here and are kept, unless `OTEL_TRACES_SAMPLER` says otherwise.
const RATIO: f64 = 0.01;

/// What became of spans since the node started.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub exported: Count,
    /// Dropped because too many waited.
    pub dropped: Count,
    /// Lost because their batch could not be sent.
    pub failed: Count,
    waiting: AtomicUsize,
}

impl SpanCounts {
    /// Waiting to be sent, or being sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes a place among those that wait, if there is one.
    fn enter(&self, limit: usize) -> bool {
        let entered = self.waiting.fetch_add(1, Ordering::Relaxed) < limit;
        if !entered {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.add(1);
        }
        entered
    }

    fn leave(&self, spans: usize, sent: bool) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        if sent { &self.exported } else { &self.failed }.add(spans as u64);
    }
}

/// Starts the export; requests to the collector run on `runtime`.
pub(super) fn start(
    settings: &Settings,
    counts: &Arc<SpanCounts>,
    runtime: Handle,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let trouble = Arc::new(Trouble::default());
    let collector = Collector::new(runtime, settings.timeout, Arc::clone(&trouble));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_endpoint(settings.endpoint.to_string())
        .with_timeout(settings.timeout)
        .build()?;
    let counted = Counted { exporter, counts: Arc::clone(counts), trouble, failing: AtomicBool::new(false) };
    let config = BatchConfigBuilder::default().with_max_queue_size(settings.queue).build();
    let batches = BatchSpanProcessor::builder(counted).with_batch_config(config).build();
    let bounded = Bounded { batches, counts: Arc::clone(counts), limit: settings.queue };
    let provider = SdkTracerProvider::builder().with_resource(resource()).with_span_processor(bounded);
    let sampler = || Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(RATIO)));
    Ok(if settings.sampler { provider } else { provider.with_sampler(sampler()) }.build())
}

/// Who sends: as the environment says, else by the program's own name.
fn resource() -> Resource {
    let detected = Resource::builder().build();
    let name = detected.get(&Key::from_static_str("service.name"));
    let named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if named { resource } else { resource.with_service_name("sluice-proxy") }.build()
}

/// Lets as many spans wait as there is room for, which the SDK's own queue does without telling.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    counts: Arc<SpanCounts>,
    limit: usize,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.counts.enter(self.limit) {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what leaves and what is lost, and logs when that changes.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    counts: Arc<SpanCounts>,
    trouble: Arc<Trouble>,
    failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.counts.leave(spans, result.is_ok());
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => {
                let reason = self.trouble.last();
                tracing::warn!(%error, reason, "traces can't be exported, spans are lost");
            }
            Ok(()) if failed_before => tracing::info!("traces are exported again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_without_room_is_dropped_and_counted() {
        let counts = SpanCounts::default();
        assert_eq!([(); 3].map(|()| counts.enter(2)), [true, true, false]);
        assert_eq!((counts.waiting(), counts.dropped.get()), (2, 1));
        counts.leave(1, true);
        counts.leave(1, false);
        assert_eq!((counts.waiting(), counts.exported.get(), counts.failed.get()), (0, 1, 1));
        assert!(counts.enter(2), "there is room again");
    }
}
