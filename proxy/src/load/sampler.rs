//! The task that measures: once a second it reads the kernel's files, on a thread of its own, and asks how full the
//! node's own limits are.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use super::read::Files;
use super::{Filling, Load};

/// Between two measurements.
const INTERVAL: Duration = Duration::from_secs(1);

/// Measures the load again and again.
#[derive(Debug)]
pub struct Sampler<F> {
    load: Load,
    filling: F,
}

impl<F: Fn() -> Filling> Sampler<F> {
    /// One that puts what it measures into `load`, and asks `filling` for the node's own limits.
    pub fn new(load: Load, filling: F) -> Self {
        Self { load, filling }
    }

    /// Measures until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (mut files, mut meter) = (Some(Files::below("/")), Meter::default());
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let mut reading = files.take().unwrap_or_else(|| Files::below("/"));
            let read = tokio::task::spawn_blocking(move || {
                let read = reading.read();
                (reading, read)
            });
            let Ok((looked, reading)) = read.await else { continue };
            files = Some(looked);
            self.load.set(meter.take(reading, &(self.filling)()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::*;

    #[tokio::test]
    async fn what_is_measured_is_found_until_the_end() {
        let load = Load::default();
        let filling =
            || Filling { ready: true, connections: Part { used: 1, limit: 1 }, ..Filling::default() };
        let stop = CancellationToken::new();
        let running = tokio::spawn(Sampler::new(load.clone(), filling).run(stop.clone()));
        let connections = || load.now().components[4];
        while connections().is_none_or(|share| share < 5.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        running.await.unwrap();
        assert!(load.now().load >= 5, "{:?}", load.now());
    }
}
