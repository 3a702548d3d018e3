//! Ends producers so that every record they hold is settled. It makes none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::producer::{Producer as _, PurgeConfig};

use super::control::{Control, Producer};
use super::driver::ROUND;

/// How long a purged producer may take to give everything back.
const PURGE: Duration = Duration::from_secs(5);

/// Finishes a replaced producer beside the new one; here and now where no thread can be had.
pub(super) fn finish_apart(
    producer: Arc<Producer>,
    flush: Duration,
    control: &Arc<Control>,
) -> Option<JoinHandle<()>> {
    let (apart, spare) = (Arc::clone(control), Arc::clone(&producer));
    let thread = std::thread::Builder::new()
        .name("kafka-ending".to_owned())
        .spawn(move || finish(producer, flush, &apart));
    if thread.is_err() {
        finish(spare, flush, control);
    }
    thread.ok()
}

/// Gives a producer `flush` to deliver what it holds, takes the rest back, and drops it here, where
/// blocking harms nobody.
pub(super) fn finish(producer: Arc<Producer>, flush: Duration, control: &Control) {
    let deadline = Instant::now() + flush;
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        if control.purge.load(Ordering::Relaxed) {
            break;
        }
        // Errors only by running out of time, which the loop itself watches.
        let _ = producer.flush(ROUND);
    }
    producer.purge(PurgeConfig::default().queue().inflight());
    let deadline = Instant::now() + PURGE;
    // Others hold the producer only while they hand over one report.
    while (producer.in_flight_count() > 0 || Arc::strong_count(&producer) > 1) && Instant::now() < deadline {
        producer.poll(Duration::from_millis(5));
    }
    drop(producer);
}
