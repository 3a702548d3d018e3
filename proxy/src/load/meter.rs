//! Readings become the load: shares, smoothed, the largest of them, and its band. Pure: the time is the readings'.

use std::time::{Duration, Instant};

use sluice_wire::heartbeat::MAX_LOAD;

use super::read::Reading;
use super::{Component, Filling, Measured, band, share};

/// Over which time shares are smoothed: after it, a share that jumped has come 63 % of the way.
const SMOOTHING: Duration = Duration::from_secs(10);

/// What is remembered from reading to reading.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Option<Reading>,
    shares: [Option<f64>; Component::ALL.len()],
    band: Option<u8>,
    ready_since: Option<Instant>,
}

impl Meter {
    /// Takes a reading, and how full the node's own limits are at that moment.
    pub(super) fn take(&mut self, reading: Reading, filling: &Filling) -> Measured {
        let before = self.last.as_ref();
        let weight = before.map_or(0.0, |before| weight(reading.at.saturating_duration_since(before.at)));
        let now = [
            before.and_then(|before| share::cpu(before, &reading)),
            before.and_then(|before| share::cpu_wait(before, &reading)),
            Some(filling.bytes.share()),
            filling.queue.map(share::Part::share),
            Some(filling.connections.share()),
        ];
        for (smooth, share) in self.shares.iter_mut().zip(now) {
            *smooth = share.map(|share| smoothed(smooth.unwrap_or(0.0), share, weight));
        }
        let components = self.shares.map(|share| share.map(|share| share * 100.0));
        let load = whole(components.iter().flatten().copied().fold(0.0, f64::max));
        let real = band::follow(self.band, load);
        self.band = Some(real);
        if filling.ready {
            self.ready_since.get_or_insert(reading.at);
        }
        let ready = self.ready_since.map(|since| reading.at.saturating_duration_since(since));
        self.last = Some(reading);
        Measured { load, band: real.max(band::slow_start(ready)), components }
    }
}

/// How much a share counts that stands for so long.
fn weight(elapsed: Duration) -> f64 {
    1.0 - (-elapsed.as_secs_f64() / SMOOTHING.as_secs_f64()).exp()
}

fn smoothed(before: f64, now: f64, weight: f64) -> f64 {
    before + (now - before) * weight
}

/// The nearest whole number that a load can be.
fn whole(load: f64) -> u8 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 0 to MAX_LOAD")]
    let whole = load.round().clamp(0.0, f64::from(MAX_LOAD)) as u8;
    whole
}

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::super::read::Level;
    use super::*;

    /// A meter that is given a reading a second.
    struct Seconds {
        meter: Meter,
        start: Instant,
        second: u64,
        used: Duration,
    }

    impl Seconds {
        fn new() -> Self {
            Self { meter: Meter::default(), start: Instant::now(), second: 0, used: Duration::ZERO }
        }

        /// So many seconds in which the cgroup uses a part of its one core.
        fn pass(&mut self, seconds: u64, cpu: f64, filling: &Filling) -> Measured {
            let mut measured = Measured::default();
            for _ in 0..seconds {
                self.used += Duration::from_secs_f64(cpu);
                let reading = Reading {
                    at: self.start + Duration::from_secs(self.second),
                    levels: vec![Level { used: self.used, quota: Some(1.0) }],
                    process: None,
                    cores: 4.0,
                    waits: None,
                };
                self.second += 1;
                measured = self.meter.take(reading, filling);
            }
            measured
        }
    }

    fn connections(used: u64) -> Filling {
        Filling { ready: true, connections: Part { used, limit: 100 }, ..Filling::default() }
    }

    #[test]
    fn the_load_is_the_largest_component() {
        let mut node = Seconds::new();
        let filling = Filling {
            ready: true,
            bytes: Part { used: 10, limit: 100 },
            queue: Some(Part { used: 20, limit: 100 }),
            connections: Part { used: 30, limit: 100 },
        };
        let measured = node.pass(120, 0.5, &filling);
        assert_eq!((measured.load, measured.band), (50, 50));
        let components = measured.components.map(|part| part.map(f64::round));
        assert_eq!(components, [Some(50.0), None, Some(10.0), Some(20.0), Some(30.0)]);
        assert_eq!(node.pass(120, 0.0, &filling).load, 30);
    }

    #[test]
    fn a_jump_comes_through_over_ten_seconds() {
        let mut node = Seconds::new();
        let _ = node.pass(60, 0.0, &connections(0));
        assert_eq!(node.pass(1, 0.0, &connections(100)).load, 10);
        assert_eq!(node.pass(9, 0.0, &connections(100)).load, 63);
        assert_eq!(node.pass(60, 0.0, &connections(100)).load, 100);
    }

    #[test]
    fn a_reading_that_comes_late_counts_for_all_the_time_it_stands_for() {
        let (mut often, mut late) = (Seconds::new(), Seconds::new());
        let _ = (often.pass(1, 0.0, &connections(0)), late.pass(1, 0.0, &connections(0)));
        let often = often.pass(12, 0.0, &connections(100));
        late.second += 11;
        assert_eq!(late.pass(1, 0.0, &connections(100)).load, often.load);
    }

    #[test]
    fn no_component_makes_more_than_two_hundred() {
        let mut node = Seconds::new();
        let _ = node.pass(60, 0.0, &connections(100_000));
        let measured = node.pass(120, 50.0, &connections(100_000));
        assert_eq!((measured.load, measured.band), (MAX_LOAD, MAX_LOAD));
    }

    #[test]
    fn the_slow_start_begins_when_the_node_takes_reports_and_hides_no_load() {
        let mut node = Seconds::new();
        let waits = Filling { ready: false, ..connections(0) };
        assert_eq!(node.pass(100, 0.0, &waits).band, 90);
        assert_eq!(node.pass(1, 0.0, &connections(0)).band, 90);
        assert_eq!(node.pass(15, 0.0, &connections(0)).band, 40);
        assert_eq!(node.pass(20, 0.0, &connections(0)).band, 0);
        assert_eq!(node.pass(60, 0.0, &waits).band, 0, "a node starts once");
        let mut busy = Seconds::new();
        let _ = busy.pass(1, 0.0, &connections(0));
        assert_eq!(busy.pass(60, 1.5, &connections(0)).band, 150);
    }

    #[test]
    fn what_can_no_longer_be_measured_is_no_component() {
        let mut node = Seconds::new();
        let with_queue = Filling { queue: Some(Part { used: 90, limit: 100 }), ..connections(1) };
        assert_eq!(node.pass(120, 0.0, &with_queue).load, 90);
        let measured = node.pass(1, 0.0, &connections(1));
        assert_eq!((measured.components[3], measured.load), (None, 1));
    }
}
