//! What the node tells of its work while it works: log lines, and spans for whoever asks for them.
//! It must not slow a report down, nor tell what is in one.
//!
//! | file | holds |
//! |---|---|
//! | `refusals` | refused reports as a few lines, however many they are |
//! | `context` | W3C trace context as it comes in (pure) |
//! | `settings` | where spans go, from the command line and `OTEL_*` (pure) |
//! | `span` | the spans of a request |
//! | `export`, `collector` | the way of spans out, bounded and counted |
//!
//! Spans are made with OpenTelemetry's own types and not by way of `tracing`: they need a remote parent, a
//! decision before anything is allocated, and the new span's id in records, and log lines no part of that.

mod collector;
mod context;
mod export;
pub mod refusals;
mod settings;
mod span;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

pub use context::Incoming;
pub use export::SpanCounts;
pub use settings::{Settings, SettingsError};
pub use span::{DeliverySpan, RequestSpan};

/// How long spans that wait may take to leave when the node ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Why spans can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The exporter refuses its settings.
    #[error("traces: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Where spans go. Without settings there is nothing, and a request costs one comparison more.
#[derive(Clone, Debug, Default)]
pub struct Tracing {
    on: Option<Arc<On>>,
    counts: Arc<SpanCounts>,
}

#[derive(Debug)]
struct On {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

impl Tracing {
    /// Starts the export that `endpoint` or the environment asks for; on a runtime's thread.
    ///
    /// # Errors
    /// [`TracingError`].
    pub fn start(endpoint: Option<&str>) -> Result<Self, TracingError> {
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(settings) = Settings::read(endpoint, given)? else { return Ok(Self::default()) };
        let counts = Arc::new(SpanCounts::default());
        let provider = export::start(&settings, &counts, Handle::current())?;
        let scope = InstrumentationScope::builder("sluice-proxy").with_version(env!("CARGO_PKG_VERSION"));
        let tracer = provider.tracer_with_scope(scope.build());
        tracing::info!(endpoint = %settings.endpoint, queue = settings.queue, "traces are exported");
        Ok(Self { on: Some(Arc::new(On { tracer, provider })), counts })
    }

    /// What became of spans.
    #[must_use]
    pub fn counts(&self) -> &SpanCounts {
        &self.counts
    }

    /// Sends what waits, for a while; what can't be sent in it is lost.
    pub async fn end(self) {
        let Some(on) = self.on else { return };
        let ended = tokio::task::spawn_blocking(move || on.provider.shutdown_with_timeout(LAST_SPANS)).await;
        let spans = self.counts.waiting();
        if spans > 0 || !matches!(ended, Ok(Ok(()))) {
            tracing::warn!(spans, "not every span was exported before the end");
        }
    }

    fn tracer(&self) -> Option<&SdkTracer> {
        self.on.as_ref().map(|on| &on.tracer)
    }
}
